"""Syllables as Unicode spells them, and the script that each belongs to: labelled text that every Python has."""

import re
import unicodedata

__all__ = ["syllables"]

SCRIPTS = {  # and where their letters lie
    "Canadian Aboriginal": (0x1400, 0x167F),
    "Cuneiform": (0x12000, 0x123FF),
    "Ethiopic": (0x1200, 0x137F),
    "Hangul": (0xAC00, 0xD7A3),
    "Vai": (0xA500, 0xA63F),
    "Yi": (0xA000, 0xA48C),
}
NAME = re.compile(r"(?:SYLLABLE|SYLLABICS|LETTER|SIGN) ([A-Z]+)")
MOST = 600
"""Syllables of a script; of one with more, as many at even distances."""


def syllables() -> tuple[list[str], list[str]]:
    """Names of single syllables in small letters, and their scripts, from :mod:`unicodedata`: some 2,300 in six scripts.

    A syllable may stand in several scripts; in one it stands once.

    Example:
        >>> names, scripts = syllables()
        >>> scripts[names.index("dyeon")], scripts[names.index("murx")]
        ('Hangul', 'Yi')
    """
    names, scripts = list[str](), list[str]()
    for script, (first, last) in SCRIPTS.items():
        found = (NAME.search(unicodedata.name(chr(code), "")) for code in range(first, last + 1))
        own = list(dict.fromkeys(match[1].lower() for match in found if match))
        kept = own if len(own) <= MOST else [own[k * len(own) // MOST] for k in range(MOST)]
        names += kept
        scripts += [script] * len(kept)
    return names, scripts
