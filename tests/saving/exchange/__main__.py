"""Send random models from Keras to gpunet and back as files, and print what did not arrive.

    python -m tests.saving.exchange --seeds 0:100 --backend torch

Keras writes the models of the seeds, gpunet reads them and writes its own, which Keras reads. Each seed is one line
where something differs; the last line counts. The libraries run in processes of their own.
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
from pathlib import Path

from tests.saving.exchange import files


def work(job: str, library: str, seeds: range, folder: Path) -> dict[int, list[str]]:
    """Write or read the models of some seeds with one library; problems by seed."""
    warnings.simplefilter("ignore")
    keras = importlib.import_module(library)
    found = {}
    for seed in seeds:
        writer = library if job == "write" else {"keras": "gpunet", "gpunet": "keras"}[library]
        stem = folder / f"{seed}.{writer}"
        if job == "read" and not Path(f"{stem}.npz").exists():
            continue
        try:
            found[seed] = [] if job == "write" else files.read(keras, seed, stem)
            if job == "write":
                files.write(keras, seed, stem)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = re.sub(r"\s+", " ", str(error))
            found[seed] = [f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {text:.400}"]
    return found


def start(job: str, library: str, arguments: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """`work` in a process of its own."""
    command = [sys.executable, "-m", "tests.saving.exchange", "--seeds", arguments.seeds, "--folder", str(folder)]
    environment = os.environ | {"KERAS_BACKEND": arguments.backend, "COLUMNS": "200"}
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
    parser.add_argument("--job", choices=["write", "read"], help=argparse.SUPPRESS)
    parser.add_argument("--library", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        seeds = range(*map(int, arguments.seeds.split(":")))
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
        problems = report(f"{library} {job}s", found)
        if (job, library) == ("write", "keras"):
            impossible = problems
        bad |= problems
    return bad - impossible


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
