"""The libraries that are measured, one module each, and the ways in which they run: the variants.

A peer module has the functions of `Tasks` in `peers/task.py`, each of which prepares a piece of work. A module is
imported in a worker's process only, so that what is not installed is missing and nothing else.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from gpunet.backend.onednn import library


class Variant(NamedTuple):
    """One way to run a library: the peer's module, its mode, what it needs, and the environment of its process."""

    name: str
    module: str
    how: str
    needs: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    device: str = "cpu"

    @property
    def ours(self) -> bool:
        return self.module == "gpunet_peer"

    def missing(self) -> str | None:
        """What keeps it from running here, or None."""
        absent = [name for name in self.needs if importlib.util.find_spec(name) is None]
        if absent:
            return f"{', '.join(absent)} not installed"
        if dict(self.environment).get("GPUNET_CPU_PROVIDERS", "").startswith("onednn") and library.find() is None:
            return f"no oneDNN: {library.absence()}"
        return None


_NUMPY = (("GPUNET_CPU_PROVIDERS", "numpy"),)
_EXTRA = (("GPUNET_CPU_PROVIDERS", "onednn,numba,numpy"),)
# glibc told not to give memory back to the system after every large array, which helps what allocates at every step.
_MALLOC = (
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
    ("MALLOC_TOP_PAD_", "67108864"),
)
_ON_CPU = (("JAX_PLATFORMS", "cpu"),)

VARIANTS = {
    "gpunet": Variant("gpunet[cpu] fit", "gpunet_peer", "fit", ("numba",), _EXTRA),
    "gpunet-recorded": Variant("gpunet[cpu] recorded", "gpunet_peer", "recorded", ("numba",), _EXTRA),
    "gpunet-eager": Variant("gpunet[cpu] eager", "gpunet_peer", "eager", ("numba",), _EXTRA),
    "gpunet-numpy": Variant("gpunet NumPy fit", "gpunet_peer", "fit", (), _NUMPY),
    "gpunet-numpy-recorded": Variant("gpunet NumPy recorded", "gpunet_peer", "recorded", (), _NUMPY),
    "gpunet-numpy-eager": Variant("gpunet NumPy eager", "gpunet_peer", "eager", (), _NUMPY),
    "torch": Variant("PyTorch eager", "torch_peer", "eager", ("torch",)),
    "torch-malloc": Variant("PyTorch eager, malloc tuned", "torch_peer", "eager", ("torch",), _MALLOC),
    "torch-shuffled": Variant("PyTorch eager, shuffled batches", "torch_peer", "shuffled", ("torch",), _MALLOC),
    "torch-default": Variant("PyTorch eager, as it comes", "torch_peer", "default", ("torch",)),
    "torch-compile": Variant("torch.compile", "torch_peer", "compile", ("torch",), _MALLOC),
    "jax": Variant("JAX jit", "jax_peer", "jit", ("jax",), _ON_CPU),
    "keras": Variant("Keras on JAX, fit", "keras_peer", "fit", ("keras", "jax"), (("KERAS_BACKEND", "jax"), *_ON_CPU)),
    "tinygrad": Variant("tinygrad, TinyJit", "tinygrad_peer", "jit", ("tinygrad",), (("DEV", "CPU"), ("CPU", "1"))),
    "numpy": Variant("NumPy", "numpy_peer", "eager"),
    "gpunet-gpu": Variant("gpunet GPU eager", "gpunet_peer", "eager", ("cupy",), device="gpu"),
    "gpunet-gpu-recorded": Variant("gpunet GPU recorded", "gpunet_peer", "recorded", ("cupy",), device="gpu"),
    "torch-gpu": Variant("PyTorch GPU eager", "torch_peer", "eager", ("torch",), device="gpu"),
    "torch-gpu-graph": Variant("PyTorch GPU, CUDA graph", "torch_peer", "graph", ("torch",), device="gpu"),
    "jax-gpu": Variant("JAX GPU jit", "jax_peer", "jit", ("jax",), (("JAX_PLATFORMS", "cuda"),), device="gpu"),
}
CPU = [key for key, variant in VARIANTS.items() if variant.device == "cpu"]
GPU = [key for key, variant in VARIANTS.items() if variant.device == "gpu"]
# PyTorch at its best is the faster of these in a case.
TORCH_EAGER = ("torch", "torch-malloc")


def installed(wanted: list[str]) -> tuple[list[str], dict[str, str]]:
    """Those variants that can run here, and for the others why not, by name."""
    reasons = {key: VARIANTS[key].missing() for key in wanted}
    absent = {VARIANTS[key].name: reason for key, reason in reasons.items() if reason is not None}
    return [key for key, reason in reasons.items() if reason is None], absent
