"""Data: from what users have to the batches that models take."""

from recurra.data.calendar import Step, features
from recurra.data.corpus import Corpus, Document, read, read_file, reference
from recurra.data.passengers import AIR_PASSENGERS, air_passengers
from recurra.data.series import Collection, Roles, Series, read_series
from recurra.data.streams import Streams, Window
from recurra.data.symbols import Characters, Subwords, Symbols, Words
from recurra.data.windows import Part, Scale, SeriesBatch, Windows, parts, scales

__all__ = [
    "AIR_PASSENGERS",
    "Characters",
    "Collection",
    "Corpus",
    "Document",
    "Part",
    "Roles",
    "Scale",
    "Series",
    "SeriesBatch",
    "Step",
    "Streams",
    "Subwords",
    "Symbols",
    "Window",
    "Windows",
    "Words",
    "air_passengers",
    "features",
    "parts",
    "read",
    "read_file",
    "read_series",
    "reference",
    "scales",
]
