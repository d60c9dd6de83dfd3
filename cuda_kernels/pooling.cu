// pooling.cu: windows over channels-last arrays of one to three spatial axes. Memory-bound: every element of the result
// is written once; neighbouring windows that overlap find each other's elements in the cache.
//
//   max_pool        out[n, o, c] = max over the window at o of x[n, ·, c]; winner: which element of the window it was
//   min_pool        the same of the smallest element
//   avg_pool        out[n, o, c] = Σ over the window at o of x[n, ·, c] / number of its elements
//   max_pool_grad   dx[n, i, c] = Σ over the windows o that cover i and whose winner is i of g[n, o, c]; of both
//   avg_pool_grad   dx[n, i, c] = Σ over the windows o that cover i of g[n, o, c] / number of o's elements
//
// Bytes an element of x, where windows do not overlap: sizeof(TYPE) for x or dx, (sizeof(TYPE) + sizeof(winner)) /
// window for the rest; one comparison or addition each. Backward gathers: a thread adds up what its element of dx gets,
// in the order of the window's offsets, so that no two threads write to one place and the sum is always the same.
//
// A thread takes WIDTH neighbouring channels (16 bytes) where the channels allow it, else one, of one place of the
// array that is written: index = ((n·size[0] + i0)·size[1] + i1)·size[2] + i2, then channels. Lower ranks have leading
// axes of size 1. The array that is read may have any strides.
//
// Macros: TYPE, the type of the arrays: float, double, or float16, which is added up in float.
#include "common.cuh"

#define WIDTH int(16 / sizeof(TYPE))

typedef Accumulator<TYPE>::type REAL;

struct PoolShape {
    FastDiv channels;    // vectors of channels
    FastDiv written[3];  // the spatial axes of the array that is written
    int size[3];         // of the array before pooling
    int pooled[3];       // and after
    int window[3], low[3];
    FastDiv stride[3];
    int batch_step, step[3], channel_step;  // through the array that is read, in elements
    int wide;                               // whether a thread takes WIDTH channels
};

// Where element or vector i of the written array is.
struct Place {
    int channel, position[3], batch;
    DEVICE Place(const PoolShape& shape, int i, int width) {
        int rest = shape.channels.divide(i, channel);
        channel *= width;
        UNROLL
        for (int axis = 2; axis >= 0; axis--) rest = shape.written[axis].divide(rest, position[axis]);
        batch = rest;
    }
};

// The offsets of a window that fall on elements, of those along one axis: begin ≤ offset < end.
struct Offsets {
    int start, begin, end;
    DEVICE Offsets(const PoolShape& shape, int axis, int place) {
        start = place * shape.stride[axis].divisor - shape.low[axis];
        begin = max(0, -start);
        end = min(shape.window[axis], shape.size[axis] - start);
    }
    DEVICE int count() const { return max(0, end - begin); }
};

// The windows that cover an element, along one axis: first ≤ window ≤ last.
struct Windows {
    int end, first, last;  // end: the element's offset in a window at 0
    DEVICE Windows(const PoolShape& shape, int axis, int place) {
        end = place + shape.low[axis];
        const int stride = shape.stride[axis].divisor;
        first = shape.stride[axis].divide(max(0, end - shape.window[axis] + 1) + stride - 1);
        last = end < 0 ? -1 : min(shape.pooled[axis] - 1, shape.stride[axis].divide(end));
    }
};

// Which of two elements a window keeps, and what every element beats.
struct Max {
    DEVICE static REAL start() { return REAL(__int_as_float(int(0xff800000u))); }
    DEVICE static bool beats(REAL value, REAL best) { return value > best; }
};
struct Min {
    DEVICE static REAL start() { return REAL(__int_as_float(0x7f800000)); }
    DEVICE static bool beats(REAL value, REAL best) { return value < best; }
};

// Visits the elements of the window at `place` in scan order: visit(offset's number, WIDTH or 1 elements).
template <int COUNT, class Visit>
DEVICE void visit_window(STRIDED(const TYPE) x, const PoolShape& shape, const Place& place, Visit& visit) {
    const Offsets o0(shape, 0, place.position[0]), o1(shape, 1, place.position[1]), o2(shape, 2, place.position[2]);
    const int origin = place.batch * shape.batch_step + place.channel * shape.channel_step;
    for (int a = o0.begin; a < o0.end; a++)
        for (int b = o1.begin; b < o1.end; b++) {
            const int row = origin + (o0.start + a) * shape.step[0] + (o1.start + b) * shape.step[1];
            const int number = (a * shape.window[1] + b) * shape.window[2];
            for (int c = o2.begin; c < o2.end; c++)
                visit(number + c, load_vector<COUNT>(x + (row + (o2.start + c) * shape.step[2])));
        }
}

