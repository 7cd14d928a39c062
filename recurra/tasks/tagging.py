"""What a tagger knows of words and tags, and how it reads sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import nn

from recurra.data import (
    Entity,
    PairBatch,
    Ragged,
    Sentence,
    Tagged,
    entities,
    in_order,
    label_tags,
    lines,
    tags_of,
    transitions,
)
from recurra.data.word_vectors import read_word_vectors
from recurra.errors import ModelFileError, UsageError
from recurra.losses import CRF
from recurra.metrics import Mean
from recurra.models import Spelling, Tagger, WordBatch
from recurra.tasks import recipes
from recurra.tasks.options import Tag

__all__ = ["SHAPES", "Forms", "Found", "Learnt", "Lexicon", "find", "learn", "nats", "network", "shape_of", "start"]

DIGIT = re.compile(r"\d")
SHAPES = 8
"""How many ways there are to write a word: see `shape_of`."""
AHEAD = 512  # sentences that are sorted by length before they are read, and held at a time
READ, ROWS = 64_000, 256  # words and rows of a batch that is only read
LONGEST = 40  # characters of a word that are read
PIECE = 500  # words that are read together; longer sentences are read in pieces


def shape_of(word: str) -> int:
    """How a word is written.

    Small letters 0, first capital 1, capitals 2, capitals inside 3, digits 4, letters and digits 5, neither 6, a capital
    alone 7.

    Example:
        >>> [shape_of(word) for word in ("word", "Word", "WORD", "McWord", "19.5", "B52", "...", "A")]
        [0, 1, 2, 3, 4, 5, 6, 7]
    """
    letters = [sign for sign in word if sign.isalpha()]
    digits = any(sign.isdigit() for sign in word)
    if not letters or digits:
        return 5 if letters else 4 if digits else 6
    capitals = sum(sign.isupper() for sign in letters)
    if not capitals:
        return 0
    if capitals == len(letters):
        return 2 if capitals > 1 else 7
    return 1 if capitals == 1 and letters[0].isupper() else 3


@dataclass(frozen=True)
class Lexicon:
    """The words, characters and tags that are known; number 0 of words and characters is the unknown one."""

    words: tuple[str, ...]
    characters: tuple[str, ...]
    tags: tuple[str, ...]
    scheme: str
    lower: bool

    @classmethod
    def of(cls, tagged: Tagged, *, scheme: str, lower: bool, rare: int, most: int) -> Self:
        """What sentences have: the `most` frequent words of those that stand there at least `rare` times."""
        seen = Counter(word for sentence in tagged.sentences for word in sentence.words)
        counts = Counter[str]()
        for word, count in seen.items():
            counts[_plain(word, lower)] += count
        words = (word for word, count in counts.most_common(most) if count >= rare)
        characters = sorted({sign for word in seen for sign in word})
        scheme = "words" if tagged.scheme == "words" else scheme
        return cls(tuple(words), tuple(characters), tuple(label_tags(tagged.labels, scheme)), scheme, lower)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`."""
        try:
            words, characters, tags = (tuple(map(str, value[name])) for name in ("words", "characters", "tags"))
            return cls(words, characters, tags, str(value["scheme"]), bool(value["lower"]))
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"vocabulary: not one that recurra writes ({error!r})") from None

    def targets(self, sentences: Iterable[Sentence]) -> Ragged:
        """The true tags as numbers; those of labels that are not known are tags of no entity."""
        number = {tag: k for k, tag in enumerate(self.tags)}
        return Ragged.of(
            [number.get(tag, 0) for tag in tags_of(sentence.entities, len(sentence.words), self.scheme)]
            for sentence in sentences
        )

    def plain(self, word: str) -> str:
        """A word as it is looked up."""
        return _plain(word, self.lower)


