"""Dates as people write them, and as calendars sort them: what `translate` learns where no data are given."""

import random
from datetime import date, timedelta

__all__ = ["date_pairs"]

FIRST, DAYS = date(1900, 1, 1), 73_049  # two centuries
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ENDINGS = {1: "st", 21: "st", 31: "st", 2: "nd", 22: "nd", 3: "rd", 23: "rd"}
FORMS = (
    "{d} {month} {y}",
    "{d} {mon} {y}",
    "{month} {d}, {y}",
    "{mon} {d}, {y}",
    "{month} {d}{th}, {y}",
    "the {d}{th} of {month}, {y}",
    "{weekday}, {d} {month} {y}",
    "{weekday}, {month} {d}{th}, {y}",
    "{day} {mon} {d} {y}",
    "{d}.{m}.{y}",
    "{m}/{d}/{y}",
    "{y}, {d} {mon}",
)


def date_pairs(count: int = 10_000, seed: int = 0) -> tuple[list[str], list[str]]:
    """Dates from 1900 to 2099 in twelve English forms, and in ISO 8601; what they are depends on the seed alone.

    Day before month has points, month before day has slashes. No form of a date comes twice.

    Example:
        >>> written, iso = date_pairs(3)
        >>> written[2], iso[2]
        ('Oct 4, 2056', '2056-10-04')
    """
    draw, written = random.Random(seed), dict[str, str]()
    while len(written) < count:
        day = FIRST + timedelta(int(draw.random() * DAYS))  # of Random's methods this one is the same in every version
        weekday, month = WEEKDAYS[day.weekday()], MONTHS[day.month - 1]
        text = FORMS[int(draw.random() * len(FORMS))].format(
            d=day.day,
            m=day.month,
            y=day.year,
            month=month,
            mon=month[:3],
            weekday=weekday,
            day=weekday[:3],
            th=ENDINGS.get(day.day, "th"),
        )
        written[text if draw.random() < 0.5 else text.lower()] = day.isoformat()
    return list(written), list(written.values())
