"""Activations in one pass and their gradients, against the portable formulas in float64."""
# kernels: activation.cu map.cuh

import numpy as np
import pytest

from gpunet.backend.devices import as_array
from gpunet.backend.dtypes import as_dtype
from gpunet.backend.portable import portable
from gpunet.backend.primitives import elementwise as prim

TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 1.6e-2}
ALPHA = {"elu": {"alpha": 0.7}, "leaky_relu": {"alpha": 0.3}}
FORWARD, BACKWARD = {**prim.GATED, **prim.RECTIFIERS}, {**prim.GATED_GRAD, **prim.RECTIFIER_GRADS}
# No infinities: 0·∞ is in some forms of a formula and not in others.
SPECIAL = [np.nan, 0.0, -0.0, 1e-3, -1e-3, 3.0, -3.0, 30.0, -30.0, 200.0, -200.0]


def value_of(found):
    """The result alone: what is kept beside it is nobody's affair."""
    return found[0] if type(found) is tuple else found


def check(found, expected, dtype):
    assert (found.dtype, found.shape) == (as_dtype(dtype), expected.shape)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(found.get().astype("float64"), expected, rtol=tolerance, atol=tolerance)


def reference(primitive, *arrays, **attributes):
    with np.errstate(all="ignore"):
        return value_of(portable.bind(primitive, np)(*[a.astype("float64") for a in arrays], **attributes))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", FORWARD)
def test_forward_and_gradient(gpu, name, dtype):
    rng = np.random.default_rng(0)
    a = np.concatenate([SPECIAL, 3 * rng.standard_normal(50)]).astype(as_dtype(dtype))
    b = rng.standard_normal(a.size).astype(as_dtype(dtype))
    x, g = (as_array(v, target=gpu) for v in (a, b))
    alpha = ALPHA.get(name, {})
    forward, backward = FORWARD[name], BACKWARD[name]
    check(value_of(forward(x, **alpha)), reference(forward, a, **alpha), dtype)
    check(backward(g, x, **alpha), reference(backward, b, a, **alpha), dtype)
    assert gpu.launches == {f"map_{name}": 1, f"map_{name}_grad": 1}
    assert not gpu.not_emulated


@pytest.mark.parametrize("name", ["gelu", "elu"])
def test_views_and_out(gpu, name):
    a = np.random.default_rng(0).standard_normal((6, 5, 8)).astype("float32")
    whole, alpha = as_array(a, target=gpu), ALPHA.get(name, {})
    forward, backward = FORWARD[name], BACKWARD[name]
    x, g = whole[::2, :, 1:6].transpose(2, 0, 1), whole[3:, :, :5].transpose(2, 0, 1)
    assert value_of(forward(whole.transpose(2, 0, 1), **alpha)).strides == whole.transpose(2, 0, 1).strides
    out = as_array(np.zeros((3, 5, 5), "float32"), target=gpu).transpose(2, 0, 1)
    assert value_of(forward(x, **alpha, out=out)) is out
    check(out, reference(forward, x.get(), **alpha), "float32")
    assert backward(g, x, **alpha, out=out) is out
    check(out, reference(backward, g.get(), x.get(), **alpha), "float32")
    assert not gpu.not_emulated
