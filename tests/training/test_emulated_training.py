"""Training on the emulated GPU: the weights of NumPy, by kernels of our own alone."""

import numpy as np
import pytest

import gpunet
from gpunet import layers
from gpunet.testing import emulated_gpu
from gpunet.testing.emulation import why_not

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]


def lenet5_with_batch_norm():
    return gpunet.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5, use_bias=False),  # the gradient of a bias there would be rounding alone
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(84, activation="relu"),
            layers.Dense(10),
        ]
    )


def trained(after_first_step=lambda: None):
    """Losses and weights of five steps."""
    gpunet.set_random_seed(0)
    model = lenet5_with_batch_norm()
    loss = gpunet.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(gpunet.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=False)
    rng = np.random.default_rng(0)
    losses = []
    for step in range(5):
        x, y = rng.standard_normal((4, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 4)
        losses.append(model.train_on_batch(x, y)[0])
        if step == 0:
            after_first_step()
    return losses, model.get_weights()


def test_lenet5_with_batch_norm_trains_as_on_numpy_and_every_kernel_is_ours():
    with gpunet.device("cpu"):
        expected_losses, expected = trained()
    with emulated_gpu() as gpu:
        losses, weights = trained(after_first_step=gpu.forget)
        assert dict(gpu.not_emulated) == {}
        assert {"conv", "conv_weight", "gemm", "batch_norm_finish", "max_pool_grad", "dropout", "adam"} <= set(
            gpu.launches
        )
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for found, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=0, atol=1e-4)