class Forms:
    """Every different word of some sentences, once: its number, how it is written, its characters."""

    def __init__(self, lexicon: Lexicon, sentences: Iterable[Sentence]) -> None:
        words = {word: k for k, word in enumerate(lexicon.words, 1)}
        signs = {sign: k for k, sign in enumerate(lexicon.characters, 1)}
        seen: dict[str, int] = {}
        self.rows = Ragged.of([seen.setdefault(word, len(seen)) for word in one.words] for one in sentences)
        self.words = torch.tensor([words.get(lexicon.plain(word), 0) for word in seen], dtype=torch.long)
        self.shapes = torch.tensor([shape_of(word) for word in seen], dtype=torch.long)
        self.characters = Ragged.of([signs.get(sign, 0) for sign in word[:LONGEST]] for word in seen)

    @property
    def unknown(self) -> int:
        """How many words, each as often as it stands there, have no number."""
        numbers: NDArray[np.int64] = self.words.numpy()[self.rows.flat[: self.rows.starts[-1]]]
        return int(np.count_nonzero(numbers == 0))

    def batch(self, pairs: PairBatch) -> WordBatch:
        """Sentences of these rows as a network reads them."""
        kinds, places = torch.unique(pairs.source, return_inverse=True)
        padded = torch.from_numpy(self.characters.padded(kinds.numpy()))
        spelled = torch.from_numpy(self.characters.lengths[kinds.numpy()])
        return WordBatch(self.words[kinds], self.shapes[kinds], padded, spelled, places, pairs.source_lengths)


class Found(NamedTuple):
    """An entity that was found, and how probable the least certain of its tags is."""

    entity: Entity
    probability: float


@torch.no_grad()
def find(model: Tagger, lexicon: Lexicon, sentences: Iterable[Sentence]) -> Iterator[list[Found]]:
    """The entities of each sentence, in constant memory; of more than 500 words each 500 are read for themselves."""
    device, left = next(model.parameters()).device, iter(sentences)
    model.eval()
    while some := list(islice(left, AHEAD)):
        pieces, origins = _pieces(some)
        forms = Forms(lexicon, pieces)
        there = np.flatnonzero(forms.rows.lengths)
        found: list[list[Found]] = [[] for _ in pieces]
        rows = forms.rows.take(there)
        for places, batch in in_order(rows, rows, tokens=READ, batch=ROWS):
            read = forms.batch(batch).to(device)
            scores = model(read)
            tags, probable = model.tags(scores, read.lengths), model.probabilities(scores, read.lengths)
            sure = probable.gather(2, tags[..., None])[..., 0].cpu().numpy()
            for k, place in enumerate(there[places].tolist()):
                length = len(pieces[place].words)
                told = entities((lexicon.tags[tag] for tag in tags[k, :length].tolist()), lexicon.scheme)
                found[place] = [Found(one, float(sure[k, one.start : one.end].min())) for one in told]
        whole: list[list[Found]] = [[] for _ in some]
        for (place, first), each in zip(origins, found, strict=True):
            moved = ((Entity(start + first, end + first, label), sure) for (start, end, label), sure in each)
            whole[place] += [Found(one, sure) for one, sure in moved]
        yield from whole


def _pieces(sentences: Iterable[Sentence]) -> tuple[list[Sentence], list[tuple[int, int]]]:
    """Sentences of which none is too long to be read; of each, which one it is of, and the word of that one it begins with."""
    pieces, origins = list[Sentence](), list[tuple[int, int]]()
    for place, whole in enumerate(sentences):
        for first in range(0, max(1, len(whole.words)), PIECE):
            last = min(first + PIECE, len(whole.words))
            clipped = (Entity(max(one.start, first), min(one.end, last), one.label) for one in whole.entities)
            inside = tuple(Entity(start - first, end - first, label) for start, end, label in clipped if start < end)
            parts: dict[str, Any] = {"words": whole.words[first:last], "places": whole.places[first:last], "entities": inside}
            pieces.append(whole if len(whole.words) <= PIECE else whole._replace(**parts))
            origins.append((place, first))
    return pieces, origins


