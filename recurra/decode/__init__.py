"""Decoding: from a core that predicts to the symbols it says."""

from recurra.decode.automaton import Automaton
from recurra.decode.beam import Beam, Hypotheses, beam_search
from recurra.decode.constraints import Constraint, Length, Never, NoRepeat, Only, Prefix
from recurra.decode.penalties import LengthPenalty, coverage_penalty, mean, total, wu
from recurra.decode.sampling import Sampling, sample
from recurra.decode.stream import greedy, spoken
from recurra.decode.transcripts import Guess, PrefixBeam, Prefixes, Scorer, SymbolScorer, WordScorer, said

__all__ = [
    "Automaton",
    "Beam",
    "Constraint",
    "Guess",
    "Hypotheses",
    "Length",
    "LengthPenalty",
    "Never",
    "NoRepeat",
    "Only",
    "Prefix",
    "PrefixBeam",
    "Prefixes",
    "Sampling",
    "Scorer",
    "SymbolScorer",
    "WordScorer",
    "beam_search",
    "coverage_penalty",
    "greedy",
    "mean",
    "said",
    "sample",
    "spoken",
    "total",
    "wu",
]
