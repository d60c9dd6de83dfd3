"""Calls of ops in functional models as the configurations that Keras writes for its operations, and back.

Keras has a class per op, `keras.src.ops.numpy.Concatenate`: its constructor takes what is the same for every call
(`axis`), its calls take the tensors. Here an op is one function, whose parameters of the names below
belong to the call.
"""

from __future__ import annotations

import inspect
from typing import Any

from gpunet import ops
from gpunet.serialization import serialize
from gpunet.symbolic import OpCall

_CALL = frozenset(
    "x y x1 x2 xs inputs kernel target output targets predictions condition indices values index start stop step "
    "operands updates start_indices constant_values fill_value rtol atol depthwise_kernel pointwise_kernel "
    "images volumes image1 image2 start_points end_points transform coordinates data segment_ids query key mask "
    "weights sorted_sequence a b array condlist choicelist variable sequence_lengths tensor pattern".split()
)
# Ops of Keras by their module; all others that Keras has are in keras.src.ops.numpy.
_MODULES = {
    "core": "cast convert_to_tensor saturate_cast scatter scatter_update slice slice_update stop_gradient unstack",
    "einops": "rearrange",
    "linalg": "cholesky cholesky_inverse det eigh inv lstsq lu_factor matrix_rank norm pinv qr solve "
    "solve_triangular svd",
    "math": "cdist erf erfc erfinv extract_sequences fft fft2 ifft2 in_top_k irfft istft logdet logsumexp rfft rsqrt "
    "segment_max segment_min segment_prod segment_sum stft top_k",
    "nn": "adaptive_average_pool adaptive_max_pool average_pool "
    "binary_crossentropy categorical_crossentropy celu conv conv_transpose ctc_decode ctc_loss depthwise_conv elu gelu "
    "glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid log_softmax max_pool moments normalize "
    "one_hot relu relu6 selu separable_conv sigmoid silu soft_shrink softmax softplus softsign "
    "sparse_categorical_crossentropy tanh_shrink threshold depth_to_space fold multi_hot psnr space_to_depth "
    "sparse_plus sparse_sigmoid sparsemax squareplus unfold",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}
_MODULE_OF |= dict.fromkeys(ops.image.__all__, "image")
_CLASS_NAMES = {"getitem": "GetItem", "rgb_to_hsv": "RGBToHSV", "hsv_to_rgb": "HSVToRGB"}
_CLASS_NAMES |= {
    "rgb_to_grayscale": "RGBToGrayscale",
    "ssim": "SSIM",
    "psnr": "PSNR",
    "cdist": "CDist",
    "extract_patches_3d": "ExtractPatches3D",
    "allclose": "AllClose",
    "isin": "IsIn",
    "searchsorted": "SearchSorted",
    "svd": "SVD",
    "ctc_decode": "CTCDecode",
    "ctc_loss": "CTCLoss",
}
_CLASS_NAMES |= {name: name.upper() for name in "fft fft2 ifft2 rfft irfft stft istft".split()}
# Functions without a class in Keras: written under gpunet's own name.
_OWN = frozenset(
    "batch_norm_relu batch_norm_relu_training batch_norm_training batch_normalization conv_batch_norm_training "
    "convert_to_numpy hard_swish linear mish swish to_device dot_product_attention".split()
)
_NEVER_IN_KERAS = frozenset("initial bias activation device".split())  # gpunet's additions, left out where None


def class_name(name: str) -> str:
    """The name of Keras's class for an op: `log1p` → `Log1p`."""
    return _CLASS_NAMES.get(name) or "".join(part[:1].upper() + part[1:] for part in name.split("_"))


_BY_CLASS = {class_name(name): name for name in [*ops.__all__, *ops.image.__all__] if name not in _OWN}


def is_op_class(name: str) -> bool:
    """Whether Keras has an operation of this name that gpunet has too."""
    return name in _BY_CLASS


def op_config(operation: OpCall) -> dict[str, Any]:
    """The operation as a configuration, without its tensors.

    Raises:
        ValueError: if the function is none of `gpunet.ops`.
    """
    name = _name_of(operation)
    node = operation._inbound_nodes[0]
    fixed = {"name": operation.name} | serialize(_split(operation, node.args, node.kwargs)[2])
    if name in _OWN:
        return {"module": "gpunet.ops", "class_name": name, "config": fixed, "registered_name": None}
    module = f"keras.src.ops.{_MODULE_OF.get(name, 'numpy')}"
    return {"module": module, "class_name": class_name(name), "config": fixed, "registered_name": class_name(name)}


def call_arguments(operation: OpCall, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The part of a call's arguments that Keras's operation is called with."""
    return _split(operation, args, kwargs)[:2]


def _split(operation: OpCall, args: tuple, kwargs: dict) -> tuple[tuple, dict, dict]:
    """Arguments of the call, in order and by name, and those of the constructor, defaults included."""
    signature = inspect.signature(operation.function)
    args, kwargs = operation.merged(args, kwargs)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    call: list[Any] = []
    named: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            call += value
        elif signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            named |= value
        elif name in _CALL and (name != "fill_value" or operation.function is ops.full_like):
            call.append(value)
        elif not (value is None and name in _NEVER_IN_KERAS):
            fixed[name] = value
    return tuple(call), named, fixed


def _name_of(operation: OpCall) -> str:
    name = getattr(operation.function, "__name__", "")
    if getattr(ops, name, getattr(ops.image, name, None)) is not operation.function:
        raise ValueError(
            f"A functional model can be written with layers and with functions of gpunet.ops only; put others into a "
            f"layer. Received: operation {operation.name!r} of {operation.function!r}"
        )
    return name


def is_op_config(config: dict[str, Any]) -> bool:
    """Whether a configuration is one of an op, by its module."""
    return str(config.get("module")).startswith(("keras.src.ops.", "gpunet.ops"))


def op_from_config(config: dict[str, Any]) -> OpCall:
    """The operation of `op_config`.

    Raises:
        ValueError: if there is no such op, or it has an argument that Keras alone knows.
    """
    own = config["module"] == "gpunet.ops"
    name = config["class_name"] if own else _BY_CLASS.get(config["class_name"])
    if name not in (*ops.__all__, *ops.image.__all__) or (own and name not in _OWN):
        raise ValueError(f"gpunet.ops has nothing like this operation. Received: {config['class_name']!r}")
    function = getattr(ops, name, None) or getattr(ops.image, name)
    fixed = dict(config["config"])
    operation_name = fixed.pop("name", None)
    known = inspect.signature(function).parameters
    unknown = {key: value for key, value in fixed.items() if key not in known and value not in (None, False)}
    if unknown:
        raise ValueError(f"gpunet.ops.{name} does not have these arguments. Received: {unknown}")
    fixed = {key: _as_tuples(value) for key, value in fixed.items() if key in known}
    return OpCall(function, name=operation_name, **fixed)


def call_op(operation: OpCall, args: tuple, kwargs: dict) -> Any:
    """Call an operation with written arguments; JSON has no tuples, which an index needs."""
    if operation.function is ops.getitem and isinstance(args[1], list):
        args = (args[0], tuple(args[1]))
    return operation.symbolic_call(args, kwargs)


def _as_tuples(value: Any) -> Any:
    """Shapes and axes as tuples, which JSON made lists of."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


__all__ = ["call_arguments", "call_op", "class_name", "is_op_class", "is_op_config", "op_config", "op_from_config"]
