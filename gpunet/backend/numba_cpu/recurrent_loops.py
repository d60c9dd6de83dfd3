"""The loops of LSTM and GRU for Numba, as in `loops.py`: a sample is a row, and `parts` share the rows."""

from __future__ import annotations

import numpy as np

prange = range  # Numba's takes its place where a loop is compiled for a team


def lstm_begin(z, x, scale, parts):
    """z = (z + x)·scale: what the tanh of all gates is taken of."""
    for k in prange(parts):
        for b in range(z.shape[0] * k // parts, z.shape[0] * (k + 1) // parts):
            zb, xb = z[b], x[b]
            for j in range(zb.size):
                zb[j] = (zb[j] + xb[j]) * scale[j]


def lstm_end(z, scale, shift, c, new_c, parts):
    """z = z·scale + shift, the activated gates, and new_c = f·c + i·g."""
    for k in prange(parts):
        for b in range(z.shape[0] * k // parts, z.shape[0] * (k + 1) // parts):
            zb, cb, nb = z[b], c[b], new_c[b]
            for j in range(zb.size):
                zb[j] = zb[j] * scale[j] + shift[j]
            units = nb.size
            i, f, g = zb[:units], zb[units : 2 * units], zb[2 * units : 3 * units]
            for j in range(units):
                nb[j] = f[j] * cb[j] + i[j] * g[j]


def lstm_back(z, tanh_c, before, mask, g, dh, dc, d, parts):
    """One step back: dh gets g added, unless that is empty; dc and d are those of the step before and of the gates.

    Samples where the mask is 0 have d = 0, and dc stays.
    """
    one = np.float32(1)
    for k in prange(parts):
        for b in range(z.shape[0] * k // parts, z.shape[0] * (k + 1) // parts):
            hb = dh[b]
            if g.size:
                gb = g[b]
                for j in range(hb.size):
                    hb[j] = hb[j] + gb[j]
            if mask[b] != 0:
                zb, tb, cb, nb, db = z[b], tanh_c[b], before[b], dc[b], d[b]
                units = hb.size
                i, f, c, o = zb[:units], zb[units : 2 * units], zb[2 * units : 3 * units], zb[3 * units :]
                d_i, d_f, d_c, d_o = db[:units], db[units : 2 * units], db[2 * units : 3 * units], db[3 * units :]
                for j in range(units):
                    nb[j] = nb[j] + (one - tb[j] * tb[j]) * o[j] * hb[j]
                for j in range(units):
                    d_i[j] = nb[j] * c[j] * (i[j] - i[j] * i[j])
                for j in range(units):
                    d_f[j] = nb[j] * cb[j] * (f[j] - f[j] * f[j])
                for j in range(units):
                    d_c[j] = nb[j] * i[j] * (one - c[j] * c[j])
                for j in range(units):
                    d_o[j] = hb[j] * tb[j] * (o[j] - o[j] * o[j])
                for j in range(units):
                    nb[j] = nb[j] * f[j]
            else:
                db = d[b]
                for j in range(db.size):
                    db[j] = 0


def gru_begin(product, x, a, inner, parts):
    """What the tanh of the update and reset gates is taken of, into a, and the candidate's share of the product."""
    half = np.float32(0.5)
    for k in prange(parts):
        for b in range(a.shape[0] * k // parts, a.shape[0] * (k + 1) // parts):
            pb, xb, ab, ib = product[b], x[b], a[b], inner[b]
            last = pb[2 * ib.size :]
            for j in range(2 * ib.size):
                ab[j] = (pb[j] + xb[j]) * half
            for j in range(ib.size):
                ib[j] = last[j]


def gru_middle(x, a, inner, parts):
    """The activated gates, and what the tanh of the candidate is taken of."""
    half = np.float32(0.5)
    for k in prange(parts):
        for b in range(a.shape[0] * k // parts, a.shape[0] * (k + 1) // parts):
            xb, ab, ib = x[b], a[b], inner[b]
            units = ib.size
            r, candidate, share = ab[units : 2 * units], ab[2 * units :], xb[2 * units :]
            for j in range(2 * units):
                ab[j] = ab[j] * half + half
            for j in range(units):
                candidate[j] = r[j] * ib[j] + share[j]


def gru_end(a, h, new_h, parts):
    """new_h = candidate + z·(h − candidate)."""
    for k in prange(parts):
        for b in range(a.shape[0] * k // parts, a.shape[0] * (k + 1) // parts):
            ab, hb, nb = a[b], h[b], new_h[b]
            candidate = ab[2 * nb.size :]
            for j in range(nb.size):
                nb[j] = (hb[j] - candidate[j]) * ab[j] + candidate[j]


def gru_back(a, inner, before, mask, g, dh, direct, d, p, parts):
    """One step back: dh gets g added, unless that is empty; what passes z goes to `direct`, the rest to d and p.

    Samples where the mask is 0 have d = p = 0 and direct = dh.
    """
    one = np.float32(1)
    for k in prange(parts):
        for b in range(a.shape[0] * k // parts, a.shape[0] * (k + 1) // parts):
            hb = dh[b]
            if g.size:
                gb = g[b]
                for j in range(hb.size):
                    hb[j] = hb[j] + gb[j]
            if mask[b] != 0:
                ab, ib, cb, eb, db, pb = a[b], inner[b], before[b], direct[b], d[b], p[b]
                units = hb.size
                z, r, candidate = ab[:units], ab[units : 2 * units], ab[2 * units :]
                d_z, d_r, d_candidate, d_share = db[:units], db[units : 2 * units], db[2 * units :], pb[2 * units :]
                for j in range(units):
                    eb[j] = hb[j] * z[j]
                for j in range(units):
                    d_z[j] = (cb[j] - candidate[j]) * hb[j] * (z[j] - z[j] * z[j])
                for j in range(units):
                    d_candidate[j] = (hb[j] - eb[j]) * (one - candidate[j] * candidate[j])
                for j in range(units):
                    d_r[j] = (one - candidate[j] * candidate[j]) * (hb[j] - eb[j]) * ib[j] * (r[j] - r[j] * r[j])
                for j in range(2 * units):
                    pb[j] = db[j]
                for j in range(units):
                    d_share[j] = d_candidate[j] * r[j]
            else:
                eb, db, pb = direct[b], d[b], p[b]
                for j in range(hb.size):
                    eb[j] = hb[j]
                for j in range(db.size):
                    db[j] = 0
                    pb[j] = 0
