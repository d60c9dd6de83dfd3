"""`OptimizerState`: the variables of an optimizer, and how files keep them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet import initializers
from gpunet.autograd.tensor import Tensor
from gpunet.autograd.variable import Variable, name_scope
from gpunet.backend.devices import CPU, Device
from gpunet.optimizers.schedules import LearningRateSchedule
from gpunet.symbolic.operation import auto_name, snake_case


class OptimizerState:
    """The count of updates, the learning rate, and the variables that an optimizer adds.

    Args:
        learning_rate: a number, a schedule of the count, or a callable without arguments.
        name: of the optimizer; its variables' paths begin with it.

    Raises:
        ValueError: if the learning rate is none of these.
    """

    built = False

    def __init__(self, learning_rate: Any, name: str | None):
        self.name = name or auto_name(snake_case(type(self).__name__))
        self._schedule = learning_rate if callable(learning_rate) and not isinstance(learning_rate, Tensor) else None
        rate = 0.0 if self._schedule else _checked_rate(learning_rate)
        with name_scope(self.name, caller=self):
            self.iterations = Variable(0, dtype="int32", trainable=False, name="iteration", device=CPU)
            # What updates read; set before each where there is a schedule.
            self._learning_rate = Variable(rate, dtype="float", trainable=False, name="learning_rate", device=CPU)
        self._variables: list[Variable] = [self.iterations, *[self._learning_rate] * (self._schedule is None)]

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a Variable, or what a schedule says now. Assign a number or a schedule to change it.

        Raises:
            TypeError: on assigning a number where there is a `LearningRateSchedule`.
        """
        return self._learning_rate if self._schedule is None else self._scheduled_rate(self._schedule)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value) and not isinstance(value, Tensor):
            self._schedule = value
            self._variables = [v for v in self._variables if v is not self._learning_rate]
        elif self._schedule is not None:
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` constructor "
                "argument, hence its learning rate is not settable. If you need the learning rate to be settable, you "
                "should instantiate the optimizer with a float `learning_rate` argument."
            )
        else:
            self._learning_rate.assign(_checked_rate(value))

    def _scheduled_rate(self, schedule: Callable) -> Any:
        return schedule(self._calls) if isinstance(schedule, LearningRateSchedule) else schedule()

    @property
    def _calls(self) -> Any:
        """What a schedule counts: how often `apply` was called before."""
        return self.iterations

    @property
    def variables(self) -> list[Variable]:
        """The count of updates, the learning rate, and what the optimizer added, such as moments."""
        return list(self._variables)

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        name: str | None = None,
        device: Device | None = None,
    ) -> Variable:
        """A variable of the optimizer itself, on `device` or the default one."""
        initializer = initializers.get(initializer)
        with name_scope(self.name, caller=self):
            variable = Variable(
                initializer, shape, dtype, trainable=False, aggregation=aggregation, name=name, device=device
            )
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A variable of the optimizer with the shape, dtype and device of another."""
        v = reference_variable
        name = f"{v.path.replace('/', '_')}_{name or 'slot'}"
        return self.add_variable(v.shape, initializer, v.dtype, name=name, device=v.device)

    def save_own_variables(self, store: Any) -> None:
        """Write the state to a dict-like store, under numbers."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote.

        Raises:
            ValueError: if the number of variables differs.
        """
        if len(store.keys()) != len(self.variables):
            raise ValueError(
                f"Optimizer {self.name!r} expected {len(self.variables)} variables. Received: {len(store.keys())}"
            )
        for i, variable in enumerate(self.variables):
            variable.assign(store[str(i)])

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all variables of a built optimizer, in the order of `variables`.

        Raises:
            ValueError: if it is not built, or their number differs.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling `set_weights()`."
            )
        self.load_own_variables({str(i): value for i, value in enumerate(weights)})

    def assign(self, variable: Variable, value: Any) -> None:
        """`variable.assign(value)`."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """`variable.assign_add(value)`."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """`variable.assign_sub(value)`."""
        variable.assign_sub(value)


def _checked_rate(value: Any) -> float:
    try:
        if isinstance(value, str):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"learning_rate must be a number. Received: learning_rate={value!r}") from None
