"""Networks: layers put together for a kind of task."""

from recurra.models.decoder import Decoder
from recurra.models.encoder_decoder import Bridge, Encoder, EncoderDecoder, Reading
from recurra.models.language import LanguageModel
from recurra.models.masked import MaskedLanguageModel
from recurra.models.transformer import CausalTransformer, TransformerDecoder, TransformerEncoder

__all__ = [
    "Bridge",
    "CausalTransformer",
    "Decoder",
    "Encoder",
    "EncoderDecoder",
    "LanguageModel",
    "MaskedLanguageModel",
    "Reading",
    "TransformerDecoder",
    "TransformerEncoder",
]
