// assign.cu: a variable changes in place. Memory-bound; four elements a step, the last threads take the tail one by one.
//
//   assign_number   target[i] = value                     sizeof(TYPE) bytes an element
//   add_number      target[i] += value                    2·sizeof(TYPE) bytes, 1 FLOP
//   assign_add      target[i] += value[i]                 3·sizeof(TYPE) bytes, 1 FLOP
//   assign_sub      target[i] −= value[i]                 3·sizeof(TYPE) bytes, 1 FLOP
//
// Macros: TYPE, the type of the variable.
#include "common.cuh"

KERNEL(256) assign_number(VECTOR(TYPE) target, TYPE value, int64 count) {
    const int64 vectors = count / 4;
    Vec4<TYPE> four;
    UNROLL
    for (int j = 0; j < 4; j++) four[j] = value;
    for (int64 i = thread_index(); i < vectors; i += thread_count()) store4(target + 4 * i, four);
    const int64 tail = 4 * vectors + thread_index();
    if (tail < count) target[tail] = value;
}

KERNEL(256) add_number(VECTOR(TYPE) target, TYPE value, int64 count) {
    const int64 vectors = count / 4;
    for (int64 i = thread_index(); i < vectors; i += thread_count()) {
        Vec4<TYPE> four = load4(target + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++) four[j] = four[j] + value;
        store4(target + 4 * i, four);
    }
    const int64 tail = 4 * vectors + thread_index();
    if (tail < count) target[tail] = target[tail] + value;
}

struct Add {
    DEVICE TYPE operator()(TYPE a, TYPE b) const { return a + b; }
};
struct Subtract {
    DEVICE TYPE operator()(TYPE a, TYPE b) const { return a - b; }
};

template <class Function>
DEVICE void combine(VECTOR(TYPE) target, VECTOR(const TYPE) value, int64 count, Function function) {
    const int64 vectors = count / 4;
    for (int64 i = thread_index(); i < vectors; i += thread_count()) {
        Vec4<TYPE> four = load4(target + 4 * i);
        const Vec4<TYPE> other = load4(value + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++) four[j] = function(four[j], other[j]);
        store4(target + 4 * i, four);
    }
    const int64 tail = 4 * vectors + thread_index();
    if (tail < count) target[tail] = function(target[tail], value[tail]);
}

KERNEL(256) assign_add(VECTOR(TYPE) target, VECTOR(const TYPE) value, int64 count) {
    combine(target, value, count, Add());
}

KERNEL(256) assign_sub(VECTOR(TYPE) target, VECTOR(const TYPE) value, int64 count) {
    combine(target, value, count, Subtract());
}
