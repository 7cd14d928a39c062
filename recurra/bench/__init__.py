"""The speed of layers beside what a user would pick instead: one run, a table of goals, pictures."""

from recurra.bench.options import PARTS, Bench
from recurra.bench.results import Contender, Measure, Reached, Result, Roofs, Row, Shape

__all__ = ["PARTS", "Bench", "Contender", "Measure", "Reached", "Result", "Roofs", "Row", "Shape"]
