"""`Optimizer`: from gradients to updated variables, on flat arenas."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, TypedDict

import numpy as np

from gpunet import ops
from gpunet.autograd.stateless import holding
from gpunet.autograd.tape import no_grad
from gpunet.autograd.tensor import Tensor, raw
from gpunet.autograd.variable import Variable, name_scope
from gpunet.backend.devices import Device, to_device
from gpunet.backend.primitives import update
from gpunet.backend.primitives.elementwise import zeros_like
from gpunet.optimizers.accumulation import Accumulation, MovingAverage
from gpunet.optimizers.arena import Arena, Run, Segment
from gpunet.optimizers.clipping import check_limits, clip
from gpunet.optimizers.state import OptimizerState
from gpunet.serialization import Catalog, deserialize, serialize

catalog = Catalog("optimizer", "keras.optimizers")


class LossScaling(NamedTuple):
    """Arrays of shape () on the device: what gradients are too large by, and whether one of this step is inf or NaN."""

    scale: Any
    nonfinite: Any


class OtherOptions(TypedDict, total=False):
    """What every optimizer takes beside its own arguments; `Optimizer` says what they do."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class Options(OtherOptions, total=False):
    """`OtherOptions` and weight decay."""

    weight_decay: float | None


class Optimizer(OptimizerState):
    """The base of optimizers.

    A built-in optimizer names its moments in `slot_groups`, what they begin with in `slot_values` if not 0, and its own
    arguments in `arguments`; it updates runs of a flat arena in `update_run`. One of your own may instead override
    `build` and `update_step(gradient, variable, learning_rate)`, as in Keras.

    Args:
        learning_rate: a number, changed later by assigning `optimizer.learning_rate`; a `LearningRateSchedule`, called
            with the number of calls of `apply` so far; or another callable, without arguments.
        weight_decay: shrinks variables by weight_decay·learning_rate before each update (decoupled).
        clipnorm: the largest norm of each gradient.
        clipvalue: the largest absolute value of gradient elements.
        global_clipnorm: the largest norm of all gradients together.
        use_ema: keep moving averages of the variables, which take their place at the end of `fit`.
        ema_momentum: weight of the past in these averages.
        ema_overwrite_frequency: let them take their place every so many updates too.
        loss_scale_factor: `scale_loss` multiplies by it and `apply` divides, against underflow in float16.
        gradient_accumulation_steps: update once for so many calls of `apply`, with the mean of their gradients.

    Raises:
        ValueError: if more than one kind of clipping is asked for, or a value is out of its range.
    """

    slot_groups: Sequence[Sequence[str]] = ()
    slot_values: Mapping[str, float] = {}
    arguments: Sequence[str] = ()

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **unknown: Any,
    ):
        if unknown.pop("decay", None) is not None:
            warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=2)
        if unknown:
            raise ValueError(f"Argument(s) not recognized: {unknown}")
        check_limits(clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm)
        super().__init__(learning_rate, name)
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.weight_decay = weight_decay
        self.loss_scale_factor = loss_scale_factor
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._average = MovingAverage(ema_momentum, ema_overwrite_frequency) if use_ema else None
        self._accumulation = None
        if gradient_accumulation_steps is not None:
            self._accumulation = Accumulation(gradient_accumulation_steps)
        self._trainable_variables: list[Variable] = []
        self._arenas: list[Arena] = []
        self._undecayed: tuple[list[Variable], list[str]] = ([], [])
        self._order: tuple[int, ...] = ()
        self._overwritten: set[int] = set()  # ids of variables that become their gradients
        self.loss_scaling: LossScaling | None = None

    @property
    def skip(self) -> Any:
        """What updates take as `skip`: whether gradients of a scaled loss are not finite; None without a scale."""
        return None if self.loss_scaling is None else self.loss_scaling.nonfinite

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._order = ()  # ids of other objects
        self._overwritten = {id(v) for v in self._trainable_variables if v.overwrite_with_gradient}

    @property
    def steps_are_alike(self) -> bool:
        """Whether every `apply` does the same; not with moving averages or accumulation, which count in Python."""
        return self._average is None and self._accumulation is None

    @property
    def _calls(self) -> Any:
        """With accumulation, several calls are one update; schedules count calls all the same, as in Keras."""
        if self._accumulation is None:
            return self.iterations
        return self.iterations * self._accumulation.steps + self._accumulation.done

    @property
    def _model_variables_moving_average(self) -> list[Variable]:
        """The moving averages, under the name by which Keras's users reach them."""
        return [] if self._average is None else [average for _, average in self._average.pairs]

    def build(self, variables: Iterable[Variable]) -> None:
        """Make moments for the variables; called by the first `apply`."""
        self._extend(list(variables))
        self.built = True

    def _extend(self, variables: list[Variable]) -> None:
        """Make arenas for variables that this optimizer has not met."""
        known = {id(v) for v in self._trainable_variables}
        fresh = [v for v in variables if id(v) not in known]
        slots = [slot for group in self.slot_groups for slot in group]
        groups: dict[Any, list[Variable]] = {}
        for v in fresh:
            groups.setdefault((v.dtype, v.device), []).append(v)
        arenas = [Arena(group, slots, self.slot_values) for group in groups.values()]
        if arenas and not self._arenas:
            self._move_to(arenas[0].device)
        self._arenas += arenas
        self._trainable_variables += fresh
        self._overwritten |= {id(v) for v in fresh if v.overwrite_with_gradient}
        places = {id(s.variable): (arena, s) for arena in arenas for s in arena.segments}
        for extra in (self._average, self._accumulation):
            if extra is not None:
                extra.extend(self, fresh)
        with name_scope(self.name, caller=self):
            self._add_moments(fresh, places)

    def _add_moments(self, fresh: list[Variable], places: dict[int, tuple[Arena, Segment]]) -> None:
        """Let variables of the optimizer show the moments of `fresh` ones, in Keras's order."""
        for group in self.slot_groups:
            for v, slot in itertools.product(fresh, group):
                arena, segment = places[id(v)]
                name = f"{v.path.replace('/', '_')}_{slot}"
                moment = Variable(zeros_like(raw(v)), trainable=False, name=name, device=v.device)
                arena.add_moment(slot, segment, moment)
                self._variables.append(moment)

    def _move_to(self, device: Device) -> None:
        """Keep iterations and learning rate where the parameters are: a step then copies nothing between devices."""
        for variable in (self.iterations, self._learning_rate):
            variable.move_to(to_device(variable.array, device))

    def _get_variable_index(self, variable: Variable) -> int:
        return next(i for i, v in enumerate(self._trainable_variables) if v is variable)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Update from (gradient, variable) pairs; return `iterations`."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables from gradients in the same order; None leaves a variable alone.

        Raises:
            ValueError: if the numbers differ, every gradient is None, or no variables are known.
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._checked_variables(grads, trainable_variables)
        with no_grad():
            self._apply([_checked_gradient(g, v) for g, v in zip(grads, variables)], variables)

    def _checked_variables(self, grads: list[Any], trainable_variables: Sequence[Variable] | None) -> list[Variable]:
        """The variables that the gradients are of; the optimizer is built for them."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if trainable_variables is None and not self.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built on a list of variables. "
                "Call `optimizer.build(trainable_variables)` first."
            )
        if len(grads) != len(variables):
            raise ValueError(
                f"apply expected one gradient per variable. Received: {len(grads)} gradients, "
                f"{len(variables)} variables"
            )
        if all(g is None for g in grads):
            raise ValueError(f"No gradients provided for any variable. Received: {[v.path for v in variables]}")
        if not self.built:
            self.build(variables)
        return variables

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """An update of the given values; the optimizer and its variables stay as they are.

        Args:
            optimizer_variables: values for `variables`.
            grads, trainable_variables: gradients and values of the variables that it was built with.

        Returns:
            The new values of the trainable variables, and those of the optimizer's.

        Raises:
            ValueError: if it is not built, the numbers differ, or it accumulates gradients.
        """
        if not self.built or self._accumulation is not None:
            raise ValueError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its variables must have been "
                f"created), and cannot accumulate gradients. You can build it via "
                f"`optimizer.build(trainable_variables)`."
            )
        own, trained = self.variables, self._trainable_variables
        for name, wanted, given in (
            ("optimizer_variables", own, optimizer_variables),
            ("trainable_variables", trained, trainable_variables),
        ):
            if len(given) != len(wanted):
                raise ValueError(
                    f"Argument `{name}` must be a list of tensors corresponding 1:1 to the variables that the "
                    f"optimizer has. Received list with length {len(given)}, but expected {len(wanted)} variables."
                )
        with holding([*own, *trained], [*optimizer_variables, *trainable_variables]):
            self.apply(grads, trained)
            return [v.detach() for v in trained], [v.detach() for v in own]

    def _apply(self, grads: list[Any], variables: list[Variable]) -> None:
        if self._overwritten:
            grads = self._overwrite(grads, variables)
        if self.loss_scale_factor:
            grads = [None if g is None else ops.divide(g, self.loss_scale_factor) for g in grads]
        scale = None
        if self.loss_scaling is not None:
            grads, scale = self._unscaled(grads, self.loss_scaling)
        rate = self.learning_rate  # before this call is counted
        if grads and self._accumulation is not None:
            self._extend(variables)
            grads = self._accumulation.add(grads, variables)
        if not grads:
            return
        if self._schedule is not None:
            self._learning_rate.assign(rate)
        with nullcontext() if self.loss_scaling is None else np.errstate(invalid="ignore"):
            self._update(self._clip_gradients(grads), variables, scale)
        update.count_step(self.iterations.array, skip=self.skip)
        self.iterations.touched()

    def _overwrite(self, grads: list[Any], variables: list[Variable]) -> list[Any]:
        """Let variables that ask for it take the values of their gradients, which then need no update."""
        found = list(grads)
        for i, (g, v) in enumerate(zip(grads, variables)):
            if g is not None and id(v) in self._overwritten:
                v.assign(g)
                found[i] = None
        return found

    def _unscaled(self, grads: list[Any], scaling: LossScaling) -> tuple[list[Any], Any]:
        """Gradients without the loss scale, or with it and the scale, which goes away as they enter the arenas.

        None are left if one is not finite and more than the arenas would see it.
        """
        in_arenas = type(self).update_step is Optimizer.update_step and not (self._accumulation or self._average)
        if in_arenas and not (self.clipvalue or self.clipnorm or self.global_clipnorm):
            return grads, scaling.scale
        for g in grads:
            if g is not None:  # noted before clipping, which may hide it
                finite = ops.all(ops.isfinite(g))
                update.assign_add(scaling.nonfinite, ops.cast(ops.logical_not(finite), "int32"))
        if not in_arenas and int(scaling.nonfinite):
            return [], None
        return [None if g is None else ops.divide(g, scaling.scale) for g in grads], None

    def _update(self, grads: list[Any], variables: list[Variable], scale: Any) -> None:
        if type(self).update_step is not Optimizer.update_step:
            self._update_each(grads, variables)
        else:
            self._update_arenas(grads, variables, scale)
        if self._average is not None:
            self._average.update(int(self.iterations))
        for v, g in zip(variables, grads):
            if v.constraint is not None and g is not None:
                v.assign(v.constraint(v))

    def _update_each(self, grads: list[Any], variables: list[Variable]) -> None:
        """One `update_step` per variable, for optimizers that define it."""
        pairs = [(g, v) for g, v in zip(grads, variables) if g is not None and v.trainable]
        self._apply_weight_decay([v for _, v in pairs])
        for g, v in pairs:
            self.update_step(Tensor(g), v, self.learning_rate)

    def _apply_weight_decay(self, variables: Iterable[Variable]) -> None:
        for v in variables:
            decay = self.decay_of(v)
            if decay and self._decays(v):
                v.assign(v - v * ops.cast(ops.multiply(self._learning_rate, decay), v.dtype))

    def decay_of(self, variable: Variable) -> float | None:
        """The weight decay of a variable, for optimizers with `update_step`."""
        return self.weight_decay

    def _update_arenas(self, grads: list[Any], variables: list[Variable], scale: Any) -> None:
        order = tuple(map(id, variables))
        if order != self._order:
            self._extend(variables)
            self._order = order
        by_variable = dict(zip(order, grads))
        gathered = [arena.gather(by_variable, scale, self.skip) for arena in self._arenas]
        for arena, active in zip(self._arenas, gathered):
            learning_rate = to_device(self._learning_rate.array, arena.device)
            if self.weight_decay:
                self._decay(arena, active, learning_rate)
            self.update_arena(arena, active, learning_rate)
            for segment, wanted in zip(arena.segments, active):
                if wanted:
                    segment.variable.touched()
        self.after_arenas()

    def _decay(self, arena: Arena, active: tuple[bool, ...], learning_rate: Any) -> None:
        decaying = tuple(a and self._decays(s.variable) for a, s in zip(active, arena.segments))
        for run in arena.runs(decaying):
            update.weight_decay(run.parameters, learning_rate, rate=float(self.weight_decay or 0.0), skip=self.skip)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leave these variables, or those whose name contains one of `var_names`, out of weight decay."""
        variables, names = self._undecayed
        variables += var_list or ()
        names += var_names or ()

    def _decays(self, variable: Variable) -> bool:
        variables, names = self._undecayed
        return not (any(v is variable for v in variables) or any(name in variable.name for name in names))

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        return clip(grads, self.clipnorm, self.clipvalue, self.global_clipnorm)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`: what to differentiate before `apply`."""
        return ops.multiply(loss, self.loss_scale_factor) if self.loss_scale_factor else loss

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Let the moving averages, if there are any, take the place of these variables; `fit` ends with this."""
        if self._average is not None:
            self._average.overwrite(var_list)

    def update_arena(self, arena: Arena, active: tuple[bool, ...], learning_rate: Any) -> None:
        """Update the parameters of the active segments; for rules that look at whole variables."""
        for run in arena.runs(active):
            self.update_run(arena, run, learning_rate)

    def after_arenas(self) -> None:
        """What a rule does once per update, before `iterations` counts it."""

    def flat(self, arena: Arena, run: Run) -> list[Any]:
        """The parameters of a run, their gradients and their moments, as flat arrays."""
        part = slice(run.start, run.stop)
        moments = [arena.moments[slot][part] for group in self.slot_groups for slot in group]
        return [run.parameters, arena.gradients[part], *moments]

    def steps_on(self, arena: Arena) -> Any:
        """The count of updates so far, an array where the arena is."""
        return to_device(self.iterations.array, arena.device)

    def kept(self, new: Any, old: Any) -> Any:
        """`new`, or `old` where this step is to be skipped."""
        return new if self.skip is None else ops.where(ops.equal(Tensor(self.skip), 0), new, old)

    def update_run(self, arena: Arena, run: Run, learning_rate: Any) -> None:
        """Update the parameters of a run from its gradients and moments."""
        raise NotImplementedError("An optimizer implements update_run, or build and update_step.")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update one variable; for optimizers of your own."""
        raise NotImplementedError("An optimizer implements update_run, or build and update_step.")

    def save_own_variables(self, store: Any) -> None:
        """Write the state to a dict-like store, under numbers; with accumulation "0" counts the calls, as in Keras."""
        super().save_own_variables(store)
        if self._accumulation is not None:
            store["0"] = store["0"] * self._accumulation.steps + self._accumulation.done

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote.

        Raises:
            ValueError: if the number of variables differs.
        """
        super().load_own_variables(store)
        if self._accumulation is not None:
            calls, steps = int(np.asarray(store["0"])), self._accumulation.steps
            self.iterations.assign(calls // steps)
            self._accumulation.done = calls % steps

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "learning_rate": float(self._learning_rate) if self._schedule is None else serialize(self._schedule),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        } | {name: getattr(self, name) for name in self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        rate = {"learning_rate": deserialize(config["learning_rate"])} if "learning_rate" in config else {}
        return cls(**config | rate)


def _checked_gradient(g: Any, variable: Variable) -> Any:
    if g is None:
        return None
    array = raw(g)
    if tuple(array.shape) != variable.shape:
        raise ValueError(
            f"the gradient of {variable.path!r} must have its shape {variable.shape}. Received: {tuple(array.shape)}"
        )
    return array