// The first of the best elements. As in NumPy a NaN is passed on, and beats nothing in the search for the winner.
template <int COUNT, class Order>
struct Best {
    REAL best[COUNT];
    int winner[COUNT];
    DEVICE Best() {
        UNROLL
        for (int j = 0; j < COUNT; j++) {
            best[j] = Order::start();
            winner[j] = 0;
        }
    }
    DEVICE void operator()(int number, const Vector<TYPE, COUNT>& x) {
        UNROLL
        for (int j = 0; j < COUNT; j++) {
            const REAL value = x[j];
            if (Order::beats(value, best[j])) winner[j] = number;
            if (Order::beats(value, best[j]) || value != value) best[j] = value;
        }
    }
};

template <class Order, int COUNT, class INDEX>
DEVICE void best_at(STRIDED(const TYPE) x, VECTOR(TYPE) out, VECTOR(INDEX) winner, const PoolShape& shape, int i) {
    const Place place(shape, i, COUNT);
    Best<COUNT, Order> found;
    visit_window<COUNT>(x, shape, place, found);
    Vector<TYPE, COUNT> value;
    UNROLL
    for (int j = 0; j < COUNT; j++) value[j] = TYPE(found.best[j]);
    store_vector(out + i * COUNT, value);
    if (!winner) return;
    Vector<INDEX, COUNT> numbers;
    UNROLL
    for (int j = 0; j < COUNT; j++) numbers[j] = INDEX(found.winner[j]);
    store_vector(winner + i * COUNT, numbers);
}

template <class Order, class INDEX>
DEVICE void best_of_all(STRIDED(const TYPE) x, VECTOR(TYPE) out, VECTOR(INDEX) winner, const PoolShape& shape,
                        int count) {
    if (shape.wide)
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            best_at<Order, WIDTH>(x, out, winner, shape, int(i));
    else
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            best_at<Order, 1>(x, out, winner, shape, int(i));
}

#define BEST_POOL(NAME, ORDER, INDEX)                                                                                  \
    KERNEL(256, 4) NAME(STRIDED(const TYPE) x, VECTOR(TYPE) out, VECTOR(INDEX) winner, PoolShape shape, int count) {   \
        best_of_all<ORDER>(x, out, winner, shape, count);                                                              \
    }

BEST_POOL(max_pool, Max, unsigned char)
BEST_POOL(min_pool, Min, unsigned char)

// For windows of more than 256 elements.
BEST_POOL(max_pool_large, Max, unsigned short)
BEST_POOL(min_pool_large, Min, unsigned short)

template <int COUNT>
struct Total {
    REAL sum[COUNT];
    DEVICE Total() {
        UNROLL
        for (int j = 0; j < COUNT; j++) sum[j] = 0;
    }
    DEVICE void operator()(int, const Vector<TYPE, COUNT>& x) {
        UNROLL
        for (int j = 0; j < COUNT; j++) sum[j] += REAL(x[j]);
    }
};

// The part of a window's sum that is its mean; `padding_counts` divides by all of the window.
DEVICE REAL share(const PoolShape& shape, int padding_counts, int o0, int o1, int o2) {
    if (padding_counts) return REAL(1) / REAL(shape.window[0] * shape.window[1] * shape.window[2]);
    const int elements =
        Offsets(shape, 0, o0).count() * Offsets(shape, 1, o1).count() * Offsets(shape, 2, o2).count();
    return REAL(1) / REAL(max(1, elements));
}

template <int COUNT>
DEVICE void avg_pool_at(STRIDED(const TYPE) x, VECTOR(TYPE) out, const PoolShape& shape, int padding_counts, int i) {
    const Place place(shape, i, COUNT);
    Total<COUNT> total;
    visit_window<COUNT>(x, shape, place, total);
    const REAL part = share(shape, padding_counts, place.position[0], place.position[1], place.position[2]);
    Vector<TYPE, COUNT> value;
    UNROLL
    for (int j = 0; j < COUNT; j++) value[j] = TYPE(total.sum[j] * part);
    store_vector(out + i * COUNT, value);
}

KERNEL(256, 4) avg_pool(STRIDED(const TYPE) x, VECTOR(TYPE) out, PoolShape shape, int padding_counts, int count) {
    if (shape.wide)
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            avg_pool_at<WIDTH>(x, out, shape, padding_counts, int(i));
    else
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            avg_pool_at<1>(x, out, shape, padding_counts, int(i));
}

