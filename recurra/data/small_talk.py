"""Small talk in which facts are told and asked for: what `chat` learns where no dialogues are given."""

import random
from collections.abc import Sequence
from typing import Any

__all__ = ["small_talk"]

NAMES = (
    *("Ada", "Ali", "Amy", "Anna", "Ben", "Carl", "Clara", "Dora", "Elsa", "Emil", "Erik", "Eva", "Finn", "Greta", "Hugo"),
    *("Ida", "Ivan", "Jan", "Jonas", "Julia", "Karim", "Kira", "Lea", "Leo", "Lina", "Luis", "Maria", "Max", "Mia", "Nils"),
    *("Nina", "Noah", "Olga", "Omar", "Otto", "Paul", "Rosa", "Sara", "Tom", "Vera"),
)
CITIES = (
    *("Accra", "Athens", "Bergen", "Bern", "Bilbao", "Boston", "Cairo", "Delhi", "Dublin", "Geneva", "Genoa", "Hanoi"),
    *("Kyoto", "Lagos", "Lima", "Lisbon", "London", "Lyon", "Madrid", "Milan", "Nairobi", "Oslo", "Paris", "Porto"),
    *("Prague", "Quito", "Riga", "Rome", "Seoul", "Vienna"),
)
COLOURS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")
ANIMALS = ("cats", "cows", "dogs", "ducks", "geese", "goats", "hens", "horses", "rabbits", "sheep")
COUNTS = range(2, 21)

FACTS = (  # told, asked for, and said again
    ("My name is {name}.", "What is my name?", "Your name is {name}."),
    ("I live in {city}.", "Where do I live?", "You live in {city}."),
    ("I like {colour} best.", "Which colour do I like best?", "You like {colour} best."),
    ("I have {count} {animals}.", "How many {animals} do I have?", "You have {count} {animals}."),
)
HEARD = ("I see.", "Good to know.", "Thank you for telling me.", "That is nice.")
GREETINGS = (
    ("Hello!", "Hello, how are you?"),
    ("Good morning.", "Good morning to you."),
    ("Hi there.", "Nice to see you."),
)
PASSING = (("How are you?", "Fine, thank you."), ("What can you do?", "I can remember what you say."), ("Thanks.", "Any time."))
PARTINGS = (("Bye.", "Goodbye!"), ("See you soon.", "See you!"))
ASKED, PASSED = 0.75, 0.3  # share of the facts that are asked for, and of those that something else follows


def small_talk(count: int = 2000, seed: int = 0) -> list[tuple[str, ...]]:
    """Dialogues in which somebody tells facts and soon asks for most of them; what they are depends on the seed alone.

    What it takes to answer such a question stands three turns back, and nowhere else. No dialogue comes twice.

    Example:
        >>> small_talk(5)[2][2:6]
        ('My name is Kira.', 'Thank you for telling me.', 'What is my name?', 'Your name is Kira.')
    """
    draw, made = random.Random(seed), dict[tuple[str, ...], None]()
    while len(made) < count:
        turns = [*_one(draw, GREETINGS)]
        for told, asked, said in sorted(FACTS, key=lambda _: draw.random())[: 1 + int(draw.random() * 3)]:
            fact = {"name": _one(draw, NAMES), "city": _one(draw, CITIES), "colour": _one(draw, COLOURS)}
            fact |= {"animals": _one(draw, ANIMALS), "count": str(_one(draw, COUNTS))}
            turns += [told.format(**fact), _one(draw, HEARD)]
            if draw.random() < ASKED:
                turns += [asked.format(**fact), said.format(**fact)]
            if draw.random() < PASSED:
                turns += _one(draw, PASSING)
        made[*turns, *_one(draw, PARTINGS)] = None
    return list(made)


def _one(draw: random.Random, of: Sequence[Any]) -> Any:
    return of[int(draw.random() * len(of))]  # of Random's methods this one is the same in every version
