"""How the tasks that write down what a sequence says search for it: a beam, and which run judges beside it."""

from recurra.data import Symbols
from recurra.decode import Beam, PrefixBeam, Scorer, SymbolScorer, WordScorer
from recurra.errors import UsageError
from recurra.tasks import text
from recurra.tasks.options import Text, TranscriptOptions, TranscriptPrediction
from recurra.tasks.runs import load

__all__ = ["hypotheses", "scorer", "search", "searched"]


def searched(options: TranscriptOptions) -> TranscriptPrediction:
    """How a run searches where nobody says it."""
    return TranscriptPrediction(language=options.language)


def search(how: TranscriptPrediction, options: TranscriptOptions, symbols: Symbols) -> PrefixBeam | None:
    """The search by a beam; None is greedy."""
    if how.beam == 1:
        if how.language not in ("", "none"):
            raise UsageError(
                f"beam=1 and language={how.language}: a greedy search asks no language model; wanted a beam of 2 or more"
            )
        return None
    return PrefixBeam(how.beam, scorer(how, options, symbols))


def hypotheses(how: TranscriptPrediction) -> Beam:
    """The search of a decoder with attention, which nothing judges beside it; a beam of 1 is greedy."""
    if how.language not in ("", "none"):
        raise UsageError(f"language={how.language}: decoder=attention asks no language model; train a run with decoder=ctc")
    return Beam(how.beam, how.best)


def scorer(how: TranscriptPrediction, options: TranscriptOptions, symbols: Symbols) -> Scorer | None:
    """The language model that judges, if there is one."""
    name = how.language or options.language
    if name in ("", "none"):
        return None
    run = load(name)
    if not isinstance(run.options, Text):
        raise UsageError(f"language={name}: a run of the task {run.options.task}; wanted one of the task text")
    own, theirs = options.unit, run.options.unit
    core, known = text.opened(run), Symbols.from_json(run.read("vocabulary.json"))
    weight, bonus = how.language_weight or options.language_weight, how.bonus or options.bonus
    texts = ["", *(symbols.decode([number]) for number in range(1, len(symbols)))]
    [newline] = known.encode("\n").tolist() or [0]
    if theirs == "word" and own != "word":
        words = {known.decode([number]): number for number in range(1, len(known))}
        return WordScorer(core, words, texts, start=newline, weight=weight, bonus=bonus)
    if own != theirs:
        raise UsageError(
            f"language={name}: its unit is {theirs}, that of this run {own}; wanted a run with unit={own} or unit=word"
        )
    numbers = [each[0] if len(each := known.encode(said_there).tolist()) == 1 else 0 for said_there in texts]
    return SymbolScorer(core, numbers, start=newline, weight=weight, bonus=bonus, end=newline or None)
