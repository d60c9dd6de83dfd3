// copy.cu: a copy between two arrays of one shape and any strides, for operands that a kernel cannot read as they are.
// Memory-bound: 2·sizeof(TYPE) bytes an element. One thread an element, in the order of the target's memory where that
// is contiguous, so that writes coalesce.
//
//   strided_copy   out[index] = x[index] for every index
//
// Macros: TYPE, an unsigned integer of the element's size: a copy does not look inside.
#include "common.cuh"

#define MAX_RANK 8

// Strides in elements; axes that are not used have the size 1.
struct CopyShape {
    FastDiv sizes[MAX_RANK];
    int64 from[MAX_RANK];
    int64 to[MAX_RANK];
};

KERNEL(256) strided_copy(STRIDED(const TYPE) x, STRIDED(TYPE) out, CopyShape shape, int rank, int count) {
    for (int64 i = thread_index(); i < count; i += thread_count()) {
        int rest = int(i);
        int64 from = 0, to = 0;
        for (int axis = rank - 1; axis >= 0; axis--) {
            int index;
            rest = shape.sizes[axis].divide(rest, index);
            from += index * shape.from[axis];
            to += index * shape.to[axis];
        }
        out[to] = x[from];
    }
}
