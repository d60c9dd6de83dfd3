"""The base of layers without weights."""

from __future__ import annotations

from typing import Any

from gpunet.layers.layer import Layer


class StatelessLayer(Layer):
    """A layer that is built from the start, unless a subclass has a `build` of its own."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.built = getattr(self.build, "_is_default", False)