// What a window at index w, and the element at offset `number` in it, give: g where the element was the winner.
template <int COUNT, class INDEX>
struct FromWinner {
    STRIDED(const TYPE) g;
    VECTOR(const INDEX) winner;
    const PoolShape& shape;
    DEVICE void operator()(REAL (&sum)[COUNT], int from, int vector, int, int, int, int number) const {
        const Vector<TYPE, COUNT> value = load_vector<COUNT>(g + from);
        const Vector<INDEX, COUNT> winners = load_vector<COUNT>(winner + vector * COUNT);
        UNROLL
        for (int j = 0; j < COUNT; j++)
            if (winners[j] == number) sum[j] += REAL(value[j]);
    }
};

template <int COUNT>
struct FromMean {
    STRIDED(const TYPE) g;
    const PoolShape& shape;
    int padding_counts;
    DEVICE void operator()(REAL (&sum)[COUNT], int from, int, int o0, int o1, int o2, int) const {
        const Vector<TYPE, COUNT> value = load_vector<COUNT>(g + from);
        const REAL part = share(shape, padding_counts, o0, o1, o2);
        UNROLL
        for (int j = 0; j < COUNT; j++) sum[j] += REAL(value[j]) * part;
    }
};

// Adds up what the windows that cover element i of dx give it, from the last window to the first: in scan order of the
// element's offset in them.
template <int COUNT, class Give>
DEVICE void gather(VECTOR(TYPE) dx, const PoolShape& shape, int i, const Give& give) {
    const Place place(shape, i, COUNT);
    const Windows w0(shape, 0, place.position[0]), w1(shape, 1, place.position[1]), w2(shape, 2, place.position[2]);
    const int origin = place.batch * shape.batch_step + place.channel * shape.channel_step;
    REAL sum[COUNT];
    UNROLL
    for (int j = 0; j < COUNT; j++) sum[j] = 0;
    for (int a = w0.last; a >= w0.first; a--)
        for (int b = w1.last; b >= w1.first; b--)
            for (int c = w2.last; c >= w2.first; c--) {
                const int window = ((place.batch * shape.pooled[0] + a) * shape.pooled[1] + b) * shape.pooled[2] + c;
                const int number = ((w0.end - a * shape.stride[0].divisor) * shape.window[1] +
                                    (w1.end - b * shape.stride[1].divisor)) * shape.window[2] +
                                   (w2.end - c * shape.stride[2].divisor);
                give(sum, origin + a * shape.step[0] + b * shape.step[1] + c * shape.step[2],
                     window * shape.channels.divisor + place.channel / COUNT, a, b, c, number);
            }
    Vector<TYPE, COUNT> value;
    UNROLL
    for (int j = 0; j < COUNT; j++) value[j] = TYPE(sum[j]);
    store_vector(dx + i * COUNT, value);
}

template <class INDEX>
DEVICE void max_pool_grad_all(STRIDED(const TYPE) g, VECTOR(const INDEX) winner, VECTOR(TYPE) dx,
                              const PoolShape& shape, int count) {
    if (shape.wide)
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            gather<WIDTH>(dx, shape, int(i), FromWinner<WIDTH, INDEX>{g, winner, shape});
    else
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            gather<1>(dx, shape, int(i), FromWinner<1, INDEX>{g, winner, shape});
}

KERNEL(256, 4) max_pool_grad(STRIDED(const TYPE) g, VECTOR(const unsigned char) winner, VECTOR(TYPE) dx, PoolShape shape,
                          int count) {
    max_pool_grad_all<unsigned char>(g, winner, dx, shape, count);
}

KERNEL(256, 4) max_pool_large_grad(STRIDED(const TYPE) g, VECTOR(const unsigned short) winner, VECTOR(TYPE) dx,
                                PoolShape shape, int count) {
    max_pool_grad_all<unsigned short>(g, winner, dx, shape, count);
}

KERNEL(256, 4) avg_pool_grad(STRIDED(const TYPE) g, VECTOR(TYPE) dx, PoolShape shape, int padding_counts, int count) {
    if (shape.wide)
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            gather<WIDTH>(dx, shape, int(i), FromMean<WIDTH>{g, shape, padding_counts});
    else
        for (uint32 i = uint32(thread_index()); i < uint32(count); i += uint32(thread_count()))
            gather<1>(dx, shape, int(i), FromMean<1>{g, shape, padding_counts});
}
