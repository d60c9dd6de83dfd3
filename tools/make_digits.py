"""Make gpunet/datasets/data/digits.npz from the UCI file `optdigits.tes`.

The file is the test part of "Optical Recognition of Handwritten Digits" (https://doi.org/10.24432/C50P49): 1,797 lines
of 64 pixels from 0 to 16 and the digit they show. The order of the lines is kept.

    python tools/make_digits.py optdigits.tes
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
OUTPUT = Path(__file__).resolve().parents[1] / "gpunet" / "datasets" / "data" / "digits.npz"


def read_table(path: Path) -> np.ndarray:
    """The 1,797 rows of `optdigits.tes` as uint8.

    Raises:
        ValueError: if the file is another one.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"expected UCI's optdigits.tes with sha256 {SHA256}. Received: {path} with {found}")
    return np.loadtxt(path, delimiter=",", dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the UCI file optdigits.tes")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    table = read_table(arguments.table)
    np.savez_compressed(arguments.output, images=table[:, :64].reshape(-1, 8, 8), labels=table[:, 64])
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
