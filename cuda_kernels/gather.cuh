// gather.cuh: the windows of a channels-last array as the operand of a product (see igemm.cuh). An element is met by a
// place (image and position) and a tap (offset in the window and channel); both give a part of the address and of the
// position, which may lie in the padding. Macros: those of igemm.cuh, and RANK, the spatial axes: 2 or 3.
#pragma once
#include "igemm.cuh"

// Place p and tap t of an axis meet at p·place_step + place_first + t·tap_step.
struct GatherShape {
    FastDiv places[RANK];
    int place_step[RANK], place_first[RANK];
    FastDiv taps[RANK], channels;
    int tap_step[RANK];
    int sizes[RANK], strides[RANK], image;  // of the array, in elements
    int place_count, tap_count;             // all images' places, all channels' taps
};

// A part of a position that is outside of the array with any other part, also with itself.
#define OUTSIDE (-(1 << 30))

template <bool PLACES_ARE_OUTER>
struct Gather {
    static const int WIDTH = WIDTH_A;
    struct Coordinate {
        int offset;
        int at[RANK];
    };
    GLOBAL(const TYPE) data;
    const GatherShape& shape;
    int first;  // channel
    static const bool along_inner = PLACES_ARE_OUTER;  // channels are neighbours

    DEVICE Coordinate place(int m) const {
        Coordinate result;
        int rest = m;
        result.offset = PLACES_ARE_OUTER ? first : 0;
        UNROLL
        for (int axis = RANK - 1; axis >= 0; axis--) {
            int p;
            rest = shape.places[axis].divide(rest, p);
            result.at[axis] = p * shape.place_step[axis] + shape.place_first[axis];
            result.offset += result.at[axis] * shape.strides[axis];
        }
        result.offset += rest * shape.image;
        if (m >= shape.place_count) result.at[0] = OUTSIDE;
        return result;
    }

    DEVICE Coordinate tap(int k) const {
        Coordinate result;
        int rest = shape.channels.divide(k, result.offset);
        if (!PLACES_ARE_OUTER) result.offset += first;
        UNROLL
        for (int axis = RANK - 1; axis >= 0; axis--) {
            int t;
            rest = shape.taps[axis].divide(rest, t);
            result.at[axis] = t * shape.tap_step[axis];
            result.offset += result.at[axis] * shape.strides[axis];
        }
        if (k >= shape.tap_count) result.at[0] = OUTSIDE;
        return result;
    }

    DEVICE Coordinate outer(int i) const { return PLACES_ARE_OUTER ? place(i) : tap(i); }
    DEVICE Coordinate inner(int i) const { return PLACES_ARE_OUTER ? tap(i) : place(i); }

    DEVICE Vector<TYPE, WIDTH> fetch(const Coordinate& a, const Coordinate& b) const {
        bool inside = true;
        UNROLL
        for (int axis = 0; axis < RANK; axis++) inside = inside && uint32(a.at[axis] + b.at[axis]) < uint32(shape.sizes[axis]);
        return inside ? load_vector<WIDTH>(data + (a.offset + b.offset)) : zeros<WIDTH>();
    }
};
