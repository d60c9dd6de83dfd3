"""`LossScaleOptimizer`: the steps and scales of Keras 3, and training in float16."""

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops, optimizers

INF, NAN = float("inf"), float("nan")
# Keras 3.15's steps on the gradients on the left: the variable, the scale, good steps, iterations.
KERAS = [
    ([1, 2, 3], [0.9000009894, 1.9000008106, 2.9000008106], 16, 1, 1),
    ([INF, 0, 1], [0.9000009894, 1.9000008106, 2.9000008106], 8, 0, 1),
    ([1, 1, 1], [0.8000022173, 1.8067839146, 2.8128952980], 8, 1, 2),
    ([0.5, 1, 2], [0.7058214545, 1.7149157524, 2.7218346596], 16, 0, 3),
    ([NAN, 1, 1], [0.7058214545, 1.7149157524, 2.7218346596], 8, 0, 3),
    ([1, 1, 1], [0.6093937159, 1.6232701540, 2.6347577572], 8, 1, 4),
]


def apply_scaled(optimizer, gradient, variable):
    """What a tape gives for the scaled loss."""
    optimizer.apply([optimizer.scale_loss(np.array(gradient, np.float32))], [variable])


def test_steps_are_those_of_keras():
    gpunet.utils.clear_session()  # names begin anew
    variable = gpunet.Variable(np.array([1, 2, 3], np.float32))
    optimizer = optimizers.LossScaleOptimizer(
        optimizers.Adam(0.1, name="adam"), initial_scale=16.0, dynamic_growth_steps=2
    )
    for gradient, value, scale, good, iterations in KERAS:
        apply_scaled(optimizer, gradient, variable)
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-5)
        assert float(optimizer.dynamic_scale) == scale
        assert int(optimizer.step_counter) == good
        assert int(optimizer.iterations) == int(optimizer.inner_optimizer.iterations) == iterations
    assert [v.path for v in optimizer.variables[2:6]] == [
        "loss_scale_optimizer/step_counter",
        "loss_scale_optimizer/dynamic_scale",
        "adam/iteration",
        "adam/learning_rate",
    ]


class Plain(optimizers.Optimizer):
    """An optimizer as a user writes one."""

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_sub(gradient * learning_rate)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.1),
        lambda: optimizers.SGD(0.1, momentum=0.5, weight_decay=0.1),
        lambda: optimizers.RMSprop(0.1, centered=True),
        lambda: optimizers.RMSprop(0.1),
        lambda: optimizers.SGD(0.1, global_clipnorm=1.0),
        lambda: optimizers.SGD(0.1, clipvalue=0.5),
        lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
        lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
        lambda: Plain(0.1),
    ],
)
def test_scaled_steps_equal_plain_ones_and_bad_ones_change_nothing(make):
    scaled, plain = (gpunet.Variable(np.array([1, 2, 3], np.float32)) for _ in range(2))
    reference, optimizer = make(), optimizers.LossScaleOptimizer(make(), initial_scale=1024.0)
    for gradient in ([1, -2, 3], [0.5, NAN, 1], [INF, 0, 0], [0.25, 3, -1]):
        apply_scaled(optimizer, gradient, scaled)
        if np.isfinite(gradient).all():
            reference.apply([np.array(gradient, np.float32)], [plain])
        np.testing.assert_allclose(scaled.numpy(), plain.numpy(), rtol=1e-6)
    assert float(optimizer.dynamic_scale) == 256
    assert int(optimizer.iterations) == int(reference.iterations) > 0


def test_learning_rate_and_configuration_are_the_inner_ones():
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.1, momentum=0.5), 8.0, 7, name="scaled")
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.learning_rate) == 0.25
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert type(again.inner_optimizer) is optimizers.SGD
    assert (again.inner_optimizer.momentum, again.initial_scale, again.dynamic_growth_steps) == (0.5, 8.0, 7)
    optimizer.apply([])
    assert not optimizer.built


def model(policy):
    gpunet.set_random_seed(0)
    return gpunet.Sequential(
        [layers.Input((4,)), layers.Dense(8, activation="relu", dtype=policy), layers.Dense(1, dtype=policy)]
    )


def test_mixed_float16_models_scale_their_loss():
    """Errors so small that their gradients are 0 in float16 without a scale."""
    x = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)

    def first_weights(scale):
        found = model("mixed_float16")
        found.dtype_policy = gpunet.DTypePolicy("mixed_float16")
        found.compile(
            optimizers.SGD(1e6), lambda y, p: ops.square(ops.cast(p, "float32") - y) * 1e-7, auto_scale_loss=scale
        )
        before = found.weights[0].numpy()
        found.train_on_batch(x, np.zeros((32, 1), np.float32))
        return found.optimizer, np.abs(found.weights[0].numpy() - before).max()

    optimizer, moved = first_weights(True)
    assert type(optimizer) is optimizers.LossScaleOptimizer
    assert float(optimizer.dynamic_scale) == 2.0**15
    plain, stuck = first_weights(False)
    assert type(plain) is optimizers.SGD
    assert stuck < 0.5 * moved
    other = model(None)
    other.compile("sgd", "mse")
    assert type(other.optimizer) is optimizers.SGD


def test_it_is_found_beside_the_policies():
    from gpunet import mixed_precision

    assert mixed_precision.LossScaleOptimizer is optimizers.LossScaleOptimizer
