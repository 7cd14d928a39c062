"""Transformers, to compare with: a causal stack, an encoder, and a decoder that attends to what was encoded."""

from recurra.models.transformer.causal import CausalTransformer
from recurra.models.transformer.decoder import TransformerDecoder
from recurra.models.transformer.encoder import TransformerEncoder
from recurra.models.transformer.parts import sinusoids

__all__ = ["CausalTransformer", "TransformerDecoder", "TransformerEncoder", "sinusoids"]
