"""Layers one after the other, as one layer."""

from __future__ import annotations

from typing import Any

from gpunet.layers.calling import signature_of
from gpunet.layers.layer import Layer
from gpunet.serialization import deserialize, serialize


class Pipeline(Layer):
    """Calls layers one after the other, on what the one before gives; often preprocessing of images.

    Args:
        layers: a list of layers.
    """

    def __init__(self, layers: list[Any], name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self._pipeline_layers = list(layers)

    def build(self, input_shape: Any) -> None:
        for layer in self._pipeline_layers:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    @property
    def layers(self) -> list[Any]:
        """The layers in their order."""
        return self._pipeline_layers

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        for layer in self._pipeline_layers:
            signature = signature_of(layer)
            options: dict[str, Any] = {"training": training} if signature.takes_training else {}
            if signature.takes_mask and mask is not None:
                options["mask"] = mask
            inputs = layer(inputs, **options)
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "layers": [serialize(layer) for layer in self._pipeline_layers]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layers of a configuration.

        Raises:
            ValueError: unless it has a list of layers.
        """
        if not isinstance(config.get("layers"), list | tuple):
            raise ValueError(
                f"The configuration of a Pipeline has a list of configurations as `layers`. Received: {config}"
            )
        return cls(**config | {"layers": [deserialize(layer) for layer in config["layers"]]})
