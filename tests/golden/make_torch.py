"""Write torch.npz: results, first and second derivatives of every case by PyTorch in float64.

Run by hand where PyTorch is installed: python -m tests.golden.make_torch, from the root of the repository.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .store import save
from .torch_cases import CASES, Case, cotangent

PATH = Path(__file__).with_name("torch.npz")


def values(case: Case, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The result, the gradient of its weighted sum, and the gradient of the gradient's weighted sum."""
    tensors = [torch.tensor(a) for a in arrays]
    inputs = tensors[: case.differentiated]
    for t in inputs:
        t.requires_grad_()
    y = case.torch(torch, *tensors)
    first = torch.autograd.grad((y * weights(y)).sum(), inputs, create_graph=True)
    found = {"out": y.detach().numpy()}
    found |= {f"grad{i}": g.detach().numpy() for i, g in enumerate(first)}
    total = sum((g * weights(g)).sum() for g in first)
    if total.requires_grad:
        second = torch.autograd.grad(total, inputs, allow_unused=True)
        found |= {f"second{i}": h.numpy() for i, h in enumerate(second) if h is not None}
    return found


def weights(y: torch.Tensor) -> torch.Tensor:
    return torch.tensor(cotangent(tuple(y.shape)))


def main() -> None:
    contents: dict[str, np.ndarray] = {}
    for case in CASES:
        arrays = case.arrays(seed=0)
        contents |= {f"{case.name}/in{i}": a for i, a in enumerate(arrays)}
        contents |= {f"{case.name}/{name}": v for name, v in values(case, arrays).items()}
    save(PATH, contents, torch=torch.__version__)


if __name__ == "__main__":
    main()
