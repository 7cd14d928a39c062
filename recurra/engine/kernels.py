"""torch's own kernels, for the cells that torch has."""

import warnings
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra import state as states
from recurra.cells import GRU, LSTM, Cell, Elman, ProjectedLSTM
from recurra.engine.engine import Job, transformed
from recurra.wirings import Dense, Weights, Wiring

__all__ = ["TorchKernels"]

warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")  # its answer is the same without
# Ours are parameters of their own: cuDNN gathers them once a call, little beside the steps.
warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk of memory")

KERNELS: dict[Cell, Any] = {
    Elman(): torch.rnn_tanh,
    Elman("relu"): torch.rnn_relu,
    LSTM(): torch.lstm,
    ProjectedLSTM(): torch.lstm,
    GRU(): torch.gru,
}


@final
class TorchKernels:
    """Elman, LSTM (also projected) and GRU wired densely; ragged rows are packed, so that finished rows cost nothing."""

    name = "torch"

    def takes(self, cell: Cell, wiring: Wiring) -> bool:
        """The cells above, in the wiring that torch knows."""
        if not isinstance(wiring, Dense) or cell not in KERNELS:
            return False
        return wiring.projected_size is None or wiring.projected_size < wiring.hidden_size  # torch refuses larger ones

    def can(self, job: Job) -> bool:
        """All but noise, resets inside a row, and a batch without a step."""
        if torch.compiler.is_compiling():
            return False
        steps = len(job.x) > 0 if job.lengths is None else not job.lengths.is_meta and bool(job.lengths.any())
        return steps and job.resets is None and not job.noise and not transformed()

    def run(self, cell: Cell, wiring: Wiring, weights: Weights, job: Job) -> tuple[Tensor, Any]:
        """One call of the kernel; rows of length 0, which torch refuses, stay outside."""
        x, state, lengths = job.x, job.state, job.lengths
        if lengths is None:
            return _call(cell, weights, x, state)
        rows = lengths.nonzero().flatten()
        packed = pack_padded_sequence(x[rows], lengths[rows].cpu(), batch_first=True, enforce_sorted=False)
        order, back = packed.sorted_indices, packed.unsorted_indices
        assert order is not None
        assert back is not None
        data, after = _call(cell, weights, packed.data, states.take(state, rows[order]), packed.batch_sizes)
        y, _ = pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=x.shape[1])
        after = states.take(after, back)
        if len(rows) == len(x):
            return y, after
        whole = y.new_zeros(len(x), *y.shape[1:]).index_copy(0, rows, y)
        return whole, states.map(lambda old, new: old.index_copy(0, rows, new), state, after)


def _call(cell: Cell, weights: Weights, x: Tensor, state: Any, batch_sizes: Tensor | None = None) -> tuple[Tensor, Any]:
    names = ["input_weight", "recur_weight", "input_bias", "recur_bias", "project_weight"]
    flat = [weights[name] for name in names if name in weights]
    before = tuple(part[None].contiguous() for part in state)  # torch counts layers first, and cuDNN refuses strides
    start = before if len(before) > 1 else before[0]
    settings = ("input_bias" in weights, 1, 0.0, torch.is_grad_enabled(), False)  # bias, layers, dropout, train, two-way
    if batch_sizes is None:
        y, *after = KERNELS[cell](x, start, flat, *settings, True)
    else:
        y, *after = KERNELS[cell](x, batch_sizes, start, flat, *settings)
    return y, cell.State(*(part[0] for part in after))
