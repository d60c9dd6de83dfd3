"""Send random models from Keras to gpunet and back as files, and print what did not arrive.

    python -m tests.saving.exchange --seeds 0:100 --backend torch

Keras writes the models of the seeds, gpunet reads them and writes its own, which Keras reads. Each seed is one line
where something differs; the last line counts. The libraries run in processes of their own. Where losses alone differ,
both train the model in float64 too: if these losses agree, it was rounding, and does not count.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.saving.exchange import files

OTHER = {"keras": "gpunet", "gpunet": "keras"}
DOUBLE = {f"double {writer}": writer for writer in OTHER}  # jobs, and whose files they are about


def work(job: str, library: str, seeds: Sequence[int], folder: Path) -> dict[int, list[str]]:
    """Write or read the models of some seeds with one library; problems by seed."""
    warnings.simplefilter("ignore")
    keras = importlib.import_module(library)
    found = {}
    for seed in seeds:
        writer = library if job == "write" else DOUBLE.get(job, OTHER[library])
        stem = folder / f"{seed}.{writer}"
        if job == "read" and not Path(f"{stem}.npz").exists():
            continue
        try:
            found[seed] = (files.double_losses if job in DOUBLE else getattr(files, job))(keras, seed, stem) or []
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = re.sub(r"\s+", " ", str(error))
            found[seed] = [f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {text:.400}"]
    return found


def start(job: str, library: str, arguments: argparse.Namespace, folder: Path, seeds: str = "") -> dict[str, list]:
    """`work` in a process of its own."""
    command = [sys.executable, "-m", "tests.saving.exchange", "--seeds", seeds or arguments.seeds]
    command += ["--folder", str(folder)]
    environment = os.environ | {"KERAS_BACKEND": arguments.backend, "COLUMNS": "200"}
    if job in DOUBLE:
        environment["JAX_ENABLE_X64"] = "1"
    run = subprocess.run(
        [*command, "--job", job, "--library", library], env=environment, capture_output=True, text=True
    )
    if run.returncode:
        raise RuntimeError(f"{job} with {library} failed: {run.stderr[-3000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:20", help="first and last but one, as in 0:20")
    parser.add_argument("--backend", default="torch", help="Keras's backend")
    parser.add_argument("--folder", help="where to keep the files")
    parser.add_argument("--job", choices=["write", "read", *DOUBLE], help=argparse.SUPPRESS)
    parser.add_argument("--library", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        first, _, last = arguments.seeds.partition(":")
        seeds = range(int(first), int(last)) if last else [int(seed) for seed in first.split(",")]
        print(json.dumps(work(arguments.job, arguments.library, seeds, Path(arguments.folder))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        folder.mkdir(exist_ok=True, parents=True)
        problems = exchange(arguments, folder)
    print(f"{len(problems)} of the models did not arrive as they were")
    sys.exit(bool(problems))


def exchange(arguments: argparse.Namespace, folder: Path) -> set[str]:
    """Both directions; prints what differs and returns the seeds."""
    bad: set[str] = set()
    impossible: set[str] = set()  # to Keras itself: its backend lacks an op, say
    jobs = [("write", "keras"), ("read", "gpunet"), ("write", "gpunet"), ("read", "keras")]
    for job, library in jobs:
        found = start(job, library, arguments, folder)
        if job == "read":
            leave_out_rounding(found, OTHER[library], arguments, folder)
        problems = report(f"{library} {job}s", found)
        if (job, library) == ("write", "keras"):
            impossible = problems
        bad |= problems
    return bad - impossible


def leave_out_rounding(found: dict[str, list], writer: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Take losses that differ out of what was found, where they agree in float64."""
    hard = {seed: [text for text in problems if "configuration" not in text] for seed, problems in found.items()}
    seeds = [seed for seed, texts in hard.items() if texts and all(text.startswith("losses") for text in texts)]
    if not seeds:
        return
    one, other = (start(f"double {writer}", library, arguments, folder, ",".join(seeds)) for library in OTHER)
    for seed in seeds:
        numbers = [x for x in (*one[seed], *other[seed]) if isinstance(x, float)]
        if len(numbers) == 2 * files.STEPS and not files.compare("losses", one[seed], other[seed], 1e-6):
            print(f"  {seed}: rounding, the same in float64: " + "; ".join(hard[seed]))
            found[seed] = [text for text in found[seed] if text not in hard[seed]]


def report(what: str, found: dict[str, list[str]]) -> set[str]:
    """Print problems by seed, and how often configurations differ in which key; returns the seeds with problems."""
    kinds: collections.Counter[str] = collections.Counter()
    bad = set()
    for seed, problems in found.items():
        kinds.update({re.sub(r"(/\d+)+|(?<=\w)_\d+", "", p) for p in problems if "configuration" in p})
        hard = [problem for problem in problems if "configuration" not in problem]
        if hard:
            bad.add(seed)
            print(f"  {seed}: " + "\n      ".join(hard[:6]))
    for kind, count in kinds.most_common():
        print(f"  {count} x {kind:.300}")
    print(f"{what}: {len(bad)} of {len(found)} models have problems", flush=True)
    return bad


if __name__ == "__main__":
    main()
