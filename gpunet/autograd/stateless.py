"""Running code on other values of variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gpunet.autograd.tensor import Tensor, wrap
from gpunet.autograd.variable import Variable, scopes
from gpunet.autograd.watching import cannot_record
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.primitives.elementwise import cast, copy


@contextmanager
def holding(variables: Sequence[Variable], values: Sequence[Any]) -> Iterator[None]:
    """Inside the block the variables have these values, and what is assigned to them; after it, their own again."""
    before = [v.detach() for v in variables]
    try:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        yield
    finally:
        for variable, value in zip(variables, before):
            variable.assign(value)


class StatelessScope:
    """A block in which variables have other values, and keep theirs whatever is assigned to them.

    Gradients flow to the given values, where they are tensors that a tape watches.

    Args:
        state_mapping: (variable, value) pairs.
        collect_losses: as in Keras; losses are the layers' own here.
        initialize_variables: as in Keras, where variables that are made in the block are filled after it; here they
            are at once.

    Raises:
        ValueError: if a key is no variable, or a value has another shape.

    Example:
        >>> with StatelessScope([(v, ops.ones(v.shape))]) as scope:
        ...     v.assign_add(ops.ones(v.shape))
        >>> scope.get_current_value(v)  # twos, and v is what it was
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ):
        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self._given = [(variable, _value_for(variable, value)) for variable, value in state_mapping or ()]
        self._held: dict[int, tuple[Variable, Any, Any]] = {}  # by id: the variable, its storage and its node
        self._found: dict[int, Tensor] = {}
        self.around: Any = None

    def __enter__(self) -> StatelessScope:
        cannot_record("a StatelessScope gives variables other values")
        self.around, scopes.stateless = scopes.stateless, self
        for variable, value in self._given:
            self._held[id(variable)] = (variable, variable.array, variable._node)
            variable.array, variable._node = copy(value.array), value._node
        return self

    def __exit__(self, *exc: Any) -> None:
        scopes.stateless = self.around
        for key, (variable, array, node) in self._held.items():
            self._found[key] = wrap(variable.array)
            variable.array, variable._node = array, node
        self._held.clear()

    def hold(self, variable: Variable) -> None:
        """Let the variable, which is about to change, have storage of its own in this block."""
        if id(variable) not in self._held:
            self._held[id(variable)] = (variable, variable.array, variable._node)
            variable.array = copy(variable.array)

    def variables(self) -> list[Variable]:
        """Those that have other values in this block."""
        return [variable for variable, _, _ in self._held.values()]

    def get_current_value(self, variable: Variable) -> Tensor | None:
        """What the variable is in the block, or was at its end; None where that is its own value."""
        if id(variable) in self._held:
            return wrap(copy(variable.array))
        return self._found.get(id(variable))


def _value_for(variable: Any, value: Any) -> Tensor:
    """The value as a tensor in the variable's dtype.

    Raises:
        ValueError: if there is no variable, or the shape differs.
    """
    if not isinstance(variable, Variable):
        raise ValueError(f"StatelessScope expected variables as keys. Received: {variable!r:.100}")
    tensor = value.value if isinstance(value, Variable) else value if isinstance(value, Tensor) else Tensor(value)
    if tuple(tensor.shape) != tuple(variable.shape):
        raise ValueError(
            f"StatelessScope: the shape of the variable and of the value must be equal. "
            f"Received: variable {variable.path!r} of shape {variable.shape}, value of shape {tensor.shape}"
        )
    if tensor.dtype == as_dtype(variable.dtype):
        return tensor
    return wrap(cast(tensor.array, dtype=variable.dtype))
