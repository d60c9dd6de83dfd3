"""Layers around a layer."""

from __future__ import annotations

from typing import Any

from gpunet.layers.layer import Layer
from gpunet.serialization import deserialize, serialize


class Wrapper(Layer):
    """The base of layers that change what another layer does; a subclass implements `call` with `self.layer`.

    Raises:
        ValueError: if `layer` is no layer.
    """

    def __init__(self, layer: Any, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Layer {layer!r} supplied to {type(self).__name__} isn't a supported layer type. Please ensure "
                f"wrapped layer is a valid Keras layer."
            )
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a configuration, and the layer inside it."""
        return super().from_config(config | {"layer": deserialize(config["layer"])})
