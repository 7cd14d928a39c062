#!/usr/bin/env python3
"""How far the drop-in classes are from torch.nn: the cases of the tests, counted, and the worst error of each dtype.

`ratio` is |ours - theirs| / (absolute + relative * |theirs|), at most 1 within tolerance; outside it the exit code is 1.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.cases_drop_in import CASES, TOLERANCE, Case, answers, distance


def errors(case: Case, dtype: torch.dtype) -> torch.Tensor:
    """The ratio and the plain error of every result and gradient: (results, 2)."""
    ours, theirs = (answers(case, network, dtype) for network in case.twins(dtype))
    return torch.tensor([distance(ours[name], theirs[name]) for name in theirs], dtype=torch.float64)


def main() -> int:
    """Print a line for each dtype; 1 if any result is out of tolerance."""
    torch.set_num_threads(1)
    within = True
    for dtype, (relative, absolute) in TOLERANCE.items():
        found = [errors(case, dtype) for case in CASES]
        ratio, plain = torch.cat(found).amax(0).tolist()
        outside = [str(case) for case, error in zip(CASES, found, strict=True) if not bool((error[:, 0] <= 1).all())]
        print(
            f"{str(dtype).removeprefix('torch.')}: {len(CASES)} cases, {sum(map(len, found))} tensors; "
            f"worst ratio {ratio:.3g} (relative {relative:g}, absolute {absolute:g}), worst error {plain:.3g}; "
            f"{len(outside)} outside"
        )
        print(*(f"  outside: {name}" for name in outside[:10]), sep="\n", end="\n" if outside else "")
        within = within and not outside
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
