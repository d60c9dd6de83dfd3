"""Boston housing: 506 prices of houses of the 1970s with 13 features."""

from __future__ import annotations

import os

from gpunet.datasets.files import locate, read_npz, split_of
from gpunet.datasets.split import Split

_SHA256 = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str | os.PathLike | None = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)`: float64 features (n, 13), and prices in thousands of dollars.

    One feature assumes that people's origin moves prices, so that the set is for studies of such things only.

    Args:
        path: the file or a folder with it; its name alone for `GPUNET_DATA`, the cache or a download.
        test_split: the share for tests.
        seed: of the order.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
        ValueError: if the file is damaged, or the share not in [0, 1).
    """
    arrays = read_npz(locate("boston_housing", "boston_housing.npz", _SHA256, path))
    return split_of(arrays["x"], arrays["y"], test_split, seed)
