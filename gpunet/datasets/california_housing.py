"""California housing: 20,640 median prices of districts in 1990 with eight features."""

from __future__ import annotations

import os

from gpunet.datasets.files import locate, read_npz, split_of
from gpunet.datasets.split import Split

_SHA256 = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"


def load_data(
    version: str = "large",
    path: str | os.PathLike | None = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> Split:
    """Return `(x_train, y_train), (x_test, y_test)`: features (n, 8), and prices in dollars.

    The features are median income, age, rooms and bedrooms per household, population, people per household, latitude
    and longitude.

    Source: R. K. Pace and R. Barry, "Sparse spatial autoregressions" (1997).

    Args:
        version: "large", or "small" for the first 600.
        path: the file or a folder with it; its name alone for `GPUNET_DATA`, the cache or a download.
        test_split: the share for tests.
        seed: of the order.

    Raises:
        FileNotFoundError: if there is no such file, with all the places that were tried.
        ValueError: on another version, if the file is damaged, or the share not in [0, 1).
    """
    if version not in ("small", "large"):
        raise ValueError(f"Argument `version` must be one of 'small', 'large'. Received: version={version}")
    arrays = read_npz(locate("california_housing", "california_housing.npz", _SHA256, path))
    count = 600 if version == "small" else None
    return split_of(arrays["x"][:count], arrays["y"][:count], test_split, seed)
