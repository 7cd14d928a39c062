"""Notices of meetings, trips and bills, made up: who, where, when and how much is what `tag` learns where no data are given."""

import random
from collections.abc import Callable, Sequence
from functools import cache

from recurra.data.dates import MONTHS, WEEKDAYS
from recurra.data.schemes import Entity
from recurra.data.sentences import Sentence, of_text, touched
from recurra.data.tagged import Tagged

__all__ = ["notices"]

FIRST = (
    *("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ida", "Jonas", "Kira", "Leo", "Maria", "Noah"),
    *("Olga", "Paul", "Rosa", "Sam", "Tara", "Victor", "April", "June", "May", "Will", "Mark", "Paris", "Florence", "Chester"),
)
BEGIN = (
    "Al",
    "Bar",
    "Cor",
    "Dun",
    "El",
    "Fen",
    "Gar",
    "Hol",
    "Kel",
    "Lin",
    "Mor",
    "Nor",
    "Os",
    "Pem",
    "Ros",
    "Stan",
    "Tor",
    "Wes",
)
MIDDLE = ("", "", "", "a", "be", "di", "en", "ing", "ler", "mi", "o", "ri", "ti", "wa")
END = (
    "berg",
    "by",
    "den",
    "field",
    "ford",
    "ham",
    "ley",
    "low",
    "man",
    "mere",
    "ner",
    "son",
    "stead",
    "ton",
    "vik",
    "well",
    "wick",
)
FORMS = (
    "{PERSON} meets {PERSON} in {PLACE} on {DATE} at {TIME} .",
    "Please send {MONEY} to {PERSON} before {DATE} .",
    "The train from {PLACE} to {PLACE} leaves at {TIME} .",
    "Tickets to {PLACE} cost {MONEY} , or {MONEY} after {DATE} .",
    "On {DATE} , {PERSON} moved from {PLACE} to {PLACE} .",
    "{PERSON} will call at {TIME} , not at {TIME} .",
    "Will {PERSON} pay {MONEY} for the room in {PLACE} ?",
    "Room {NUMBER} is booked for {PERSON} until {DATE} , {TIME} .",
    "The shop in {PLACE} may open at {TIME} from {DATE} on .",
    "{PERSON} owes {PERSON} {MONEY} since {DATE} .",
    "Bus {NUMBER} stops in {PLACE} and {PLACE} only until {TIME} .",
    "{PLACE} beat {PLACE} {NUMBER} to {NUMBER} on {DATE} .",
    "We march from {PLACE} at {TIME} with {NUMBER} people .",
    "{NUMBER} guests of {PERSON} paid {MONEY} each .",
    "Ask {PERSON} or {PERSON} for page {NUMBER} .",
    "Mark the {NUMBER} boxes that go to {PLACE} , {PERSON} .",
    "The bill of {MONEY} from {PLACE} is {NUMBER} days old .",
    "Tell {PERSON} that {PERSON} will be in {PLACE} by {TIME} .",
)


@cache
def notices(count: int = 3000, seed: int = 0) -> Tagged:
    """Sentences with persons, places, dates, times and sums of money; what they are depends on the seed alone.

    Family names and places are made of the same syllables, so that most were never seen, and only what stands around them tells
    one from the other; some first names are also months, words or cities. A number alone is nothing. One sentence in ten has
    no capitals.

    Example:
        >>> sentence = notices().sentences[0]
        >>> [(sentence.text[sentence.places[a][0] : sentence.places[b - 1][1]], label) for a, b, label in sentence.entities]
        [('Olga Holoham', 'PERSON'), ('£526.55', 'MONEY')]
    """
    draw = random.Random(seed)  # of its methods only random() is the same in every version
    made = [_notice(draw, number) for number in range(1, count + 1)]
    return Tagged("notices of meetings, trips and bills, made up", made, "spans")


def _notice(draw: random.Random, line: int) -> Sentence:
    parts, spans, start = list[str](), list[tuple[int, int, str]](), 0
    small = draw.random() < 0.1
    for piece in _one(draw, FORMS).split():
        label = piece.strip("{}")
        text = KINDS[label](draw) if label in KINDS else piece
        if label in KINDS and label != "NUMBER":
            spans.append((start, start + len(text), label))
        parts.append(text.lower() if small else text)
        start += len(text) + 1
    sentence, found = of_text(" ".join(parts), line), list[Entity]()
    for begin, end, label in spans:
        first, last = touched(sentence, begin, end)
        found.append(Entity(first, last + 1, label))
    return sentence._replace(entities=tuple(found))


def _one(draw: random.Random, choices: Sequence[str]) -> str:
    return choices[int(draw.random() * len(choices))]


def _below(draw: random.Random, most: int) -> int:
    return 1 + int(draw.random() * most)


def _name(draw: random.Random) -> str:
    return "".join(_one(draw, parts) for parts in (BEGIN, MIDDLE, END))


def _person(draw: random.Random) -> str:
    kind, first = draw.random(), _one(draw, FIRST)
    if kind < 0.4:
        return f"{first} {_name(draw)}"
    return first if kind < 0.7 else f"{_one(draw, ('Mr', 'Ms', 'Dr'))} {_name(draw)}" if kind < 0.9 else _name(draw)


def _place(draw: random.Random) -> str:
    kind = draw.random()
    if kind < 0.1:
        return _one(draw, ("Paris", "Florence", "Chester"))
    return _name(draw) if kind < 0.7 else f"{_one(draw, ('New', 'Upper', 'North', 'Port'))} {_name(draw)}"


def _date(draw: random.Random) -> str:
    kind, day, month = draw.random(), _below(draw, 28), MONTHS[_below(draw, 12) - 1]
    if kind < 0.2:
        return _one(draw, WEEKDAYS)
    if kind < 0.4:
        return f"{1990 + _below(draw, 60)}-{_below(draw, 12):02}-{day:02}"
    return f"{day} {month}" if kind < 0.7 else f"{month} {day}" if kind < 0.85 else f"{day} {month} {1990 + _below(draw, 60)}"


def _time(draw: random.Random) -> str:
    kind, hour = draw.random(), _below(draw, 12)
    if kind < 0.5:
        return f"{2 * hour - 1}:{5 * _below(draw, 11):02}"
    return f"{hour} {_one(draw, ('am', 'pm'))}" if kind < 0.8 else f"half past {hour}" if kind < 0.95 else "noon"


def _money(draw: random.Random) -> str:
    kind, sum_ = draw.random(), _below(draw, 900)
    if kind < 0.4:
        return f"{sum_} {_one(draw, ('euros', 'dollars', 'pounds', 'crowns'))}"
    return (
        f"{_one(draw, ('$', '€', '£'))}{sum_}.{_below(draw, 89) + 10}"
        if kind < 0.8
        else f"{sum_} million {_one(draw, ('euros', 'dollars'))}"
    )


KINDS: dict[str, Callable[[random.Random], str]] = {
    "PERSON": _person,
    "PLACE": _place,
    "DATE": _date,
    "TIME": _time,
    "MONEY": _money,
    "NUMBER": lambda draw: str(_below(draw, 60)),
}
