"""`python -m benchmarks.gpu [section ...]`: prove and time the GPU path on the GPU of this machine.

Every section runs in a process of its own, so that one failure hides nothing. Results go to
`benchmarks/results/<device>/` as JSON and as a Markdown page after each section, so that a run that is cut short leaves
what it found. Proofs come before timings. Exit codes: 0 all sections passed, 1 some failed, 3 there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu import report
from benchmarks.gpu.target import find_gpu
from gpunet.backend.devices import GPUNotAvailableError

NO_GPU = 3
SECTIONS = {
    "facts": "the device and the versions of everything",
    "compile": "every kernel compiled for this GPU, or found in the compiler's cache",
    "correctness": "every row of the op table against NumPy in float64",
    "replay": "steps as CUDA graphs, equal in bits to eager ones",
    "determinism": "two runs of training, equal in bits",
    "philox": "random bits, numbers and masks equal to NumPy's",
    "launch": "the cost of a launch",
    "bandwidth": "memory-bound kernels against the measured copy bandwidth",
    "convolution": "convolutions and matrix products at the shapes of real networks, against cuDNN through PyTorch",
    "training": "training steps against PyTorch eager and in a CUDA graph",
    "emulation": "the emulated kernels, which this machine builds first, against the GPU's",
}
_SECONDS = 180.0  # for one section, after which it counts as failed
_TOTAL = 570.0  # for all


def run_section(name: str, standin: bool, seconds: float = _SECONDS) -> dict[str, Any]:
    """Run a section in a process of its own; what went wrong is part of the result, beside what it found before."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "section.json"
        command = [sys.executable, "-m", "benchmarks.gpu.section", name, str(result)]
        try:
            done = subprocess.run([*command, *(["--standin"] if standin else [])], timeout=seconds)
            ended = f"{name}: exit status {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            ended = f"{name}: stopped after {seconds:.0f} s"
        found = json.loads(result.read_text()) if result.exists() else {"rows": [], "failures": []}
        found["failures"] += [ended] if ended else []
    found["seconds"] = round(time.perf_counter() - start, 1)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the sections, print their tables, write the result files."""
    listing = "\n".join(f"  {name:<12} {text}" for name, text in SECTIONS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", epilog=listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="what to run (default: all)")
    parser.add_argument("--output", type=Path, default=report.FOLDER, help="where the folder of the device goes")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="for one section (default: %(default)s)")
    parser.add_argument("--total", type=float, default=_TOTAL, help="for all sections (default: %(default)s)")
    parser.add_argument("--standin", action="store_true", help="run on the emulated GPU, to test this program itself")
    options = parser.parse_args(arguments)
    try:
        with find_gpu(options.standin) as gpu:
            device = gpu.name
    except GPUNotAvailableError as error:
        print(f"{error}\nNothing was measured.")
        return NO_GPU
    failed = []
    deadline = time.monotonic() + options.total
    for name in options.sections or SECTIONS:
        print(f"\n## {name}: {SECTIONS[name]}\n", flush=True)
        found = run_section(name, options.standin, max(5.0, min(options.seconds, deadline - time.monotonic())))
        print(report.section_text(found), flush=True)
        folder = report.write(options.output, device, {name: SECTIONS[name]}, {name: found})
        failed += [name] if found["failures"] else []
    print(f"\nResults in {folder}. {'Failed: ' + ', '.join(failed) if failed else 'All sections passed.'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
