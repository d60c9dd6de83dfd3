"""The type that every `load_data` returns."""

from __future__ import annotations

import numpy as np

Part = tuple[np.ndarray, np.ndarray]
Split = tuple[Part, Part]
