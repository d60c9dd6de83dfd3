"""Rows of matrix products, contractions and triangles."""

import numpy as np

from .row import NUMBERS, N, Rows, mask, normal

ROWS = Rows()
row = ROWS.add

for left, right in (
    ((N, 3), (3, 5)),
    ((3,), (3,)),
    ((3,), (3, 5)),
    ((N, 3), (3,)),
    ((2, N, 3), (3, 5)),
    ((N, 3), (2, 3, 5)),
    ((2, N, 3), (2, 3, 5)),
    ((2, 1, N, 3), (6, 3, 5)),
    ((3,), (2, 3, 5)),
    ((2, N, 3), (3,)),
    ((N, 1), (1, 1)),
    ((N, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((2, 0, 3), (3, 2)),
):
    row("matmul", np.matmul, normal(*left), normal(*right)).checked(tolerance=4)
row("matmul", np.matmul, normal(N, 3), normal(3, 2)).checked(dtypes=("int32", "int64"))

row("dot", np.dot, normal(N, 3), normal(3, 2)).checked(tolerance=4)
row("dot", np.dot, normal(2, N, 3), normal(5, 3, 2)).checked(tolerance=4)
row("dot", np.dot, normal(3), normal(3)).checked(tolerance=4)
row("dot", np.dot, normal(), normal(N, 3))
row("dot", np.dot, normal(N, 3), 2.0)
row("vdot", np.vdot, normal(3, 2), normal(3, 2)).checked(tolerance=4)
row("inner", np.inner, normal(N, 3), normal(2, 3)).checked(tolerance=4)
row("inner", np.inner, normal(3), normal(3)).checked(tolerance=4)
row("inner", np.inner, normal(), normal(3))
row("outer", np.outer, normal(N), normal(3))
row("outer", np.outer, normal(2, 2), normal(3))
row("tensordot", np.tensordot, normal(N, 3, 2), normal(3, 2, 5)).checked(tolerance=4)
row("tensordot", np.tensordot, normal(N, 3), normal(2, 5), axes=0)
row("tensordot", np.tensordot, normal(3, N, 2), normal(2, 5, 3), axes=((0, -1), (-1, 0))).checked(tolerance=4)
row("tensordot", np.tensordot, normal(N, 0), normal(0, 2), axes=1)

for subscripts, *shapes in (
    ("ij,jk->ik", (N, 3), (3, 5)),
    ("ij,jk", (N, 3), (3, 5)),
    ("bij,bjk->bik", (N, 2, 3), (N, 3, 5)),
    ("ij->ji", (N, 3)),
    ("ij->", (N, 3)),
    ("ij->j", (N, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij,jk->ik", (3, 3, 2), (2, 4)),
    ("i,j->ij", (N,), (3,)),
    ("ij,ij->ij", (N, 3), (N, 3)),
    ("...c,c->...", (2, N, 3), (3,)),
    ("...ij,...jk->...ik", (2, 1, N, 3), (5, 3, 2)),
    ("b...c,cd->b...d", (N, 2, 2, 3), (3, 2)),
    ("bqhd,bkhd->bhqk", (N, 3, 2, 2), (N, 3, 2, 2)),
    ("ab,bc,cd->ad", (N, 3), (3, 2), (2, 4)),
    ("ab,ab,ab->b", (N, 3), (N, 3), (N, 3)),
    ("ij,k->i", (N, 3), (2,)),
    ("ij,jk->ik", (N, 0), (0, 5)),
):
    row("einsum", np.einsum, subscripts, *(normal(*s) for s in shapes)).checked(tolerance=8)

row("linear", lambda x, w: x @ w, normal(N, 3), normal(3, 5)).checked(tolerance=4)
row("linear", lambda x, w, b: x @ w + b, normal(N, 3), normal(3, 5), normal(5)).checked(tolerance=4)
row("linear", lambda x, w, b: x @ w + b, normal(2, N, 3), normal(3, 5), normal(5)).checked(tolerance=4)
row(
    "linear",
    lambda x, w, b, activation: np.maximum(x @ w + b, 0),
    normal(N, 3),
    normal(3, 5),
    normal(5),
    activation="relu",
).checked(tolerance=4)
row("linear", lambda x, w: x @ w, normal(3), normal(3, 5)).checked(tolerance=4)
row("linear", lambda x, w, b: x @ w + b, normal(0, 3), normal(3, 5), normal(5))

row("trace", np.trace, normal(4, 3)).checked(dtypes=NUMBERS[:5])
row("trace", np.trace, normal(N, 3, 4), offset=1, axis1=1, axis2=-1)
for offset in (0, 1, -2, 9):
    row("diagonal", np.diagonal, normal(4, 3), offset=offset)
row("diagonal", np.diagonal, normal(3, N, 4), offset=-1, axis1=-1, axis2=0)
for name in ("tril", "triu"):
    row(name, getattr(np, name), normal(4, 3)).checked(dtypes=NUMBERS)
    row(name, getattr(np, name), normal(N, 3, 4), k=1)
    row(name, getattr(np, name), normal(N, 3, 4), k=-2)

row("matmul", np.matmul, normal(N, 3), normal(3, 2)).checked(dtypes=("int8",), result="int32", variant="int8")
row("vdot", np.vdot, normal(3, 2), normal(3, 2)).checked(dtypes=("int32", "int16"), variant="integers")
row("outer", np.outer, normal(3), 2.5)
row("outer", np.outer, 2, normal(3))
row("tril", np.tril, mask(3, 3)).checked(derivatives=0, dtypes=("int32",), result="bool")
