"""LSTM and GRU: a loop over the steps, of products and of elementwise functions on arrays that are made once.

Products are the primitive's, so that a provider that has it serves these too, unless the caller has better ones:
`products(kernel, rows)` makes the function `product(a, out=)` that multiplies (rows, …) matrices by one kernel.
"""

from __future__ import annotations

from gpunet.backend.portable import portable
from gpunet.backend.primitives import recurrent as prim
from gpunet.backend.primitives.matmul import matmul


def by_primitive(kernel, rows):
    """Products with the kernel by the primitive."""
    return lambda a, out: matmul(a, kernel, out=out)


def sigmoid_of_tanh(xp, like, gates, linear):
    """(scale, shift) with scale·tanh(scale·z) + shift = sigmoid(z) for all gates but `linear`, and tanh(z) for that."""
    width = like.shape[-1] // gates
    scale, shift = (xp.full((like.shape[-1],), 0.5, like.dtype) for _ in range(2))
    scale[linear * width : (linear + 1) * width] = 1
    shift[linear * width : (linear + 1) * width] = 0
    return scale, shift


def _activate(xp, z, scale, shift):
    """scale·tanh(scale·z) + shift, in place."""
    xp.multiply(z, scale, out=z)
    xp.tanh(z, out=z)
    xp.multiply(z, scale, out=z)
    xp.add(z, shift, out=z)


def _parts(z, count):
    width = z.shape[-1] // count
    return [z[:, i * width : (i + 1) * width] for i in range(count)]


def _keep(xp, mask, t, new, old):
    """Put `old` back where the samples take no part in step t."""
    if mask is not None:
        new[...] = xp.where(mask[t][:, None] != 0, new, old)


@portable.implements(prim.lstm)
def lstm(xp, x, kernel, h, c, mask, *, out=None, residuals=False):
    return run_lstm(xp, by_primitive, x, kernel, h, c, mask, out, residuals)


def run_lstm(xp, products, x, kernel, h, c, mask, out, residuals):
    """The primitive with these products."""
    steps, (batch, units) = len(x), h.shape
    kept = steps if residuals else 1
    h_all = xp.empty((steps, batch, units), x.dtype) if out is None else out
    gates = xp.empty((kept, batch, 4 * units), x.dtype)
    cs = xp.empty((steps if residuals else 2, batch, units), x.dtype)
    tanhs = xp.empty((kept, batch, units), x.dtype)
    _lstm_steps(xp, products(kernel, batch), x, h, c, mask, h_all, gates, cs, tanhs)
    last = h_all[-1].copy(), cs[(steps - 1) % len(cs)].copy()
    return (h_all, *last), (gates, cs, tanhs) if residuals else ()


def _lstm_steps(xp, product, x, h, c, mask, h_all, gates, cs, tanhs):
    """Compute all steps into the last four arrays, of which those shorter than the sequence are used in turn."""
    scale, shift = sigmoid_of_tanh(xp, gates, 4, 2)
    part = xp.empty(h.shape, h.dtype)
    for t in range(len(x)):
        z, new_c, tanh_c = gates[t % len(gates)], cs[t % len(cs)], tanhs[t % len(tanhs)]
        product(h, out=z)
        xp.add(z, x[t], out=z)
        _activate(xp, z, scale, shift)
        i, f, g, o = _parts(z, 4)
        xp.multiply(i, g, out=part)
        xp.multiply(f, c, out=new_c)
        xp.add(new_c, part, out=new_c)
        xp.tanh(new_c, out=tanh_c)
        xp.multiply(o, tanh_c, out=h_all[t])
        _keep(xp, mask, t, h_all[t], h)
        _keep(xp, mask, t, new_c, c)
        h, c = h_all[t], new_c


@portable.implements(prim.lstm_grad)
def lstm_grad(xp, kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, *, out=None):
    return run_lstm_grad(xp, by_primitive, kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, out)


def run_lstm_grad(xp, products, kernel, h, c, mask, gates, cs, tanhs, g, g_h, g_c, out):
    """The primitive with these products."""
    dx = xp.empty(gates.shape, gates.dtype) if out is None else out
    dh = xp.zeros(h.shape, h.dtype) if g_h is None else g_h.copy()
    dc = xp.zeros(c.shape, c.dtype) if g_c is None else g_c.copy()
    _lstm_steps_back(xp, products(kernel.T.copy(), len(h)), c, mask, gates, cs, tanhs, g, dx, dh, dc)
    return dx, dh, dc


def _lstm_steps_back(xp, product, c, mask, gates, cs, tanhs, g, dx, dh, dc):
    """Carry dh and dc back to the first step, in place, and write what every step's gates get into dx."""
    slope = xp.empty(gates.shape[1:], gates.dtype)
    inner, new_dc = (xp.empty(dh.shape, dh.dtype) for _ in range(2))
    for t in reversed(range(len(gates))):
        if g is not None:
            xp.add(dh, g[t], out=dh)
        tanh_c, before, d = tanhs[t], cs[t - 1] if t else c, dx[t]
        i, f, candidate, o = _parts(gates[t], 4)
        d_i, d_f, d_g, d_o = _parts(d, 4)
        xp.multiply(dh, tanh_c, out=d_o)
        xp.multiply(tanh_c, tanh_c, out=inner)  # new_dc = dc + dh·o·(1 − tanh²)
        xp.subtract(1, inner, out=inner)
        xp.multiply(inner, o, out=inner)
        xp.multiply(inner, dh, out=inner)
        xp.add(dc, inner, out=new_dc)
        xp.multiply(new_dc, candidate, out=d_i)
        xp.multiply(new_dc, before, out=d_f)
        xp.multiply(new_dc, i, out=d_g)
        _multiply_slopes(xp, d, gates[t], slope, 4, 2)
        xp.multiply(new_dc, f, out=new_dc)
        if mask is None:
            product(d, out=dh)
            dc[...] = new_dc
        else:
            _through_mask(xp, mask[t], d, product, dh)
            dc[...] = xp.where(mask[t][:, None] != 0, new_dc, dc)


