"""Rows of creation and conversion. They take no arrays, so their results are Tensors on the default device."""

import numpy as np

from .row import Rows

ROWS = Rows()


def row(op, reference, *inputs, result="float32", **attributes):
    return ROWS.add(op, reference, *inputs, **attributes).checked(derivatives=0, dtypes=("float32",), result=result)


row("zeros", np.zeros, (2, 3))
row("zeros", np.zeros, (), dtype="int32", result="int32")
row("zeros", np.zeros, 3, dtype="bfloat16", result="bfloat16")
row("ones", np.ones, (2, 0))
row("ones", np.ones, [2], dtype="bool", result="bool")
row("full", np.full, (2, 3), 1.5)
row("full", np.full, (2,), 7, result="int32")
row("full", np.full, (2,), True, result="bool")
row("full", lambda shape, value, dtype: np.full(shape, value), (2,), 7, dtype="float16", result="float16")
row("eye", np.eye, 3)
row("eye", np.eye, 2, 4, 1, dtype="int32", result="int32")
row("identity", np.identity, 3)
row("tri", np.tri, 3)
row("tri", np.tri, 2, 4, -1, dtype="int32", result="int32")
row("arange", np.arange, 5, result="int32")
row("arange", np.arange, 2, 11, 3, result="int32")
row("arange", np.arange, 5, 0, -2, result="int32")
row("arange", np.arange, 5.0)
row("arange", np.arange, 0, 1, 0.25)
row("arange", np.arange, 3, 3, result="int32")
row("arange", np.arange, 3, dtype="float16", result="float16")
row("arange", lambda *a, dtype: np.arange(3.0), 0.0, 3.0, dtype="int32", result="int32")
row("linspace", np.linspace, 0.0, 1.0, 7)
row("linspace", np.linspace, 2, -1, 4, endpoint=False)
row("linspace", lambda *a, dtype, **k: np.linspace(*a), 0, 6, 4, dtype="int32", result="int32")
row("linspace", np.linspace, 0, 1, 1)
row("linspace", np.linspace, 0, 1, 0)
row("convert_to_tensor", np.asarray, [[1, 2], [3, 4]], result="int32")
row("convert_to_tensor", np.asarray, [1.5, 2])
row("convert_to_tensor", np.asarray, True, result="bool")
row("convert_to_tensor", np.asarray, [], result="float32")
