"""`custom_op`: a function on plain arrays becomes an op with a gradient."""

from contextlib import nullcontext

import numpy as np
import pytest

import gpunet
from gpunet import layers, ops
from gpunet.autograd.tape import state
from gpunet.models.stepping import is_library_code
from gpunet.testing import check_gradients, emulated_gpu
from gpunet.testing.emulated import DeviceArray

RNG = np.random.default_rng(0)


def scaled_product(x, y, factor=1.0):
    """factor · x · y on plain arrays."""
    return x * y * factor


def scaled_product_backward(g, x, y, factor=1.0):
    return g * y * factor, g * x * factor


product = gpunet.custom_op(scaled_product, backward=scaled_product_backward)
root = gpunet.custom_op(lambda x: np.sqrt(x), backward=lambda g, x, *, out: g * 0.5 / out, name="root")


def test_arrays_tensors_and_variables():
    x, y = RNG.random((2, 3)), RNG.random((2, 3))
    plain = product(x, y, factor=2.0)
    assert type(plain) is np.ndarray
    np.testing.assert_array_equal(plain, x * y * 2)
    for a, b in ((gpunet.Tensor(x), y), (x, gpunet.Variable(y))):
        result = product(a, b, factor=2.0)
        assert type(result) is gpunet.Tensor
        np.testing.assert_array_equal(result.numpy(), x * y * 2)
    assert product.__name__ == "scaled_product"
    assert product.__doc__ == scaled_product.__doc__


def test_large_arrays_and_scalars():
    x = RNG.random((300, 1000))  # beyond the size from which results come from a pool
    np.testing.assert_array_equal(product(x, x), x * x)
    assert float(product(np.float64(3.0), np.float64(2.0))) == 6.0
    np.testing.assert_array_equal(product(x, 2.0), x * 2)


def test_gradients_of_any_order():
    x, y = RNG.random((2, 3)) + 0.5, RNG.random((2, 3)) + 0.5
    check_gradients(lambda x, y: product(x, y, factor=3.0), [x, y])
    check_gradients(root, [x])
    assert float(gpunet.grad(gpunet.grad(gpunet.grad(root)))(4.0)) == pytest.approx(3 / 8 * 4**-2.5)
    with gpunet.GradientTape() as tape:
        v = gpunet.Variable(x)
        loss = ops.sum(product(v, v))
    np.testing.assert_allclose(tape.gradient(loss, v).numpy(), 2 * x)


def test_first_derivatives_are_computed_on_plain_arrays():
    seen = []

    def backward(g, x):
        seen.extend([type(g), type(x), state.base])
        return g * 2

    double = gpunet.custom_op(lambda x: x * 2, backward=backward)
    with gpunet.GradientTape() as tape:
        v = gpunet.Variable(np.ones(3))
        loss = ops.sum(double(v))
    assert tape.gradient(loss, v).numpy().tolist() == [2, 2, 2]
    assert seen == [np.ndarray, np.ndarray, None]


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_functions_get_arrays_in_c_order(where):
    """Kernels know no strides, and cotangents are often broadcast or transposed."""
    seen = []

    def in_order(*arrays, out=None):
        seen.extend(a.flags.c_contiguous for a in (*arrays, *([] if out is None else [out])))
        return arrays[0] + 1

    op = gpunet.custom_op(lambda x: in_order(x).T, backward=lambda g, x, out: in_order(g, x, out=out).T)
    with emulated_gpu() if where == "gpu" else nullcontext(), gpunet.GradientTape() as tape:
        v = gpunet.Variable(np.ones((2, 3)))
        loss = ops.sum(op(ops.transpose(v)))
        tape.gradient(loss, v)
    assert seen == [True] * 4


def test_a_raw_backward_has_no_second_derivative():
    """NumPy's functions work on tensors; one that looks at the memory does not, and must say so."""
    cube = gpunet.custom_op(lambda x: x**3, backward=lambda g, x: np.asarray(g) * 3 * np.asarray(x) ** 2, name="cube")
    assert float(gpunet.grad(cube)(2.0)) == 12
    with pytest.raises(TypeError, match=r"'cube' cannot be differentiated twice.*custom_op with a backward of its own"):
        gpunet.grad(gpunet.grad(cube))(2.0)

    def kernel_like(g, x):
        if type(g) is not np.ndarray:
            raise TypeError("Unsupported type")
        return g * 3 * x**2

    cube = gpunet.custom_op(lambda x: x**3, backward=kernel_like, name="cube")
    with pytest.raises(TypeError, match=r"'cube' cannot be differentiated twice.*Unsupported type"):
        gpunet.grad(gpunet.grad(cube))(2.0)
    raw = gpunet.custom_op(kernel_like, backward=lambda h, g, x: (h * 3 * x**2, h * g * 6 * x))
    cube = gpunet.custom_op(lambda x: x**3, backward=raw, name="cube")
    assert float(gpunet.grad(gpunet.grad(cube))(2.0)) == 12


