"""Moving tensors between devices, differentiably."""

from __future__ import annotations

from typing import Any

from gpunet.autograd.custom import custom_gradient
from gpunet.autograd.tensor import Tensor, wrap
from gpunet.backend import devices
from gpunet.backend.devices import Device
from gpunet.ops.operands import operand


def to_device(x: Any, device: str | Device) -> Any:
    """x on another device: itself if it is there, else a copy. The gradient travels back.

    Raises:
        GPUNotAvailableError: if the device is a GPU and there is none.
    """
    target = devices.device(device)
    x = operand(x)
    if not isinstance(x, Tensor):
        return devices.to_device(x, target)
    if x.device == target:
        return x
    return _move(x, target)


def _move(x: Tensor, target: Device) -> Tensor:
    source = x.device

    @custom_gradient
    def move(t):
        return wrap(devices.to_device(t.array, target)), lambda g: to_device(g, source)

    return move(x)
