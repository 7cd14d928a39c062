"""Data: from what users have to the batches that models take."""

from recurra.data.corpus import Corpus, Document, read, read_file, reference
from recurra.data.streams import Streams, Window
from recurra.data.symbols import Characters, Subwords, Symbols, Words

__all__ = [
    "Characters",
    "Corpus",
    "Document",
    "Streams",
    "Subwords",
    "Symbols",
    "Window",
    "Words",
    "read",
    "read_file",
    "reference",
]
