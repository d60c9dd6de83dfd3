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
# (p, g, a, learning_rate; epsilon): a += g²; p −= lr·g / √(a + epsilon)
adagrad = Primitive("adagrad", _nothing)
# (p, g, a, d, learning_rate; rho, epsilon): a = rho·a + (1 − rho)·g²; s = g·√(d + epsilon) / √(a + epsilon);
# d = rho·d + (1 − rho)·s²; p −= lr·s
adadelta = Primitive("adadelta", _nothing)
# (p, g, m, u, learning_rate, iterations; beta_1, beta_2, epsilon): u = max(β₂·u, |g|);
# p −= lr·m / ((1 − β₁ᵗ)·(u + epsilon))
adamax = Primitive("adamax", _nothing)
# (p, g, m, v, learning_rate, iterations, product; beta_1, beta_2, epsilon): Adam with the momentum of the next step,
# μₜ = β₁·(1 − 0.96ᵗ/2): p −= lr·(μₜ₊₁·m / (1 − Πμ·μₜ₊₁) + (1 − μₜ)·g / (1 − Πμ)) / (√(v / (1 − β₂ᵗ)) + epsilon).
# `product`, of the dtype of p and shape (), is μ₁·…·μₜ₋₁
nadam = Primitive("nadam", _nothing)
# (product, iterations; beta_1): product *= μₜ, after the updates of a step
nadam_product = Primitive("nadam_product", _nothing)
# (p, g, m, learning_rate; beta_1, beta_2): p −= lr·sign(β₁·m + (1 − β₁)·g); m = β₂·m + (1 − β₂)·g
lion = Primitive("lion", _nothing)
# (p, g, a, z, learning_rate; power, l1, l2, shrinkage, beta): b = a + g²; q = b^−power / lr;
# z += g + 2·shrinkage·p − (q − a^−power / lr)·p; a = b; p = (clip(z, ±l1) − z) / (q + 2·l2 + beta / lr)
ftrl = Primitive("ftrl", _nothing)
# (g, m, v, iterations; beta_1, beta_2, epsilon): the direction of Adam's step takes the place of its gradient:
# g = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + epsilon)
lamb_direction = Primitive("lamb_direction", _nothing)
# (p, learning_rate; rate): p −= rate·lr·p
weight_decay = Primitive("weight_decay", _nothing)
