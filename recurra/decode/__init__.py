"""Decoding: from a core that predicts to the symbols it says."""

from recurra.decode.sampling import Sampling, sample

__all__ = ["Sampling", "sample"]
