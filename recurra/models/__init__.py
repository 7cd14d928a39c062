"""Networks: layers put together for a kind of task."""

from recurra.models.attention_transcriber import Attended, AttentionTranscriber
from recurra.models.classifier import Classifier, Standardised
from recurra.models.decoder import Decoder
from recurra.models.encoder_decoder import Bridge, Encoder, EncoderDecoder, Reading
from recurra.models.language import LanguageModel
from recurra.models.masked import MaskedLanguageModel
from recurra.models.music import RollModel
from recurra.models.spelling import Spelling
from recurra.models.tagger import Tagger, WordBatch
from recurra.models.transcriber import Transcriber, Transcript
from recurra.models.transformer import CausalTransformer, TransformerDecoder, TransformerEncoder
from recurra.models.writer import Writer

__all__ = [
    "Attended",
    "AttentionTranscriber",
    "Bridge",
    "CausalTransformer",
    "Classifier",
    "Decoder",
    "Encoder",
    "EncoderDecoder",
    "LanguageModel",
    "MaskedLanguageModel",
    "Reading",
    "RollModel",
    "Spelling",
    "Standardised",
    "Tagger",
    "Transcriber",
    "Transcript",
    "TransformerDecoder",
    "TransformerEncoder",
    "WordBatch",
    "Writer",
]
