"""Data: from what users have to the batches that models take."""

from recurra.data.audio import Sound, read_sound, sound_pieces, sound_rate
from recurra.data.buckets import Buckets, PairBatch, in_order
from recurra.data.cadences import cadences
from recurra.data.calendar import Step, features
from recurra.data.corpus import Corpus, Document, read, read_file, reference
from recurra.data.dates import date_pairs
from recurra.data.dial_tones import dial_tones
from recurra.data.dialogues import Dialogue, Dialogues, examples, read_dialogues, split_dialogues
from recurra.data.distortions import Distorted
from recurra.data.docstrings import DocstringPairs, docstring_pairs
from recurra.data.drawings import Drawing, DrawingParts, all_drawings, read_drawings, split_drawings
from recurra.data.filters import usable
from recurra.data.images import Picture, read_image
from recurra.data.ink import Ink, ink_features, read_ink
from recurra.data.labelled import Labelled, LabelledParts, read_inputs, read_labelled, split_labelled
from recurra.data.lines import lines
from recurra.data.masks import Masked, Masks, masked
from recurra.data.midi import midi_bytes, read_abc, read_midi
from recurra.data.music import MusicParts, read_music, read_pieces, split_music, write_piece
from recurra.data.notices import notices
from recurra.data.numerals import numerals
from recurra.data.pacing import Competence
from recurra.data.pairs import Pairs, read_pairs, split_pairs
from recurra.data.passages import Passage, Passages
from recurra.data.passengers import AIR_PASSENGERS, air_passengers
from recurra.data.pieces import Piece
from recurra.data.ragged import Ragged
from recurra.data.recordings import RecordingParts, Recordings, find_recordings, read_recordings, split_recordings
from recurra.data.resampling import Resampler, resample
from recurra.data.schemes import SCHEMES, Entity, entities, label_tags, tags_of, transitions
from recurra.data.scribbles import scribbles
from recurra.data.sentences import Sentence, of_text, of_words, read_texts, word_places
from recurra.data.series import Collection, Roles, Series, read_series
from recurra.data.sides import Sides, read_sides
from recurra.data.small_talk import small_talk
from recurra.data.streams import Streams, Window
from recurra.data.svg import svg_of
from recurra.data.syllables import syllables
from recurra.data.symbols import Characters, Subwords, Symbols, Unigram, Words
from recurra.data.synthesiser import sound_of, wav_bytes
from recurra.data.tagged import Tagged, TaggedParts, read_tagged, read_tagged_parts, split_tagged
from recurra.data.transcribed import Transcribed, TranscribedParts
from recurra.data.utterances import Heard, SpeechBatches, hear, sounds_in_order
from recurra.data.windows import Part, Scale, SeriesBatch, Shuffled, Windows, parts, scales
from recurra.data.word_vectors import WordVectors, read_word_vectors
from recurra.data.writing_parts import WritingParts, read_writings, split_writings
from recurra.data.writings import Writings, find_writings

__all__ = [
    "AIR_PASSENGERS",
    "SCHEMES",
    "Buckets",
    "Characters",
    "Collection",
    "Competence",
    "Corpus",
    "Dialogue",
    "Dialogues",
    "Distorted",
    "DocstringPairs",
    "Document",
    "Drawing",
    "DrawingParts",
    "Entity",
    "Heard",
    "Ink",
    "Labelled",
    "LabelledParts",
    "Masked",
    "Masks",
    "MusicParts",
    "PairBatch",
    "Pairs",
    "Part",
    "Passage",
    "Passages",
    "Picture",
    "Piece",
    "Ragged",
    "RecordingParts",
    "Recordings",
    "Resampler",
    "Roles",
    "Scale",
    "Sentence",
    "Series",
    "SeriesBatch",
    "Shuffled",
    "Sides",
    "Sound",
    "SpeechBatches",
    "Step",
    "Streams",
    "Subwords",
    "Symbols",
    "Tagged",
    "TaggedParts",
    "Transcribed",
    "TranscribedParts",
    "Unigram",
    "Window",
    "Windows",
    "WordVectors",
    "Words",
    "WritingParts",
    "Writings",
    "air_passengers",
    "all_drawings",
    "cadences",
    "date_pairs",
    "dial_tones",
    "docstring_pairs",
    "entities",
    "examples",
    "features",
    "find_recordings",
    "find_writings",
    "hear",
    "in_order",
    "ink_features",
    "label_tags",
    "lines",
    "masked",
    "midi_bytes",
    "notices",
    "numerals",
    "of_text",
    "of_words",
    "parts",
    "read",
    "read_abc",
    "read_dialogues",
    "read_drawings",
    "read_file",
    "read_image",
    "read_ink",
    "read_inputs",
    "read_labelled",
    "read_midi",
    "read_music",
    "read_pairs",
    "read_pieces",
    "read_recordings",
    "read_series",
    "read_sides",
    "read_sound",
    "read_tagged",
    "read_tagged_parts",
    "read_texts",
    "read_word_vectors",
    "read_writings",
    "reference",
    "resample",
    "scales",
    "scribbles",
    "small_talk",
    "sound_of",
    "sound_pieces",
    "sound_rate",
    "sounds_in_order",
    "split_dialogues",
    "split_drawings",
    "split_labelled",
    "split_music",
    "split_pairs",
    "split_recordings",
    "split_tagged",
    "split_writings",
    "svg_of",
    "syllables",
    "tags_of",
    "transitions",
    "usable",
    "wav_bytes",
    "word_places",
    "write_piece",
]