@torch.no_grad()
def nats(model: Tagger, lexicon: Lexicon, sentences: Sequence[Sentence]) -> Mean:
    """Nats of each true tag."""
    device, training = next(model.parameters()).device, model.training
    sentences, _ = _pieces(sentences)
    forms, targets = Forms(lexicon, sentences), lexicon.targets(sentences)
    sums, counts = np.zeros(len(sentences)), forms.rows.lengths
    there = np.flatnonzero(counts)
    model.eval()
    for places, item in in_order(forms.rows.take(there), targets.take(there), tokens=READ, batch=ROWS):
        batch = forms.batch(item).to(device)
        each = model.nats(model(batch), item.target.to(device), batch.lengths)
        sums[there[places]] = each.double().cpu().numpy()
    model.train(training)
    return Mean(tuple(sums[there].tolist()), tuple(counts[there].tolist()))


def network(options: Tag, lexicon: Lexicon) -> Tagger:
    """The network that the options describe, on its device."""
    recipes.network(options)
    words, size = nn.Embedding(len(lexicon.words) + 1, options.embedding), options.embedding
    nn.init.normal_(words.weight, std=options.embedding**-0.5)
    shapes, spelling = None, None
    if options.shapes:
        shapes, size = nn.Embedding(SHAPES, options.shapes), size + options.shapes
    if options.characters != "none":
        signs = len(lexicon.characters) + 1
        spelling = Spelling(signs, options.character_embedding, options.spelling, options.characters, options.dropout)
        size += options.spelling
    dropped = options.model_copy(update={"input_dropout": options.input_dropout or options.dropout})
    layers = recipes.reader(dropped, size, bidirectional=options.bidirectional)
    count = len(lexicon.tags)
    crf = CRF(count, torch.from_numpy(transitions(lexicon.tags, lexicon.scheme))) if options.output == "crf" else None
    how: dict[str, Any] = {"dropout": options.dropout, "word_dropout": options.word_dropout}
    return Tagger(words, shapes, spelling, layers, options.hidden, count, crf, **how).to(recipes.device(options))


class Learnt(NamedTuple):
    """What is known before a training: the lexicon, vectors of some words as a file has them, and what to say of these."""

    lexicon: Lexicon
    vectors: bytes | None = None
    notes: tuple[str, ...] = ()


def learn(options: Tag, tagged: Tagged) -> tuple[Tag, Learnt]:
    """The lexicon of some sentences; with ``vectors=`` of their words and the file's first ones, and options of its size.

    Raises:
        UsageError: another size was asked for.
        DataError: a file that cannot be read so.
    """
    lexicon = Lexicon.of(tagged, scheme=options.scheme, lower=options.lower, rare=options.rare, most=options.vocabulary)
    if not options.vectors:
        return options, Learnt(lexicon)
    path = Path(options.vectors)
    first = (_plain(line.partition(" ")[0], options.lower) for line in islice(lines(path), options.vocabulary))
    read = read_word_vectors(path, words := tuple(dict.fromkeys([*lexicon.words, *first])))
    size = read.matrix.shape[1]
    if "embedding" in options.model_fields_set and options.embedding != size:
        raise UsageError(f"embedding={options.embedding}: the vectors of {path} have {size}; leave embedding out")
    known = np.flatnonzero(read.found | (np.arange(len(words)) < len(lexicon.words)))  # none without vector or sentence
    there = read.found[known]
    tensors = {"vectors": read.matrix[known[there]], "places": np.flatnonzero(there) + 1}
    content = save({name: torch.from_numpy(value) for name, value in tensors.items()})
    lexicon = replace(lexicon, words=tuple(words[k] for k in known))
    return options.model_copy(update={"embedding": size}), Learnt(lexicon, content, read.notes)


@torch.no_grad()
def start(model: Tagger, vectors: bytes) -> None:
    """Give words the vectors that they start from."""
    tensors = load(vectors)
    model.words.weight[tensors["places"]] = tensors["vectors"].to(model.words.weight)


def _plain(word: str, lower: bool) -> str:
    return DIGIT.sub("0", word.lower()) if lower else word
