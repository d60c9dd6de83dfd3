// map.cuh: elementwise functions of up to three operands with any strides, NumPy's broadcasting among them.
//
// Index map: the host merges neighbouring axes and orders them by the output's memory, so that the last one is the
// closest. A thread takes a group of four neighbours on that innermost axis; a group of an operand that lies side by
// side and aligned moves in one vector, others element by element. The last group of a row may hold fewer than four.
// Equal contiguous operands are one row, so they cost one vector load each and no division.
#pragma once
#include "common.cuh"

#define MAX_RANK 6
#define MAX_ARRAYS 4

// Strides in elements: of array k (0 is the output) along outer axis d at k·MAX_RANK + d, along the innermost axis at
// k·MAX_RANK + MAX_RANK − 1.
struct MapLayout {
    FastDiv groups_per_row;
    FastDiv sizes[MAX_RANK - 1];  // of the outer axes
    int outer;                    // how many outer axes there are
    int inner;                    // the size of the innermost axis
    int groups;                   // in all
    int vectors;                  // bit k: groups of array k move as vectors
    int64 strides[MAX_ARRAYS * MAX_RANK];
};

// Where a group begins in each array, and how many elements are left in its row.
template <int ARRAYS>
struct Group {
    int64 at[ARRAYS];
    int left;
};

template <int ARRAYS>
DEVICE Group<ARRAYS> find_group(const MapLayout& layout, int number) {
    Group<ARRAYS> group;
    int column;
    int row = layout.groups_per_row.divide(number, column);
    group.left = layout.inner - 4 * column;
    UNROLL
    for (int k = 0; k < ARRAYS; k++) group.at[k] = 4 * column * layout.strides[k * MAX_RANK + MAX_RANK - 1];
    for (int axis = layout.outer - 1; axis >= 0; axis--) {
        int index;
        row = layout.sizes[axis].divide(row, index);
        UNROLL
        for (int k = 0; k < ARRAYS; k++) group.at[k] += index * layout.strides[k * MAX_RANK + axis];
    }
    return group;
}

// The elements of array k; those beyond the row repeat its first one.
template <class T, int ARRAYS>
DEVICE Vec4<T> load_group(STRIDED(const T) x, const MapLayout& layout, const Group<ARRAYS>& group, int k) {
    if ((layout.vectors >> k & 1) && group.left >= 4) return load4(x + group.at[k]);
    const int64 step = layout.strides[k * MAX_RANK + MAX_RANK - 1];
    Vec4<T> value;
    UNROLL
    for (int j = 0; j < 4; j++) value[j] = x[group.at[k] + (j < group.left ? j : 0) * step];
    return value;
}

template <class T, int ARRAYS>
DEVICE void store_group(STRIDED(T) out, const MapLayout& layout, const Group<ARRAYS>& group, const Vec4<T>& value) {
    if ((layout.vectors & 1) && group.left >= 4) {
        store4(out + group.at[0], value);
        return;
    }
    UNROLL
    for (int j = 0; j < 4; j++)
        if (j < group.left) out[group.at[0] + j * layout.strides[MAX_RANK - 1]] = value[j];
}

template <class T>
DEVICE Vec4<T> repeated(T x) {
    Vec4<T> value;
    UNROLL
    for (int j = 0; j < 4; j++) value[j] = x;
    return value;
}

// out = f(x)
template <class T, class Out, class Function>
DEVICE void map1(STRIDED(const T) x, STRIDED(Out) out, const MapLayout& layout, Function function) {
    typedef typename Wide<T>::type W;
    for (int64 number = thread_index(); number < layout.groups; number += thread_count()) {
        const Group<2> group = find_group<2>(layout, int(number));
        const Vec4<T> v = load_group<T>(x, layout, group, 1);
        Vec4<Out> result;
        UNROLL
        for (int j = 0; j < 4; j++) result[j] = convert<Out>(function(W(v[j])));
        store_group<Out>(out, layout, group, result);
    }
}

// out = f(a, b), with `scalar` for an operand that is null.
template <class T, class Out, class Function>
DEVICE void map2(STRIDED(const T) a, STRIDED(const T) b, STRIDED(Out) out, T scalar, const MapLayout& layout,
                 Function function) {
    typedef typename Wide<T>::type W;
    for (int64 number = thread_index(); number < layout.groups; number += thread_count()) {
        const Group<3> group = find_group<3>(layout, int(number));
        const Vec4<T> v = a ? load_group<T>(a, layout, group, 1) : repeated(scalar);
        const Vec4<T> w = b ? load_group<T>(b, layout, group, 2) : repeated(scalar);
        Vec4<Out> result;
        UNROLL
        for (int j = 0; j < 4; j++) result[j] = convert<Out>(function(W(v[j]), W(w[j])));
        store_group<Out>(out, layout, group, result);
    }
}

// out = f(a, b, c), with `b_scalar` and `c_scalar` for operands that are null.
template <class A, class T, class Function>
DEVICE void map3(STRIDED(const A) a, STRIDED(const T) b, STRIDED(const T) c, STRIDED(T) out, T b_scalar, T c_scalar,
                 const MapLayout& layout, Function function) {
    for (int64 number = thread_index(); number < layout.groups; number += thread_count()) {
        const Group<4> group = find_group<4>(layout, int(number));
        const Vec4<A> u = load_group<A>(a, layout, group, 1);
        const Vec4<T> v = b ? load_group<T>(b, layout, group, 2) : repeated(b_scalar);
        const Vec4<T> w = c ? load_group<T>(c, layout, group, 3) : repeated(c_scalar);
        Vec4<T> result;
        UNROLL
        for (int j = 0; j < 4; j++) result[j] = function(u[j], v[j], w[j]);
        store_group<T>(out, layout, group, result);
    }
}
