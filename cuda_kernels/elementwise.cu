// elementwise.cu: maps over whole arrays. Memory-bound: each operand is read once, the result written once.
//
//   relu_grad   out[i] = y[i] > 0 ? g[i] : 0                      3·sizeof(TYPE) bytes, 1 FLOP an element
//   add         out[i] = a[i] + b[i]                              3·sizeof(TYPE) bytes, 1 FLOP an element
//
// Threads stride over the array in vectors of four; the last threads take the tail of fewer than four one by one.
//
// Macros: TYPE, the type of all arrays: float or double.
#include "common.cuh"

struct ReluGrad {
    DEVICE TYPE operator()(TYPE g, TYPE y) const { return y > TYPE(0) ? g : TYPE(0); }
};
struct Add {
    DEVICE TYPE operator()(TYPE a, TYPE b) const { return a + b; }
};

template <class Function>
DEVICE void map2(VECTOR(const TYPE) a, VECTOR(const TYPE) b, VECTOR(TYPE) out, int64 count, Function function) {
    const int64 vectors = count / 4;
    for (int64 i = thread_index(); i < vectors; i += thread_count()) {
        const Vec4<TYPE> x = load4(a + 4 * i);
        const Vec4<TYPE> y = load4(b + 4 * i);
        Vec4<TYPE> result;
        UNROLL
        for (int j = 0; j < 4; j++) result[j] = function(x[j], y[j]);
        store4(out + 4 * i, result);
    }
    const int64 tail = 4 * vectors + thread_index();
    if (tail < count) out[tail] = function(a[tail], b[tail]);
}

KERNEL(256) relu_grad(VECTOR(const TYPE) g, VECTOR(const TYPE) y, VECTOR(TYPE) out, int64 count) {
    map2(g, y, out, count, ReluGrad());
}

KERNEL(256) add(VECTOR(const TYPE) a, VECTOR(const TYPE) b, VECTOR(TYPE) out, int64 count) {
    map2(a, b, out, count, Add());
}