def test_without_a_backward_it_is_a_constant():
    steps = gpunet.custom_op(np.floor)
    with gpunet.GradientTape() as tape:
        v = gpunet.Variable([1.5, 2.5])
        loss = ops.sum(steps(v) * v)
    assert tape.gradient(loss, v).numpy().tolist() == [1, 2]


def test_symbolic_tensors_and_models():
    gpunet.set_random_seed(0)
    first_half = gpunet.custom_op(
        lambda x: np.ascontiguousarray(x[:, : x.shape[1] // 2]),
        backward=lambda g, x: ops.pad(g, ((0, 0), (0, x.shape[1] // 2))),
        shape=lambda shape: (shape[0], shape[1] // 2),
        name="first_half",
    )
    inputs = layers.Input((6,))
    symbolic = first_half(layers.Dense(8)(inputs))
    assert symbolic.shape == (None, 4)
    model = gpunet.Model(inputs, layers.Dense(1)(symbolic))
    model.compile(gpunet.optimizers.SGD(0.1), "mse")
    x = RNG.standard_normal((16, 6)).astype(np.float32)
    history = model.fit(x, x[:, :1], epochs=50, verbose=0).history["loss"]
    assert history[-1] < history[0] / 20
    assert model.predict(x, verbose=0).shape == (16, 1)
    as_integer = gpunet.custom_op(lambda x: x.astype("int32"), dtype="int32")
    assert as_integer(inputs).dtype == np.int32
    assert as_integer(np.array([1.5])).dtype == np.int32


def test_on_an_emulated_gpu():
    with emulated_gpu() as gpu:
        x = gpunet.Variable(np.array([1.0, 4.0]))
        with gpunet.GradientTape() as tape:
            loss = ops.sum(product(x, x))
        gradient = tape.gradient(loss, x)
        assert gradient.device == gpu
        assert gradient.numpy().tolist() == [2, 8]
        leaves = gpunet.custom_op(lambda x: x.get(), name="leaves")
        with pytest.raises(
            TypeError, match=rf"'leaves' must return an array .*{DeviceArray.__name__}.*Received: .*numpy"
        ):
            leaves(x)


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda g, x, y: g, r"one gradient for each of 2 inputs. Received: 1"),
        (lambda g, x, y: (g, g[:1]), r"a gradient of shape \(3,\). Received: \(1,\)"),
        (lambda g, x, y: (g, 1.0), r"a gradient of shape \(3,\). Received: float"),
    ],
)
def test_wrong_gradients_are_refused(backward, message):
    bad = gpunet.custom_op(scaled_product, backward=backward, name="bad")
    with gpunet.GradientTape() as tape:
        v = gpunet.Variable(np.ones(3))
        loss = ops.sum(bad(v, v))
    with pytest.raises(ValueError, match=rf"the backward of 'bad' must return {message}"):
        tape.gradient(loss, v)


def test_wrong_functions_are_refused():
    with pytest.raises(TypeError, match=r"expected a function as forward. Received: forward=3"):
        gpunet.custom_op(3)
    with pytest.raises(TypeError, match=r"expected a function as backward. Received: backward='x'"):
        gpunet.custom_op(np.sqrt, backward="x")
    with pytest.raises(TypeError, match=r"'shapeless' must return an array .*numpy.ndarray. Received: <class 'list'>"):
        gpunet.custom_op(lambda x: x.tolist(), name="shapeless")(np.ones(3))


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_recorded_steps_call_it(where):
    with emulated_gpu() if where == "gpu" else nullcontext():
        variable = gpunet.Variable(np.array([1.0, 2.0, 3.0]))
        first = gpunet.custom_op(lambda x, y: x * 0.5, backward=lambda g, x, y: (g * 0.5, None))

        def step(x):
            with gpunet.GradientTape() as tape:
                loss = ops.sum(product(variable, root(x), factor=2.0) * first(variable, x))
            variable.assign_sub(tape.gradient(loss, variable) * 0.125)
            return loss

        recorded = gpunet.function(step)
        batches = [ops.to_device(gpunet.Tensor(RNG.random(3)), variable.device) for _ in range(7)]
        found = [float(recorded(x)) for x in batches]
        assert recorded.obstacles() == {}
        after = variable.numpy()
        variable.assign(np.array([1.0, 2.0, 3.0]))
        assert found == [float(step(x)) for x in batches]
        np.testing.assert_array_equal(after, variable.numpy())


def test_models_with_it_are_not_recorded_unasked():
    inputs = layers.Input((3,))
    model = gpunet.Model(inputs, layers.Dense(1)(root(inputs)))
    model.compile("sgd", "mse")
    assert not is_library_code(model, "train_step")
