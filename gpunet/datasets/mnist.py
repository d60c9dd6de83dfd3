"""MNIST: 70,000 handwritten digits of 28 × 28 pixels."""

from __future__ import annotations

import os

from gpunet.datasets.idx_dataset import IdxDataset
from gpunet.datasets.split import Split

_DATASET = IdxDataset(
    name="mnist",
    folders=("mnist",),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    sha256={
        "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    first_labels=(7, 2, 1, 0, 4, 1, 4, 9),
)


def load_data(path: str | os.PathLike | None = "mnist.npz") -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of MNIST: 60,000 and 10,000 handwritten digits.

    The images are uint8 of shape (n, 28, 28) with values from 0 to 255, the labels uint8 of shape (n,).

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits".

    Args:
        path: a folder with the four IDX files (plain or .gz) or `mnist.npz`, or the path of such an .npz file. Where
            it is None, or as in Keras a bare name of no file: the folder named by the environment variable
            `GPUNET_DATA` or `mnist` in it, else the cache (`$GPUNET_HOME`, else `~/.cache/gpunet`), else a download
            into the cache.

    Raises:
        FileNotFoundError: if there is no such data, with all the places that were tried and what to do.
        ValueError: if a file is truncated, damaged or does not fit the others.
    """
    absent = path == "mnist.npz" and not os.path.exists(path)
    return _DATASET.load(None if absent else path)
