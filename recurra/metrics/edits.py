"""How far two sequences are apart, and what they share: dynamic programming in the bits of whole numbers."""

from collections.abc import Hashable, Sequence

__all__ = ["common_length", "edit_distance"]


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions that make one sequence the other (Levenshtein 1966).

    A column of the table is two whole numbers, the bits where it goes up and down by one, so a step costs a few
    operations on as many bits as the shorter sequence is long.
    Source: Myers 1999, A fast bit-vector algorithm for approximate string matching; Hyyrö 2003.

    Example:
        >>> edit_distance("kitten", "sitting"), edit_distance([1, 2, 3], [])
        (3, 3)
    """
    short, long = sorted((one, other), key=len)
    if not short:
        return len(long)
    places, full, last = _places(short), (1 << len(short)) - 1, 1 << (len(short) - 1)
    up, down, distance = full, 0, len(short)
    for symbol in long:
        match = places.get(symbol, 0)
        same = (((match & up) + up) ^ up) | match | down
        rise, fall = down | (full & ~(same | up)), same & up
        distance += bool(rise & last) - bool(fall & last)
        rise, fall = rise << 1 | 1, fall << 1
        up, down = full & (fall | ~(same | rise)), full & same & rise
    return distance


def common_length(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence, whose parts need not be neighbours.

    Source: Crochemore et al. 2001, A fast and practical bit-vector algorithm for the longest common subsequence problem.

    Example:
        >>> common_length("police killed the gunman".split(), "police kill the gunman".split())
        3
    """
    short, long = sorted((one, other), key=len)
    places, full = _places(short), (1 << len(short)) - 1
    rest = full
    for symbol in long:
        found = rest & places.get(symbol, 0)
        rest = ((rest + found) | (rest - found)) & full
    return len(short) - rest.bit_count()


def _places(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    places: dict[Hashable, int] = {}
    for k, symbol in enumerate(sequence):
        places[symbol] = places.get(symbol, 0) | 1 << k
    return places
