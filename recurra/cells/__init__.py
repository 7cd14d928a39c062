"""Recurrent cells: equations without weights. One file each; write your own by deriving from :class:`Cell`."""

from recurra.cells.antisymmetric import AntisymmetricRNN, GatedAntisymmetricRNN
from recurra.cells.candidate import CandidateDropout
from recurra.cells.cell import Cell, Map, Maps, Mask, Parts, written
from recurra.cells.coupled import CoupledLSTM
from recurra.cells.elman import IRNN, Elman
from recurra.cells.gru import GRU, ResetBeforeGRU
from recurra.cells.janet import JANET
from recurra.cells.layer_norm import LayerNormGRU, LayerNormLSTM
from recurra.cells.light_gru import LightGRU
from recurra.cells.lru import LRU
from recurra.cells.lstm import LSTM, ProjectedLSTM
from recurra.cells.mgu import MGU
from recurra.cells.minimal import MinGRU, MinLSTM
from recurra.cells.normalised import LayerNormed, layer_normed
from recurra.cells.orthogonal import OrthogonalRNN
from recurra.cells.peephole import PeepholeLSTM
from recurra.cells.ran import RAN
from recurra.cells.rg_lru import RGLRU
from recurra.cells.slstm import SLSTM
from recurra.cells.sru import SRU
from recurra.cells.ugrnn import UGRNN
from recurra.cells.wrapper import Wrapper
from recurra.cells.zoneout import Zoneout

__all__ = [
    "CELLS",
    "GRU",
    "IRNN",
    "JANET",
    "LRU",
    "LSTM",
    "MGU",
    "RAN",
    "RGLRU",
    "SLSTM",
    "SRU",
    "UGRNN",
    "AntisymmetricRNN",
    "CandidateDropout",
    "Cell",
    "CoupledLSTM",
    "Elman",
    "GatedAntisymmetricRNN",
    "LayerNormGRU",
    "LayerNormLSTM",
    "LayerNormed",
    "LightGRU",
    "Map",
    "Maps",
    "Mask",
    "MinGRU",
    "MinLSTM",
    "OrthogonalRNN",
    "Parts",
    "PeepholeLSTM",
    "ProjectedLSTM",
    "ResetBeforeGRU",
    "Wrapper",
    "Zoneout",
    "layer_normed",
    "written",
]

CELLS: dict[str, Cell] = {
    "elman": Elman(),
    "elman-relu": Elman("relu"),
    "irnn": IRNN(),
    "lstm": LSTM(),
    "lstm-peephole": PeepholeLSTM(),
    "lstm-coupled": CoupledLSTM(),
    "lstm-layer-norm": LayerNormLSTM(),
    "gru": GRU(),
    "gru-reset-before": ResetBeforeGRU(),
    "gru-layer-norm": LayerNormGRU(),
    "light-gru": LightGRU(),
    "mgu": MGU(),
    "ugrnn": UGRNN(),
    "janet": JANET(),
    "ran": RAN(),
    "slstm": SLSTM(),
    "sru": SRU(),
    "mingru": MinGRU(),
    "minlstm": MinLSTM(),
    "lru": LRU(),
    "rg-lru": RGLRU(),
    "antisymmetric": AntisymmetricRNN(),
    "antisymmetric-gated": GatedAntisymmetricRNN(),
    "orthogonal": OrthogonalRNN(),
}
"""Cells by name, each from H units to H units. Options take the names of :data:`~recurra.layers.FAMILY`: these, and more."""
