"""In-place primitives on variables and optimizer arenas. They return nothing and have no gradient.

Optimizer updates take flat arrays of equal length: parameters, gradients and moments. `learning_rate` (float) and
`iterations` (integer, the steps completed so far, t − 1 in the formulas) are arrays of shape (), so that they can live
on the device. The formulas are Keras 3's. With `skip`, an int32 array of shape (), an update whose skip is not 0 does
nothing: with a loss scale, the steps whose gradients overflow.
"""

from __future__ import annotations

from gpunet.backend.primitive import Primitive


def _nothing(*_, **__):
    return None


# `value` is an array that broadcasts to the target, of its dtype, or a number.
assign = Primitive("assign", _nothing)  # (target, value)
assign_add = Primitive("assign_add", _nothing)  # (target, value)
assign_sub = Primitive("assign_sub", _nothing)  # (target, value)

# (flat, targets, values; scale, nonfinite): each of the arrays `targets`, parts of `flat`, becomes its value / scale;
# nonfinite, an int32 array of shape (), becomes 1 where there is an inf or NaN among them, and else stays
gather = Primitive("gather", _nothing)
gather.gathers = True
# (iterations; skip): iterations += 1
count_step = Primitive("count_step", _nothing)
# (scale, good_steps, nonfinite; growth_steps): after a step that was nonfinite, scale /= 2; after growth_steps others
# in a row, scale *= 2; nonfinite becomes 0
adjust_loss_scale = Primitive("adjust_loss_scale", _nothing)

# (p, g, learning_rate): p −= lr·g
sgd = Primitive("sgd", _nothing)
# (p, g, m, learning_rate; momentum, nesterov): m = momentum·m − lr·g; p += m, or momentum·m − lr·g
momentum = Primitive("momentum", _nothing)
# (p, g, v, learning_rate; rho, epsilon): v = rho·v + (1 − rho)·g²; p −= lr·g / √(v + epsilon)
rmsprop = Primitive("rmsprop", _nothing)
# (p, g, v, a or None, m or None, learning_rate; rho, momentum, epsilon): RMSprop with the mean gradient a subtracted
# from v (centered), and its increment accumulated in m = momentum·m + increment
rmsprop_general = Primitive("rmsprop_general", _nothing)
# (p, g, m, v, learning_rate, iterations; beta_1, beta_2, epsilon): p −= α·m / (√v + epsilon), with
# α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ)
adam = Primitive("adam", _nothing)
# (p, g, m, v, w, learning_rate, iterations; …): Adam with w = max(w, v) in place of v (AMSGrad)
amsgrad = Primitive("amsgrad", _nothing)
# (p, learning_rate; rate): p −= rate·lr·p
weight_decay = Primitive("weight_decay", _nothing)
