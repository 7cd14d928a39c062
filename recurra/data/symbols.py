"""Text as numbers and back: characters, words, byte pairs, or the pieces of a unigram model."""

import codecs
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import ModelFileError, UsageError, near_miss

__all__ = ["Characters", "Subwords", "Symbols", "Unigram", "Words"]

UNKNOWN = 0
"""The number of the symbol that stands for all that was never seen; it is never generated."""


class Symbols(ABC):
    """A vocabulary. Number 0 is the unknown symbol."""

    unit: str

    @abstractmethod
    def __len__(self) -> int:
        """V, the unknown symbol included."""

    @abstractmethod
    def encode(self, text: str) -> NDArray[np.int64]:
        """The numbers of a text."""

    @abstractmethod
    def decode(self, ids: list[int]) -> str:
        """The text of some numbers."""

    @abstractmethod
    def tail(self, before: list[int], new: int) -> str:
        """What symbol `new` adds to the text after `before`, as far as it is complete."""

    @abstractmethod
    def refuse(self, text: str) -> str | None:
        """Why a prompt cannot be continued, or None: symbols without a number, where the unknown one was never learnt."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """What `Symbols.from_json` reads."""

    @staticmethod
    def learn(unit: str, text: str, size: int) -> "Symbols":
        """The vocabulary of a text; `size` limits words, byte pairs and pieces."""
        symbols: Symbols = _kind(unit).of(text, size)
        return symbols

    @staticmethod
    def from_json(value: Any) -> "Symbols":
        """The inverse of `as_json`."""
        try:
            symbols: Symbols = _kind(value["unit"])(value["entries"])
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise ModelFileError(f"vocabulary: not one that recurra writes ({error!r})") from None
        return symbols


@final
class Characters(Symbols):
    """Every character that the learning text has.

    Example:
        >>> symbols = Characters.of("banana")
        >>> symbols.encode("bad"), symbols.decode([2, 1])
        (array([2, 1, 0]), 'ba')
    """

    unit = "character"

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries
        self.codes = np.array([ord(entry) for entry in entries], np.int64)

    @classmethod
    def of(cls, text: str, size: int | None = None) -> "Characters":  # noqa: ARG003 - all of them, whatever the size
        """The characters of a text, in the order of their code points."""
        return cls(sorted(set(text)))

    def __len__(self) -> int:
        return len(self.entries) + 1

    def encode(self, text: str) -> NDArray[np.int64]:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
        places = np.searchsorted(self.codes, codes)
        return np.where(np.append(self.codes, -1)[places] == codes, places + 1, UNKNOWN)

    def decode(self, ids: list[int]) -> str:
        return "".join(self.entries[i - 1] if i else "\ufffd" for i in ids)

    def tail(self, before: list[int], new: int) -> str:
        return self.decode([new])

    def refuse(self, text: str) -> str | None:
        strange = sorted(set(text) - set(self.entries), key=text.index)
        if not strange:
            return None
        return f"{strange[0]!r} at place {text.index(strange[0]) + 1} is none of the {len(self.entries)} characters learnt"

    def as_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "entries": self.entries}


@final
class Words(Symbols):
    r"""The most frequent words between blanks; the end of a line is a word too. Others become the unknown word.

    Example:
        >>> symbols = Words.of("a rose is a rose\n", size=4)
        >>> symbols.encode("a rose was a rose\n"), symbols.decode([1, 2])
        (array([1, 2, 0, 1, 2, 4]), 'a rose')
    """

    unit = "word"

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries
        self.numbers = {entry: number for number, entry in enumerate(entries, 1)}

    @classmethod
    def of(cls, text: str, size: int) -> "Words":
        """The `size` most frequent words of a text."""
        return cls([word for word, _ in Counter(_words(text)).most_common(size)])

    def __len__(self) -> int:
        return len(self.entries) + 1

    def encode(self, text: str) -> NDArray[np.int64]:
        return np.fromiter((self.numbers.get(word, UNKNOWN) for word in _words(text)), np.int64)

    def decode(self, ids: list[int]) -> str:
        return re.sub(" ?\n ?", "\n", " ".join(self.entries[i - 1] if i else "<unk>" for i in ids))

    def tail(self, before: list[int], new: int) -> str:
        return self.decode([*before[-1:], new])[len(self.decode(before[-1:])) :]

    def refuse(self, text: str) -> str | None:
        return None

    def as_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "entries": self.entries}


class _Pieces(Symbols):
    """Runs of bytes, found in a text by the `tokenizers` library; every byte is one of them, so that any text comes back."""

    def __init__(self, entries: str) -> None:
        try:
            self.tokenizer = _tokenizers(self.unit).Tokenizer.from_str(entries)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(error) from None
        alphabet = _byte_alphabet()
        pieces = (self.tokenizer.id_to_token(number) for number in range(self.tokenizer.get_vocab_size()))
        self.pieces = ["\ufffd".encode(), *(bytes(alphabet[letter] for letter in piece) for piece in pieces)]

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str) -> NDArray[np.int64]:
        sound = text.encode("utf-8", "replace").decode()  # halves of characters have no bytes
        lines = self.tokenizer.encode_batch(sound.splitlines(keepends=True))
        return np.fromiter((number + 1 for line in lines for number in line.ids), np.int64)

    def decode(self, ids: list[int]) -> str:
        return b"".join(self.pieces[i] for i in ids).decode("utf-8", "replace")

    def tail(self, before: list[int], new: int) -> str:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in before[-4:]:  # a character has at most four bytes, so nothing older can be incomplete
            decoder.decode(self.pieces[i])
        return decoder.decode(self.pieces[new])

    def refuse(self, text: str) -> str | None:
        return None

    def as_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "entries": self.tokenizer.to_str()}


@final
class Subwords(_Pieces):
    """Byte pairs (Sennrich et al. 2016), learnt by the `tokenizers` library; every text has a number for each byte.

    Example:
        >>> symbols = Subwords.of("low lower lowest " * 20, size=270)
        >>> symbols.decode(symbols.encode("lowest \u20ac").tolist())
        'lowest \u20ac'
    """

    unit = "subword"

    @classmethod
    def of(cls, text: str, size: int) -> "Subwords":
        """At most `size` byte pairs, single bytes included."""
        library = _tokenizers(cls.unit)
        model, trainer = library.models.BPE(), library.trainers.BpeTrainer
        return cls(_learnt(library, text, model, trainer, size).to_str())


@final
class Unigram(_Pieces):
    r"""Pieces of which each text is the most probable sequence, whatever came before a piece.

    .. math::
        \operatorname*{argmax}_{p_1 \dots p_n = \text{text}} \prod_i P(p_i)

    Learnt by the `tokenizers` library: probabilities by expectation and maximisation, and of many pieces the least useful
    left out until `size` remain. Pieces are runs of bytes and each byte is one, so that any text comes back; a piece crosses
    no border of a word. Source: Kudo 2018, arXiv:1804.10959.

    Example:
        >>> symbols = Unigram.of("low lower lowest " * 20, size=270)
        >>> symbols.decode(symbols.encode("lowest \u20ac").tolist())
        'lowest \u20ac'
    """

    unit = "unigram"

    @classmethod
    def of(cls, text: str, size: int) -> "Unigram":
        """At most `size` pieces, single bytes included."""
        library = _tokenizers(cls.unit)
        tokenizer = _learnt(library, text, library.models.Unigram(), library.trainers.UnigramTrainer, size)
        state = json.loads(tokenizer.to_str())
        state["model"]["vocab"] = _in_order(state["model"]["vocab"])
        return cls(json.dumps(state))


def _learnt(library: Any, text: str, model: Any, trainer: Any, size: int) -> Any:
    """A tokenizer over bytes, its model learnt from the lines of a text."""
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    lines = text.splitlines(keepends=True)
    tokenizer.train_from_iterator(lines, trainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def _in_order(entries: list[tuple[str, float | None]]) -> list[tuple[str, float]]:
    """Pieces and their log-probabilities, the same each time that a text is learnt.

    The library counts in an order that is another each time: sums differ in the last place, and bytes without a count of
    their own stand in any order just above the least probable piece, 0.0001 apart. Here all those have its probability.
    """
    scores = {piece: score or 0.0 for piece, score in entries}  # none where there was next to nothing to learn from
    least = min(scores.values())
    rare = least + 0.0001 * 256
    told = [(piece, round(least if len(piece) == 1 and score < rare else score, 6)) for piece, score in scores.items()]
    return sorted(told, key=lambda entry: (-entry[1], entry[0]))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s]+|\n", text)


def _kind(unit: str) -> Any:
    kinds = {kind.unit: kind for kind in (Characters, Words, Subwords, Unigram)}
    if unit not in kinds:
        raise UsageError(f"unit={unit}: {near_miss(unit, kinds)}")
    return kinds[unit]


def _byte_alphabet() -> dict[str, int]:
    """The letters that byte-level tokenizers write bytes with: printable ones themselves, the others from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + k): byte for k, byte in enumerate(rest)}


def _tokenizers(unit: str) -> Any:
    try:
        import tokenizers
    except ImportError:
        raise UsageError(f"unit={unit} needs the tokenizers library; type: pip install 'recurra[text]'") from None
    return tokenizers
