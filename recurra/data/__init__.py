"""Data: from what users have to the batches that models take."""

from recurra.data.buckets import Buckets, PairBatch, in_order
from recurra.data.calendar import Step, features
from recurra.data.corpus import Corpus, Document, read, read_file, reference
from recurra.data.dates import date_pairs
from recurra.data.dialogues import Dialogue, Dialogues, examples, read_dialogues, split_dialogues
from recurra.data.docstrings import DocstringPairs, docstring_pairs
from recurra.data.filters import usable
from recurra.data.lines import lines
from recurra.data.masks import Masked, Masks, masked
from recurra.data.pacing import Competence
from recurra.data.pairs import Pairs, read_pairs, split_pairs
from recurra.data.passengers import AIR_PASSENGERS, air_passengers
from recurra.data.ragged import Ragged
from recurra.data.series import Collection, Roles, Series, read_series
from recurra.data.sides import Sides, read_sides
from recurra.data.small_talk import small_talk
from recurra.data.streams import Streams, Window
from recurra.data.symbols import Characters, Subwords, Symbols, Unigram, Words
from recurra.data.windows import Part, Scale, SeriesBatch, Windows, parts, scales

__all__ = [
    "AIR_PASSENGERS",
    "Buckets",
    "Characters",
    "Collection",
    "Competence",
    "Corpus",
    "Dialogue",
    "Dialogues",
    "DocstringPairs",
    "Document",
    "Masked",
    "Masks",
    "PairBatch",
    "Pairs",
    "Part",
    "Ragged",
    "Roles",
    "Scale",
    "Series",
    "SeriesBatch",
    "Sides",
    "Step",
    "Streams",
    "Subwords",
    "Symbols",
    "Unigram",
    "Window",
    "Windows",
    "Words",
    "air_passengers",
    "date_pairs",
    "docstring_pairs",
    "examples",
    "features",
    "in_order",
    "lines",
    "masked",
    "parts",
    "read",
    "read_dialogues",
    "read_file",
    "read_pairs",
    "read_series",
    "read_sides",
    "reference",
    "scales",
    "small_talk",
    "split_dialogues",
    "split_pairs",
    "usable",
]
