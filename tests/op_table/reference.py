"""References for what NumPy lacks, written plainly: loops over positions, formulas as in the papers."""

from __future__ import annotations

import itertools
import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(x, 0)


def relu(x):
    return np.maximum(x, 0)


def gelu(x, approximate=True):
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    return np.log(softmax(x, axis))


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def glu(x, axis=-1):
    first, second = np.split(x, 2, axis)
    return first * sigmoid(second)


def _pair(padding, d):
    return padding[d] if isinstance(padding, list | tuple) else padding


def _tuple(value, rank):
    return tuple(value) if isinstance(value, list | tuple) else (value,) * rank


def pad_widths(padding, spatial, window, strides, dilation):
    """(low, high) per axis by the written rules: TensorFlow's for "same", reach − 1 on both sides for "full"."""
    widths = []
    for d, (n, k, s, r) in enumerate(zip(spatial, window, strides, dilation)):
        reach = (k - 1) * r + 1
        if padding == "valid":
            widths.append((0, 0))
        elif padding == "full":
            widths.append((reach - 1, reach - 1))
        elif padding == "same":
            outputs = math.ceil(n / s)
            total = max(0, (outputs - 1) * s + reach - n)
            widths.append((total // 2, total - total // 2))
        else:
            p = _pair(padding, d)
            widths.append((p, p) if isinstance(p, int) else tuple(p))
    return widths


def _channels_last(x, data_format):
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def _restored(y, data_format):
    return np.moveaxis(y, -1, 1) if data_format == "channels_first" else y


def _output_sizes(spatial, window, strides, widths, dilation):
    return [
        max(0, (n + lo + hi - (k - 1) * r - 1) // s + 1)
        for n, k, s, (lo, hi), r in zip(spatial, window, strides, widths, dilation)
    ]


def _positions(out, window, strides, widths, dilation, spatial):
    """(place of the output, place in the window, place of the input) wherever the input has an element."""
    for o in itertools.product(*map(range, out)):
        for k in itertools.product(*map(range, window)):
            i = tuple(a * s + b * r - lo for a, b, s, r, (lo, _) in zip(o, k, strides, dilation, widths))
            if all(0 <= p < n for p, n in zip(i, spatial)):
                yield o, k, i


def conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1, bias=None, activation=None):
    """Every output as the sum of the products that its window meets, one group after the other."""
    x = _channels_last(x, data_format)
    spatial, window, rank = x.shape[1:-1], kernel.shape[:-2], x.ndim - 2
    strides, dilation = _tuple(strides, rank), _tuple(dilation_rate, rank)
    widths = pad_widths(padding, spatial, window, strides, dilation)
    out = _output_sizes(spatial, window, strides, widths, dilation)
    y = np.zeros((x.shape[0], *out, kernel.shape[-1]))
    per_group, groups = kernel.shape[-2], x.shape[-1] // kernel.shape[-2]
    outputs = kernel.shape[-1] // groups
    for o, k, i in _positions(out, window, strides, widths, dilation, spatial):
        for g in range(groups):
            inputs = x[(slice(None), *i, slice(g * per_group, (g + 1) * per_group))]
            taps = kernel[(*k, slice(None), slice(g * outputs, (g + 1) * outputs))]
            y[(slice(None), *o, slice(g * outputs, (g + 1) * outputs))] += inputs @ taps
    y = y if bias is None else y + bias
    return _restored(relu(y) if activation == "relu" else y, data_format)


def conv_transpose(x, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1):
    """Every input spread over the outputs by the kernel, then cropped to Keras's output size."""
    x = _channels_last(x, data_format)
    rank = x.ndim - 2
    strides, dilation = _tuple(strides, rank), _tuple(dilation_rate, rank)
    extra = _tuple(output_padding, rank)
    reach = [(k - 1) * r + 1 for k, r in zip(kernel.shape[:-2], dilation)]
    sizes, crops = zip(*[_transposed_axis(*axis, padding) for axis in zip(x.shape[1:-1], reach, strides, extra)])
    room = [max((n - 1) * s + k, c + m) for n, s, k, c, m in zip(x.shape[1:-1], strides, reach, crops, sizes)]
    whole = np.zeros((x.shape[0], *room, kernel.shape[-2]))
    for i in itertools.product(*map(range, x.shape[1:-1])):
        for k in itertools.product(*map(range, kernel.shape[:-2])):
            place = tuple(a * s + b * r for a, b, s, r in zip(i, k, strides, dilation))
            whole[(slice(None), *place)] += x[(slice(None), *i)] @ kernel[k].T
    y = whole[(slice(None), *(slice(c, c + m) for c, m in zip(crops, sizes)))]
    return _restored(y, data_format)


def _transposed_axis(n, reach, stride, extra, padding):
    """The output size, and how much of the low end is cropped: what the convolution that is transposed pads there.

    "same" without `output_padding`: the convolution from n·s to n pads reach − s in total, the smaller half low. With
    it, Keras pads the input, spread by the strides, by size − (n − 1)·s + reach − 2, the larger half low.
    """
    if padding == "valid":
        return ((n - 1) * stride + max(reach, stride) if extra is None else (n - 1) * stride + reach + extra), 0
    if extra is None:
        return n * stride, max(reach - stride, 0) // 2
    size = (n - 1) * stride + reach % 2 + extra
    return size, max(0, reach - 1 - math.ceil((size - (n - 1) * stride + reach - 2) / 2))


def pool(reduce, x, pool_size, strides=None, padding="valid", data_format=None):
    """`reduce` of each window's elements, padding left out."""
    x = _channels_last(x, data_format)
    spatial, rank = x.shape[1:-1], x.ndim - 2
    window = _tuple(pool_size, rank)
    strides = window if strides is None else _tuple(strides, rank)
    ones = (1,) * rank
    widths = pad_widths(padding, spatial, window, strides, ones)
    out = _output_sizes(spatial, window, strides, widths, ones)
    members: dict = {o: [] for o in itertools.product(*map(range, out))}
    for o, _, i in _positions(out, window, strides, widths, ones, spatial):
        members[o].append(x[(slice(None), *i)])
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for o, found in members.items():
        y[(slice(None), *o)] = reduce(found)
    return _restored(y, data_format)


def max_pool(x, *args, **kwargs):
    return pool(lambda found: np.max(found, axis=0) if found else -np.inf, x, *args, **kwargs)


def min_pool(x, *args, **kwargs):
    return pool(lambda found: np.min(found, axis=0) if found else np.inf, x, *args, **kwargs)


def average_pool(x, *args, **kwargs):
    return pool(lambda found: np.mean(found, axis=0) if found else 0.0, x, *args, **kwargs)


def batch_norm_training(x, gamma=None, beta=None, axis=-1, epsilon=1e-3):
    moved = np.moveaxis(x, axis, -1)
    flat = moved.reshape(-1, moved.shape[-1])
    mean, variance = flat.mean(axis=0), flat.var(axis=0)
    y = (moved - mean) / np.sqrt(variance + epsilon)
    y = y * (1 if gamma is None else gamma) + (0 if beta is None else beta)
    return np.moveaxis(y, -1, axis), mean, variance


def batch_norm_relu_training(x, gamma=None, beta=None, addend=None, axis=-1, epsilon=1e-3):
    y, mean, variance = batch_norm_training(x, gamma, beta, axis, epsilon)
    return np.maximum(y + (0 if addend is None else addend), 0), mean, variance


def conv_batch_norm_training(
    x,
    kernel,
    gamma=None,
    beta=None,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
    bias=None,
    addend=None,
    activation=None,
    epsilon=1e-3,
):
    z = conv(x, kernel, strides, padding, data_format, dilation_rate, bias)
    axis = 1 if data_format == "channels_first" else -1
    if activation is None:
        return batch_norm_training(z, gamma, beta, axis, epsilon)
    return batch_norm_relu_training(z, gamma, beta, addend, axis, epsilon)


def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    y = (np.moveaxis(x, axis, -1) - mean) / np.sqrt(variance + epsilon)
    y = y * (1 if scale is None else scale) + (0 if offset is None else offset)
    return np.moveaxis(y, -1, axis)


def batch_norm_relu(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3, addend=None):
    y = batch_normalization(x, mean, variance, axis, offset, scale, epsilon)
    return np.maximum(y + (0 if addend is None else addend), 0)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    output = np.moveaxis(output, axis, -1)
    target = target[..., 0] if target.ndim == output.ndim else target
    p = _class_probabilities(output, from_logits)
    loss = np.zeros(target.shape)
    for place in np.ndindex(*target.shape):
        loss[place] = -np.log(p[place][int(target[place])])
    return loss


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    p = _class_probabilities(np.moveaxis(output, axis, -1), from_logits)
    return -np.sum(np.moveaxis(target, axis, -1) * np.log(p), axis=-1)


def _class_probabilities(output, from_logits):
    if from_logits:
        return softmax(output)
    return np.clip(output / output.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)


def binary_crossentropy(target, output, from_logits=False):
    p = sigmoid(output) if from_logits else np.clip(output, 1e-7, 1 - 1e-7)
    return -(target * np.log(p)) - (1 - target) * np.log(1 - p)


def dropout(x, rate, noise_shape=None, seed=0):
    """Element i is kept where the i-th 16 bits of NumPy's Philox with key (seed, 0) are ≥ rate·2¹⁶."""
    shape = x.shape if noise_shape is None else [n if m is None else m for n, m in zip(x.shape, noise_shape)]
    count = math.prod(shape)
    words = np.random.Philox(key=np.array([seed, 0], np.uint64)).random_raw(count // 4 + 1)
    kept = words.view("<u2")[:count].reshape(shape) >= round(rate * 65536)
    return x * kept / (1 - rate)


def normalize(x, axis=-1, order=2, epsilon=1e-12):
    norm = np.sum(np.abs(x) ** order, axis=axis, keepdims=True) ** (1 / order)
    return x / np.maximum(norm, epsilon)


def lstm(x, kernel, h, c, mask=None):
    """Step by step; a masked step leaves the states as they are."""
    units, outputs = h.shape[1], []
    for t in range(len(x)):
        z = x[t] + h @ kernel
        i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
        new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        new_h = sigmoid(o) * np.tanh(new_c)
        part = np.ones((len(h), 1), bool) if mask is None else mask[t][:, None]
        h, c = np.where(part, new_h, h), np.where(part, new_c, c)
        outputs.append(h)
    return np.stack(outputs), h, c


def gru(x, kernel, bias, h, mask=None):
    """Step by step, the reset after the product."""
    units, outputs = h.shape[1], []
    for t in range(len(x)):
        inner = h @ kernel + (0 if bias is None else bias)
        both = sigmoid(x[t, :, : 2 * units] + inner[:, : 2 * units])
        z, r = both[:, :units], both[:, units:]
        new = z * h + (1 - z) * np.tanh(x[t, :, 2 * units :] + r * inner[:, 2 * units :])
        h = new if mask is None else np.where(mask[t][:, None], new, h)
        outputs.append(h)
    return np.stack(outputs), h
