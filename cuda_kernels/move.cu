// move.cu: copying, choosing and filling. Nothing here looks inside the elements, so their size is all that matters.
// Memory-bound: the bytes that an element moves stand beside each kernel.
//
//   strided_copy    out[i] = x[i]                                                        2·sizeof(TYPE)
//   map_where       out[i] = condition[i] ? x[i] : y[i]                                  3·sizeof(TYPE) + 1
//   map_fill        out[i] = number                                                      sizeof(TYPE)
//   take            out[i] = x[place of i, index[i] along one axis]                      2·sizeof(TYPE) and its index
//   index_offsets   out[i] = offset[i] + wrapped index[i] · stride (+ out[i])            4 and its index
//   one_hot         out[row, c] = indices[row] == c ? one : 0                            sizeof(TYPE)
//
// Any strides and NumPy's broadcasting (see map.cuh). A number is given by its bits, and its operand is a null pointer.
//
// take is x[…, indices, …] as well as take_along_axis: array 1 of the layout is x without the axis that the indices choose
// along, array 2 the indices. Where these do not change along the innermost axis, whole vectors move. index_offsets makes
// one number of the places of several indices; its array 1 are the indices, and array 2 is no array but the strides of
// `offset`.
//
// Indices are int or int64, whichever of the two pointers is not null. A negative one counts from the end; one outside of
// the axis wraps around, as with CuPy: nothing outside of the array is ever touched.
//
// Macros: TYPE, an unsigned integer of the elements' size.
#include "map.cuh"

struct Same {
    DEVICE TYPE operator()(TYPE x) const { return x; }
};

KERNEL(256) strided_copy(STRIDED(const TYPE) x, STRIDED(TYPE) out, MapLayout layout) {
    map1<TYPE, TYPE>(x, out, layout, Same());
}

struct Where {
    DEVICE TYPE operator()(bool condition, TYPE x, TYPE y) const { return condition ? x : y; }
};

KERNEL(256) map_where(STRIDED(const bool) condition, STRIDED(const TYPE) x, STRIDED(const TYPE) y, STRIDED(TYPE) out,
                      uint64 x_bits, uint64 y_bits, MapLayout layout) {
    map3<bool, TYPE>(condition, x, y, out, convert<TYPE>(x_bits), convert<TYPE>(y_bits), layout, Where());
}

KERNEL(256) map_fill(STRIDED(TYPE) out, uint64 bits, MapLayout layout) {
    for (int64 number = thread_index(); number < layout.groups; number += thread_count())
        store_group<TYPE>(out, layout, find_group<1>(layout, int(number)), repeated(convert<TYPE>(bits)));
}

// The index at a place, in [0, size); as it is where size is 0.
DEVICE int64 index_at(STRIDED(const int) narrow, STRIDED(const int64) wide, int64 at, int64 size) {
    const int64 index = narrow ? narrow[at] : wide[at];
    if (size == 0 || (index >= 0 && index < size)) return index;
    const int64 rest = index % size;
    return rest < 0 ? rest + size : rest;
}

KERNEL(256) take(STRIDED(const TYPE) x, STRIDED(const int) narrow, STRIDED(const int64) wide, STRIDED(TYPE) out,
                 int64 size, int64 stride, MapLayout layout) {
    const int64 x_step = layout.strides[2 * MAX_RANK - 1], index_step = layout.strides[3 * MAX_RANK - 1];
    for (int64 number = thread_index(); number < layout.groups; number += thread_count()) {
        const Group<3> group = find_group<3>(layout, int(number));
        if (index_step == 0 && (layout.vectors >> 1 & 1) && group.left >= 4) {
            const int64 row = index_at(narrow, wide, group.at[2], size);
            store_group<TYPE>(out, layout, group, load4(x + (group.at[1] + row * stride)));
            continue;
        }
        Vec4<TYPE> value;
        UNROLL
        for (int j = 0; j < 4; j++) {
            const int i = j < group.left ? j : 0;
            const int64 row = index_at(narrow, wide, group.at[2] + i * index_step, size);
            value[j] = x[group.at[1] + i * x_step + row * stride];
        }
        store_group<TYPE>(out, layout, group, value);
    }
}

KERNEL(256) index_offsets(STRIDED(const int) narrow, STRIDED(const int64) wide, STRIDED(int) out, int64 size,
                          int64 stride, int adds, MapLayout layout) {
    const int64 index_step = layout.strides[2 * MAX_RANK - 1], offset_step = layout.strides[3 * MAX_RANK - 1];
    for (int64 number = thread_index(); number < layout.groups; number += thread_count()) {
        const Group<3> group = find_group<3>(layout, int(number));
        for (int j = 0; j < 4 && j < group.left; j++) {
            const int64 at = group.at[0] + j * layout.strides[MAX_RANK - 1];
            const int64 row = index_at(narrow, wide, group.at[1] + j * index_step, size);
            const int64 place = group.at[2] + j * offset_step + row * stride;
            out[at] = int(adds ? out[at] + place : place);
        }
    }
}

KERNEL(256) one_hot(GLOBAL(const int) narrow, GLOBAL(const int64) wide, GLOBAL(TYPE) out, uint64 one, FastDiv classes,
                    int count) {
    for (int64 i = thread_index(); i < count; i += thread_count()) {
        int column;
        const int row = classes.divide(int(i), column);
        out[i] = convert<TYPE>((narrow ? int64(narrow[row]) : wide[row]) == column ? one : 0);
    }
}
