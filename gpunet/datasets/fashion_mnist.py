"""Fashion-MNIST: 70,000 articles of clothing of 28 × 28 pixels."""

from __future__ import annotations

import os

from gpunet.datasets.idx_dataset import IdxDataset
from gpunet.datasets.split import Split

_DATASET = IdxDataset(
    name="fashion_mnist",
    folders=("fashion-mnist", "fashion_mnist"),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    sha256={
        "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    first_labels=(9, 2, 1, 1, 6, 1, 4, 6),
)


def load_data(path: str | os.PathLike | None = None) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)` of Fashion-MNIST: 60,000 and 10,000 articles of clothing.

    The images are uint8 of shape (n, 28, 28) with values from 0 to 255, the labels uint8 of shape (n,): 0 T-shirt or
    top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", https://arxiv.org/abs/1708.07747 (2017), MIT License.

    Args:
        path: a folder with the four IDX files (plain or .gz) or `fashion_mnist.npz`, or the path of such an .npz
            file. Where it is None: the folder named by the environment variable `GPUNET_DATA`, or `fashion-mnist` or
            `fashion_mnist` in it, else the cache (`$GPUNET_HOME`, else `~/.cache/gpunet`), else a download into it.

    Raises:
        FileNotFoundError: if there is no such data, with all the places that were tried and what to do.
        ValueError: if a file is truncated, damaged or does not fit the others.
    """
    return _DATASET.load(path)
