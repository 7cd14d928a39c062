"""Losses: what training makes small."""

from recurra.losses.next_symbol import NextSymbol

__all__ = ["NextSymbol"]