def _multiply_slopes(xp, d, gates, slope, count, linear):
    """d times the slopes of sigmoids, a·(1 − a), and of the tanh, 1 − a²."""
    width = gates.shape[-1] // count
    xp.multiply(gates, gates, out=slope)
    for start, stop in ((0, linear * width), ((linear + 1) * width, gates.shape[-1])):
        if stop > start:
            xp.subtract(gates[:, start:stop], slope[:, start:stop], out=slope[:, start:stop])
    tanh = slope[:, linear * width : (linear + 1) * width]
    xp.subtract(1, tanh, out=tanh)
    xp.multiply(d, slope, out=d)


def _through_mask(xp, mask, d, product, dh):
    """dh of the step before: by the product for samples that took part, as it is for the others, which have d = 0."""
    takes_part = mask[:, None] != 0
    d[...] = xp.where(takes_part, d, 0)
    dh[...] = xp.where(takes_part, product(d, out=xp.empty(dh.shape, dh.dtype)), dh)


@portable.implements(prim.gru)
def gru(xp, x, kernel, bias, h, mask, *, out=None, residuals=False):
    return run_gru(xp, by_primitive, x, kernel, bias, h, mask, out, residuals)


def run_gru(xp, products, x, kernel, bias, h, mask, out, residuals):
    """The primitive with these products."""
    steps, (batch, units) = len(x), h.shape
    kept = steps if residuals else 1
    h_all = xp.empty((steps, batch, units), x.dtype) if out is None else out
    gates = xp.empty((kept, batch, 3 * units), x.dtype)
    inner = xp.empty((kept, batch, units), x.dtype)
    _gru_steps(xp, products(kernel, batch), x, bias, h, mask, h_all, gates, inner)
    return (h_all, h_all[-1].copy()), (gates, inner) if residuals else ()


def _gru_steps(xp, product, x, bias, h, mask, h_all, gates, inner):
    """Compute all steps into the last three arrays, of which those shorter than the sequence are used in turn."""
    units = h.shape[1]
    shares = xp.empty(gates.shape[1:], gates.dtype)
    for t in range(len(x)):
        a, share = gates[t % len(gates)], inner[t % len(inner)]
        product(h, out=shares)
        if bias is not None:
            xp.add(shares, bias, out=shares)
        share[...] = shares[:, 2 * units :]
        both, candidate = a[:, : 2 * units], a[:, 2 * units :]
        xp.add(shares[:, : 2 * units], x[t][:, : 2 * units], out=both)
        _activate(xp, both, 0.5, 0.5)
        z, r = both[:, :units], both[:, units:]
        xp.multiply(r, share, out=candidate)
        xp.add(candidate, x[t][:, 2 * units :], out=candidate)
        xp.tanh(candidate, out=candidate)
        xp.subtract(h, candidate, out=h_all[t])  # candidate + z·(h − candidate)
        xp.multiply(h_all[t], z, out=h_all[t])
        xp.add(h_all[t], candidate, out=h_all[t])
        _keep(xp, mask, t, h_all[t], h)
        h = h_all[t]


@portable.implements(prim.gru_grad)
def gru_grad(xp, kernel, h, mask, outputs, gates, inner, g, g_h, *, out=None):
    return run_gru_grad(xp, by_primitive, kernel, h, mask, outputs, gates, inner, g, g_h, out)


def run_gru_grad(xp, products, kernel, h, mask, outputs, gates, inner, g, g_h, out):
    """The primitive with these products."""
    dx = xp.empty(gates.shape, gates.dtype) if out is None else out
    d_product = xp.empty(gates.shape, gates.dtype)
    dh = xp.zeros(h.shape, h.dtype) if g_h is None else g_h.copy()
    _gru_steps_back(xp, products(kernel.T.copy(), len(h)), h, mask, outputs, gates, inner, g, dx, d_product, dh)
    return dx, d_product, dh


def _gru_steps_back(xp, product, h, mask, outputs, gates, inner, g, dx, d_product, dh):
    """Carry dh back to the first step, in place; write what x and the product with the kernel get at every step."""
    units = h.shape[1]
    slope = xp.empty(gates.shape[1:], gates.dtype)
    part = xp.empty(dh.shape, dh.dtype)
    for t in reversed(range(len(gates))):
        if g is not None:
            xp.add(dh, g[t], out=dh)
        before, d, p = outputs[t - 1] if t else h, dx[t], d_product[t]
        z, r, candidate = _parts(gates[t], 3)
        d_z, d_r, d_candidate = _parts(d, 3)
        xp.subtract(before, candidate, out=d_z)
        xp.multiply(d_z, dh, out=d_z)
        xp.multiply(dh, z, out=part)
        xp.subtract(dh, part, out=d_candidate)
        xp.multiply(candidate, candidate, out=d_r)  # d_r = d(candidate's argument)·inner
        xp.subtract(1, d_r, out=d_r)
        xp.multiply(d_r, d_candidate, out=d_r)
        xp.multiply(d_r, inner[t], out=d_r)
        _multiply_slopes(xp, d, gates[t], slope, 3, 2)
        if mask is not None:
            takes_part = mask[t][:, None] != 0
            d[...] = xp.where(takes_part, d, 0)
            part[...] = xp.where(takes_part, part, dh)
        p[:, : 2 * units] = d[:, : 2 * units]
        xp.multiply(d_candidate, r, out=p[:, 2 * units :])
        product(p, out=dh)
        xp.add(dh, part, out=dh)
