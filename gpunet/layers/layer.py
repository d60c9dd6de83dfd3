"""`Layer`: variables plus a function of tensors, called eagerly or to build a functional model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from gpunet import dtype_policies, regularizers, tree
from gpunet.autograd.stateless import StatelessScope
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import autocast_scope, name_scope, scopes
from gpunet.backend.dtypes import as_dtype, is_float
from gpunet.backend.primitive import is_array_type
from gpunet.layers.building import Buildable, default, is_default, symbolic_like
from gpunet.layers.calling import (
    Call,
    build_shapes,
    call_state,
    fill_masks,
    get_mask,
    is_tensor_like,
    out_of_memory,
    set_mask,
    signature_of,
    tensor_arguments,
)
from gpunet.layers.input_spec import assert_input_compatibility
from gpunet.layers.remat import current_remat_scope
from gpunet.serialization import serialize
from gpunet.symbolic import KerasTensor, Operation, any_symbolic, infer_output


class Layer(Buildable, Operation):
    """The base of all layers. A subclass implements `call`, usually `build` (to make its variables) and `__init__`.

    Args:
        activity_regularizer: a penalty on the output, added to `losses`.
        trainable: whether the optimizer may change the layer's variables.
        dtype: a dtype or a policy such as "mixed_float16"; the global policy where None.
        autocast: whether float inputs are cast to the compute dtype.
        name: chosen from the class name where None.

    Example:
        >>> class Scale(gpunet.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        ...     def call(self, x):
        ...         return x * self.factor
    """

    _built_path: str | None = None  # the path, from the first build on
    _quick_dtype: Any
    _quick_signature: Any
    fused_activation: str | None = None
    """What `call` ends in, "linear" or "relu", of a layer whose `call_fused` can add or leave out the ReLU."""
    fuses_addend = False
    """Whether `call_fused` also takes an addend."""

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        Operation.__init__(self, name=name)
        if not isinstance(trainable, bool):
            raise ValueError(
                f"Expected `trainable` to be a boolean. Received: trainable={trainable} (of type {type(trainable)})"
            )
        self._input_shape_argument = _pop_input_shape(kwargs)
        if kwargs:
            raise ValueError(
                f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}. "
                f"Known are those of the layer and activity_regularizer, trainable, dtype, autocast, name."
            )
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = autocast
        self.built = False
        self.input_spec: Any = None
        self.supports_masking = is_default(self.compute_mask) is False
        self.trainable = trainable
        self.dtype_policy = dtype
        self._losses: list[Any] = []
        self._remat_scope = current_remat_scope()
        self._path = self.name
        self._shapes_dict: dict[str, Any] = {}
        self._quick = False  # whether a plain call may skip the general path
        self._quick_shape: tuple | None = None

    @property
    def path(self) -> str:
        """The names of the enclosing layers and this one, joined by "/"."""
        return self._path

    @property
    def dtype(self) -> str:
        """The dtype of the layer's variables."""
        return self.variable_dtype

    @property
    def variable_dtype(self) -> str:
        return self._dtype_policy.at(self._built_path).variable_dtype

    @property
    def compute_dtype(self) -> str:
        return self._dtype_policy.at(self._built_path).compute_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype to which float inputs are cast."""
        return self.compute_dtype

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """What the layer computes in and keeps its variables in; set it to a policy or the name of one.

        Variables that exist keep their dtype. In a map, the entry of a layer that is built is set.
        """
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy, before = dtype_policies.get(value), self.__dict__.get("_dtype_policy")
        if isinstance(before, dtype_policies.DTypePolicyMap) and self._built_path is not None:
            if self._built_path in before:
                del before[self._built_path]
            before[self._built_path] = policy
        else:
            self._dtype_policy = policy
        self._quick = False

    @property
    def metrics(self) -> list[Any]:
        """The metrics of this layer and all below it."""
        return [m for layer in self._flatten_layers() for m in layer._own_metrics]

    @property
    def metrics_variables(self) -> list[Any]:
        return [v for m in self.metrics for v in m.variables]

    @default
    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the output, by default that of the input."""
        return previous_mask

    @default
    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's function of tensors; a subclass implements it."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call` method implemented.")

    @default
    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The output shape for an input shape (None for unknown sizes); builds the layer if it is not built."""
        if is_default(self.call):
            raise NotImplementedError(
                f"Layer {type(self).__name__} does not have a `compute_output_shape` method implemented."
            )
        shapes = args or tuple(kwargs.values())
        if not self.built:
            self.build(*args, **kwargs)
        inputs = [symbolic_like(shape, self.input_dtype) for shape in shapes]
        output = self.compute_output_spec(*inputs)
        return tree.map_structure(lambda t: tuple(t.shape), output) if tree.is_nested(output) else tuple(output.shape)

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple:
        """The outputs with these values of the variables, which keep their own, and the new non-trainable values.

        Gradients flow to the given values.

        Args:
            return_losses: return `losses` too, as a third result.

        Raises:
            ValueError: if the layer is not built, or there are more or fewer values than variables.
        """
        if not self.built:
            raise ValueError(
                f"To call stateless_call, {type(self).__name__} must be built (i.e. its variables must have been "
                f"already created). You can build it by calling it on some data."
            )
        pairs: list[tuple] = []
        for name, values in (
            ("trainable_variables", trainable_variables),
            ("non_trainable_variables", non_trainable_variables),
        ):
            own = getattr(self, name)
            if len(own) != len(values):
                raise ValueError(
                    f"Argument `{name}` must be a list of tensors corresponding 1:1 to "
                    f"{type(self).__name__}().{name}. Received list with length {len(values)}, but expected "
                    f"{len(own)} variables."
                )
            pairs += zip(own, values)
        with StatelessScope(pairs, collect_losses=return_losses) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses if return_losses else None
        changed = [scope.get_current_value(v) for v in self.non_trainable_variables]
        return (outputs, changed, losses) if return_losses else (outputs, changed)

    def call_fused(self, inputs: Any, training: bool | None, relu: bool, addend: Any = None) -> Any:
        """`call` without its own activation, plus `addend`, and then a ReLU or not: what a functional model may run
        in place of this layer and those around it.
        """
        raise NotImplementedError(f"Layer {type(self).__name__} has nothing to be fused with.")

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The output as KerasTensors: through `compute_output_shape` if that is overridden, else by running `call`."""
        if is_default(self.compute_output_shape):
            with self._autocast():
                return infer_output(self.call, args, kwargs)
        arguments = signature_of(self).bind(args, kwargs)
        tensors = tensor_arguments(arguments)
        shapes = build_shapes(self.compute_output_shape, tensors, arguments, self.name)
        return symbolic_like(self.compute_output_shape(**shapes), self.compute_dtype)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if len(args) == 1 and type(args[0]) is Tensor and self.__dict__.get("_quick"):
                x = args[0]
                if x.array.dtype is self._quick_dtype and get_mask(x) is None:
                    if not kwargs:
                        return self._quick_call(x, None)
                    if len(kwargs) == 1 and "training" in kwargs:
                        return self._quick_call(x, kwargs["training"])
            return self._general_call(args, kwargs)
        except MemoryError as error:
            raise out_of_memory(error, self) from error

    def _quick_call(self, x: Tensor, training: bool | None) -> Any:
        """A call on one tensor of the right dtype, of a built layer without masks, mixed precision or penalties."""
        shape = x.array.shape[1:]
        if shape != self._quick_shape:
            self._check_inputs(x)
            object.__setattr__(self, "_quick_shape", shape)
        state = call_state
        entry, before = state.entry, state.training
        if entry is None:
            state.entry = self
            self._clear_losses()
        signature = self._quick_signature
        if training is None:
            training = signature.training_default if before is None else before
        state.training = training
        try:
            return self.call(x, training=training) if signature.takes_training else self.call(x)
        finally:
            state.entry, state.training = entry, before

    def _general_call(self, args: tuple, kwargs: dict) -> Any:
        self._check_super_called()
        original = (args, dict(kwargs))
        args, kwargs = self._convert_inputs(args, dict(kwargs))
        signature = signature_of(self)
        context = {} if signature.takes_training else {"training": kwargs.pop("training", None)}
        arguments = signature.bind(args, kwargs)
        tensors = tensor_arguments(arguments)
        first = next(iter(arguments.values()), None)
        self._check_inputs(first)
        if not self.built:
            self._build_for(arguments, tensors, signature)
            self._check_inputs(first)
        explicit = signature.given_training(args, kwargs) if signature.takes_training else context.get("training")
        if signature.takes_mask or signature.mask_names:
            fill_masks(signature, arguments, tensors, kwargs)
        mask = kwargs.get("mask")
        mask = tree.map_structure(get_mask, first) if mask is None else mask
        with Call(self, explicit, signature) as training:
            if signature.takes_training and training is not None:
                kwargs["training"] = training
                args = args[: signature.names.index("training")]
            outputs = self._run(args, kwargs)
        self._finish_masks(first, outputs, mask)
        if any_symbolic(original):
            return self.record_call(*original, outputs)
        self._allow_quick_calls(signature)
        return outputs

    def _check_super_called(self) -> None:
        if "_quick" not in self.__dict__:
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the first statement in "
                f"the `__init__()` method. Go add it!"
            )

    def _convert_inputs(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        policy, dtype = self.dtype_policy, self.input_dtype

        def convert(x):
            if isinstance(x, KerasTensor):
                y = _cast_symbol(x, dtype) if self.autocast else x
            else:
                y = policy.convert_input(self._at_home(x), self.autocast, dtype)
            if y is not x and get_mask(x) is not None:
                set_mask(y, get_mask(x))
            return y

        args = tree.map_structure(convert, args)
        for x in tree.flatten(args):
            if x is not None and not is_tensor_like(x):
                raise ValueError(
                    f"Only input tensors may be passed as positional arguments. The following argument value should be "
                    f"passed as a keyword argument: {x!r:.100} (of type {type(x).__name__})"
                )
        return args, tree.map_structure(convert, kwargs)

    def _at_home(self, x: Any) -> Any:
        """An array of the host as a tensor where the layer's variables are; anything else as it is."""
        host = type(x) is np.ndarray or (hasattr(x, "__array__") and not is_array_type(type(x)))
        return Tensor(x, device=self._home()) if host and not isinstance(x, Tensor) else x

    def _check_inputs(self, first: Any) -> None:
        if self.input_spec is not None:
            assert_input_compatibility(self.input_spec, first, self.name)

    def _run(self, args: tuple, kwargs: dict) -> Any:
        """`call` in the layer's name scope and compute dtype; the output spec for symbolic arguments."""
        with name_scope(self.name, caller=self), self._autocast():
            if any_symbolic(args, kwargs):
                return self.compute_output_spec(*args, **kwargs)
            call = self.call if self._remat_scope is None else self._remat_scope.applied_to(self)
            outputs = call(*args, **kwargs)
            if self.activity_regularizer is not None:
                for y in tree.flatten(outputs):
                    batch = max(1, y.shape[0]) if y.ndim else 1
                    self.add_loss(self.activity_regularizer(y) / batch)
            return outputs

    def _autocast(self):
        wanted = as_dtype(self.compute_dtype)
        if not self.autocast or not is_float(wanted):
            wanted = None
        mixed = self.compute_dtype != self.variable_dtype
        if scopes.compute_dtype is None and (not mixed or wanted is None):
            return nullcontext()
        return autocast_scope(wanted)

    def _finish_masks(self, inputs: Any, outputs: Any, mask: Any) -> None:
        masks = tree.flatten(mask)
        if not self.supports_masking:
            if any(m is not None for m in masks):
                warnings.warn(
                    f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to "
                    f"it. However, this layer does not support masking and will therefore destroy the mask "
                    f"information. Downstream layers will not see the mask.",
                    stacklevel=4,
                )
            return
        if all(m is None for m in masks) and is_default(self.compute_mask):
            return
        computed = tree.flatten(self.compute_mask(inputs, mask))
        for y, m in zip(tree.flatten(outputs), computed):
            if m is not None and is_tensor_like(y) and get_mask(y) is None:
                set_mask(y, m)

    def _allow_quick_calls(self, signature: Any) -> None:
        """Remember that calls of the usual kind need none of the general steps."""
        if self._quick or not self.built or not signature.simple or self.activity_regularizer is not None:
            return
        if self._remat_scope is not None:
            return
        if self.compute_dtype != self.variable_dtype or not is_default(self.compute_mask):
            return
        if scopes.compute_dtype is None and is_float(as_dtype(self.compute_dtype)):
            object.__setattr__(self, "_quick_signature", signature)
            object.__setattr__(self, "_quick_dtype", as_dtype(self.compute_dtype))
            object.__setattr__(self, "_quick", True)

    def add_loss(self, loss: Any) -> None:
        """Add a scalar tensor, or several, to `losses` until the next call."""
        for value in loss if isinstance(loss, list | tuple) else [loss]:
            if getattr(value, "shape", ()) != ():
                raise ValueError(f"add_loss expected a scalar. Received: shape={value.shape}")
            # While shapes are inferred there is no value to keep; a second run is for its gradients alone.
            if not (scopes.abstract or scopes.again):
                self._losses.append(value)

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._losses.clear()

    @property
    def losses(self) -> list[Any]:
        """Scalars from `add_loss`, activity regularizers and weight regularizers, here and below."""
        found = [loss for layer in self._flatten_layers() for loss in layer._losses]
        for variable in self.trainable_weights:
            if variable.regularizer is not None:
                found.append(variable.regularizer(variable))
        return found

    @default
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data, so that `from_config` makes an equal, unbuilt layer."""
        base = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = serialize(self.activity_regularizer)
        if type(self).get_config is not Layer.get_config:
            return base
        return self._captured_configuration(base)

    def _captured_configuration(self, base: dict[str, Any]) -> dict[str, Any]:
        """The configuration of a subclass without a `get_config`: the arguments its constructor was called with."""
        if self._captured_config is None:
            return base
        try:
            if any(getattr(value, "__name__", None) == "<lambda>" for value in tree.flatten(self._captured_config)):
                raise TypeError("a lambda has no name to find it by")
            captured = serialize(self._captured_config)
        except TypeError as error:
            raise NotImplementedError(
                f"Layer {type(self).__name__} was created by passing arguments that cannot be serialized ({error}), "
                f"and therefore the layer must override `get_config()`."
            ) from None
        accepted = signature_parameters(type(self))
        return captured | {k: v for k, v in base.items() if accepted is None or k in accepted}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer of a configuration; nested configurations become objects."""
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = dtype_policies.get(config["dtype"])
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(
                f"Error when deserializing class '{cls.__name__}' using config={config}.\n\n"
                f"Exception encountered: {error}"
            ) from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def signature_parameters(cls: type) -> set[str] | None:
    """The names a constructor accepts; None where it accepts any."""
    import inspect

    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]  # the class's own is meant
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else {p.name for p in parameters}


def _pop_input_shape(kwargs: dict[str, Any]) -> tuple | None:
    """The shape, without the batch axis, from Keras 2's `input_shape=` or `input_dim=` of a first layer."""
    if "input_shape" in kwargs:
        return tuple(kwargs.pop("input_shape"))
    return (kwargs.pop("input_dim"),) if "input_dim" in kwargs else None


def _cast_symbol(x: KerasTensor, dtype: str) -> KerasTensor:
    """A stand-in for x in the compute dtype; the layer itself casts when the model runs."""
    if not is_float(x.dtype) or x.dtype == as_dtype(dtype):
        return x
    return KerasTensor(x.shape, dtype, x.name)
