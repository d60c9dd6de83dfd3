"""What a user of plain arrays wants: convolution and friends in a script that knows no tensors."""

import numpy as np

from gpunet import ops

rng = np.random.default_rng(0)
image = rng.random((1, 16, 16, 1))
sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=float).reshape(3, 3, 1, 1)
edges = ops.conv(image, sobel, padding="valid")
assert type(edges) is np.ndarray
assert edges.dtype == np.float64
naive = sum(sobel[i, j, 0, 0] * image[0, i : i + 14, j : j + 14, 0] for i in range(3) for j in range(3))
np.testing.assert_allclose(edges[0, :, :, 0], naive, rtol=1e-12, atol=1e-12)

adjoint = ops.conv_transpose(edges, sobel, padding="valid")
assert adjoint.shape == image.shape
np.testing.assert_allclose((edges * edges).sum(), (image * adjoint).sum(), rtol=1e-10)

pooled = ops.max_pool(image, 2)
np.testing.assert_array_equal(pooled[0, :, :, 0], image[0, :, :, 0].reshape(8, 2, 8, 2).max((1, 3)))
p = ops.softmax(rng.normal(size=(5, 4)))
assert type(p) is np.ndarray
np.testing.assert_allclose(p.sum(-1), 1)
y = ops.one_hot(np.array([0, 2, 1]), 3)
assert type(y) is np.ndarray
assert y.argmax(1).tolist() == [0, 2, 1]

x = np.linspace(-3, 3, 7, dtype="float32")
assert type(ops.relu(x)) is np.ndarray
assert ops.relu(x).dtype == np.float32
np.testing.assert_array_equal(ops.relu(x), np.maximum(x, 0))
assert ops.matmul(np.eye(3), np.ones((3, 2))).shape == (3, 2)
assert float(ops.sum(x)) == 0.0
a, b = ops.split(np.arange(6.0), 2)
np.testing.assert_array_equal(ops.concatenate([b, a]), [3, 4, 5, 0, 1, 2])
normal = ops.einsum("ni,nj->ij", x[:, None], x[:, None])
np.testing.assert_allclose(normal, (x**2).sum(), rtol=1e-6)
