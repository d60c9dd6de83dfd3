"""Run scripts of the gallery with gpunet, with Keras, or with both to compare what they reach.

The scripts differ between the libraries in their imports alone: `import gpunet as keras` and `from gpunet import …`
become `import keras` and `from keras import …`.

example: KERAS_BACKEND=torch python -m examples.gallery mnist_convnet --library both
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = [path.stem for path in sorted(HERE.glob("*.py")) if path.stem not in ("__init__", "__main__", "data")]


def for_keras(text: str) -> str:
    """A script's text with Keras imported in the place of gpunet."""
    return re.sub(r"^from gpunet\b", "from keras", text.replace("import gpunet as keras", "import keras"), flags=re.M)


def run(name: str, library: str, arguments: list[str], echo: bool = True) -> dict[str, float]:
    """What a script reports in its last line, and the seconds that it took.

    Raises:
        RuntimeError: if it fails.
    """
    text = (HERE / f"{name}.py").read_text()
    command = [sys.executable, "-c", for_keras(text) if library == "keras" else text, *arguments]
    start = time.perf_counter()
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    process = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if echo:
        print(process.stdout)
    if process.returncode:
        raise RuntimeError(f"{name} failed with {library}:\n{process.stdout[-3000:]}")
    return {**json.loads(process.stdout.splitlines()[-1]), "seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """The command line."""
    description, example = (__doc__ or "").strip().rsplit("\n\n", 1)
    parser = argparse.ArgumentParser("python -m examples.gallery", description=description, epilog=example)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which scripts: {', '.join(SCRIPTS)} (default: all)")
    parser.add_argument("--library", choices=["gpunet", "keras", "both"], default="gpunet", help="(default: gpunet)")
    parser.add_argument("--epochs", type=int, help="instead of each script's own number")
    parser.add_argument("--samples", type=int, help="instead of each script's own number")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(SCRIPTS))
    if unknown:
        parser.error(f"no script is called {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")
    arguments = [f"--{key}={getattr(options, key)}" for key in ("epochs", "samples") if getattr(options, key)]
    libraries = ["gpunet", "keras"] if options.library == "both" else [options.library]
    reached = {(n, library): run(n, library, arguments) for n in options.names or SCRIPTS for library in libraries}
    for (name, library), figures in reached.items():
        print(f"{name:26} {library:7}", *(f"{key} {value:.4g}" for key, value in figures.items()), sep="  ")


if __name__ == "__main__":
    main()
