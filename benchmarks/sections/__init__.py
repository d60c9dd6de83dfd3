"""What the runner measures: one module per section, with `run(budget, findings)`."""

SECTIONS = {
    "limits": "what the machine can do: float32 matrix products and copies",
    "ops": "single ops, by pytest-benchmark",
    "steps": "training steps and inference of whole networks",
    "convnet": "convolutions of convnet-benchmarks and of real networks, forward and backward apart",
    "overhead": "what the tape costs per small op, and `fit` per recorded step",
    "scaling": "how cost grows with batch, width, depth and image size",
    "footprint": "import time, install size, first step with cold and warm caches",
    "devices": "CPU against GPU",
}
