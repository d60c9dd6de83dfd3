// softmax.cu: softmax, its logarithm and cross-entropies along one axis, and their backward. Memory-bound.
//
//   softmax, log_softmax              y = exp(x − m) / s, x − m − log s       with m = max x, s = Σ exp(x − m)
//   softmax_grad                      (g − Σ g·y)·y
//   log_softmax_grad                  g − exp(y)·Σ g
//   sparse_crossentropy(_long)        loss = −log softmax(x)[label]           probabilities = softmax(x) where asked for
//   crossentropy                      loss = −Σ target·log softmax(x)
//   sparse_crossentropy_grad(_long)   (p − [class is label])·g
//   crossentropy_grad                 (p·Σ target − target)·g
//
// Each operand is read once and the result written once as long as a row fits the registers of its threads, LANES·ITEMS
// elements; longer rows are read twice. Per element 1 or 2 exponentials, about 4 FLOPs else. A label outside of its row
// gives a NaN, as loss and as gradient.
//
// How threads share rows is in rows.cuh. The maximum and the sum of a long row are found together: M. Milakov, N.
// Gimelshein, "Online normalizer calculation for softmax" (2018).
//
// Macros: TYPE, the type of the arrays: float, double, or float16, which is computed in float.
#include "rows.cuh"

// Keeps a NaN.
struct Maximum {
    static DEVICE REAL merge(REAL a, REAL b) { return b > a || b != b ? b : a; }
};

DEVICE REAL lowest() { return REAL(__int_as_float(int(0xff800000u))); }

// A row's m = max x and s = Σ exp(x − m). `items` keeps its last chunk.
struct Normaliser {
    REAL largest, sum;
};

template <int COUNT>
DEVICE Normaliser normaliser(REAL (&items)[ITEMS], GLOBAL(const TYPE) x, const Part& part, const Rows& rows,
                             SHARED_POINTER(REAL) scratch) {
    REAL largest = lowest(), sum = 0;
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        load<COUNT>(items, x, part, chunk, lowest());
        REAL before = largest;
        UNROLL
        for (int i = 0; i < ITEMS; i++) largest = Maximum::merge(largest, items[i]);
        if (largest == lowest()) continue;  // −∞ − −∞ would be NaN, and there is nothing to add yet
        sum *= before == largest ? REAL(1) : exp(before - largest);
        UNROLL
        for (int i = 0; i < ITEMS; i++) sum += exp(items[i] - largest);
    }
    const REAL of_row = combine<Maximum>(part, rows, largest, scratch);
    sum = largest == lowest() ? REAL(0) : sum * exp(largest - of_row);
    return {of_row, combine<Sum>(part, rows, sum, scratch)};
}

struct Softmax {
    static DEVICE REAL map(REAL x, const Normaliser& n) { return exp(x - n.largest) / n.sum; }
};
struct LogSoftmax {
    static DEVICE REAL map(REAL x, const Normaliser& n) { return x - n.largest - log(n.sum); }
};

template <class Function, int COUNT>
DEVICE void map_normalised(GLOBAL(const TYPE) x, GLOBAL(TYPE) out, const Rows& rows) {
    SHARED(REAL, scratch, THREADS);
    const Part part(rows);
    REAL items[ITEMS];
    const Normaliser n = normaliser<COUNT>(items, x, part, rows, scratch);
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1) load<COUNT>(items, x, part, chunk, lowest());
        UNROLL
        for (int i = 0; i < ITEMS; i++) items[i] = Function::map(items[i], n);
        store<COUNT>(out, items, part, chunk);
    }
}

KERNEL(THREADS, 2) softmax(VECTOR(const TYPE) x, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        map_normalised<Softmax, WIDTH>(x, out, rows);
    else
        map_normalised<Softmax, 1>(x, out, rows);
}

KERNEL(THREADS, 2) log_softmax(VECTOR(const TYPE) x, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        map_normalised<LogSoftmax, WIDTH>(x, out, rows);
    else
        map_normalised<LogSoftmax, 1>(x, out, rows);
}

// Backward of both: what a row adds up, and what that makes of an element.
struct SoftmaxGrad {
    static DEVICE REAL term(REAL g, REAL y) { return g * y; }
    static DEVICE REAL map(REAL g, REAL y, REAL sum) { return (g - sum) * y; }
};
struct LogSoftmaxGrad {
    static DEVICE REAL term(REAL g, REAL) { return g; }
    static DEVICE REAL map(REAL g, REAL y, REAL sum) { return g - exp(y) * sum; }
};
// g is the targets, y the probabilities; the loss's own gradient scales the result.
struct CrossentropyGrad {
    static DEVICE REAL term(REAL target, REAL) { return target; }
    static DEVICE REAL map(REAL target, REAL p, REAL sum) { return p * sum - target; }
};

struct Unscaled {
    DEVICE REAL of(const Part&) const { return 1; }
};
// A gradient for each row, or one for all with a step of 0.
struct RowScale {
    STRIDED(const TYPE) g;
    int step;
    DEVICE REAL of(const Part& part) const { return part.size > 0 ? REAL(g[part.row * step]) : REAL(0); }
};

template <class Function, int COUNT, class Scale>
DEVICE void map_summed(GLOBAL(const TYPE) g, GLOBAL(const TYPE) y, GLOBAL(TYPE) out, const Rows& rows,
                       const Scale& scale) {
    SHARED(REAL, scratch, THREADS);
    const Part part(rows);
    REAL gs[ITEMS], ys[ITEMS], sum = 0;
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        load<COUNT>(gs, g, part, chunk, 0);
        load<COUNT>(ys, y, part, chunk, 0);
        UNROLL
        for (int i = 0; i < ITEMS; i++) sum += Function::term(gs[i], ys[i]);
    }
    sum = combine<Sum>(part, rows, sum, scratch);
    const REAL factor = scale.of(part);
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1) {
            load<COUNT>(gs, g, part, chunk, 0);
            load<COUNT>(ys, y, part, chunk, 0);
        }
        UNROLL
        for (int i = 0; i < ITEMS; i++) gs[i] = Function::map(gs[i], ys[i], sum) * factor;
        store<COUNT>(out, gs, part, chunk);
    }
}

KERNEL(THREADS, 2) softmax_grad(VECTOR(const TYPE) g, VECTOR(const TYPE) y, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        map_summed<SoftmaxGrad, WIDTH>(g, y, out, rows, Unscaled());
    else
        map_summed<SoftmaxGrad, 1>(g, y, out, rows, Unscaled());
}

KERNEL(THREADS, 2) log_softmax_grad(VECTOR(const TYPE) g, VECTOR(const TYPE) y, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        map_summed<LogSoftmaxGrad, WIDTH>(g, y, out, rows, Unscaled());
    else
        map_summed<LogSoftmaxGrad, 1>(g, y, out, rows, Unscaled());
}

KERNEL(THREADS, 2) crossentropy_grad(VECTOR(const TYPE) targets, VECTOR(const TYPE) probabilities,
                                     STRIDED(const TYPE) g, int g_step, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        map_summed<CrossentropyGrad, WIDTH>(targets, probabilities, out, rows, RowScale{g, g_step});
    else
        map_summed<CrossentropyGrad, 1>(targets, probabilities, out, rows, RowScale{g, g_step});
}

DEVICE REAL not_a_number() { return REAL(__int_as_float(0x7fc00000)); }

template <int COUNT, class LABEL>
DEVICE void sparse_loss(GLOBAL(const TYPE) x, GLOBAL(const LABEL) labels, GLOBAL(TYPE) loss,
                        GLOBAL(TYPE) probabilities, const Rows& rows) {
    SHARED(REAL, scratch, THREADS);
    const Part part(rows);
    REAL items[ITEMS];
    const Normaliser n = normaliser<COUNT>(items, x, part, rows, scratch);
    if (part.size > 0 && part.lane == 0) {
        const LABEL label = labels[part.row];
        const bool exists = label >= 0 && label < rows.size;
        loss[part.row] = TYPE(exists ? -LogSoftmax::map(REAL(x[part.address(int(label))]), n) : not_a_number());
    }
    if (!probabilities) return;
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1) load<COUNT>(items, x, part, chunk, lowest());
        UNROLL
        for (int i = 0; i < ITEMS; i++) items[i] = Softmax::map(items[i], n);
        store<COUNT>(probabilities, items, part, chunk);
    }
}

KERNEL(THREADS, 2) sparse_crossentropy(VECTOR(const TYPE) x, GLOBAL(const int) labels, GLOBAL(TYPE) loss,
                                       VECTOR(TYPE) probabilities, Rows rows) {
    if (rows.wide)
        sparse_loss<WIDTH, int>(x, labels, loss, probabilities, rows);
    else
        sparse_loss<1, int>(x, labels, loss, probabilities, rows);
}

KERNEL(THREADS, 2) sparse_crossentropy_long(VECTOR(const TYPE) x, GLOBAL(const int64) labels, GLOBAL(TYPE) loss,
                                            VECTOR(TYPE) probabilities, Rows rows) {
    if (rows.wide)
        sparse_loss<WIDTH, int64>(x, labels, loss, probabilities, rows);
    else
        sparse_loss<1, int64>(x, labels, loss, probabilities, rows);
}

template <int COUNT, class LABEL>
DEVICE void sparse_grad(GLOBAL(const TYPE) probabilities, GLOBAL(const LABEL) labels, const RowScale& g,
                        GLOBAL(TYPE) out, const Rows& rows) {
    const Part part(rows);
    if (part.size == 0) return;
    const LABEL label = labels[part.row];
    const bool exists = label >= 0 && label < rows.size;
    const REAL scale = exists ? g.of(part) : not_a_number();
    REAL items[ITEMS];
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        load<COUNT>(items, probabilities, part, chunk, 0);
        UNROLL
        for (int i = 0; i < ITEMS; i++)
            items[i] = (items[i] - REAL(part.place(chunk, i, COUNT) == label ? 1 : 0)) * scale;
        store<COUNT>(out, items, part, chunk);
    }
}

KERNEL(THREADS, 2) sparse_crossentropy_grad(VECTOR(const TYPE) probabilities, GLOBAL(const int) labels,
                                            STRIDED(const TYPE) g, int g_step, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        sparse_grad<WIDTH, int>(probabilities, labels, RowScale{g, g_step}, out, rows);
    else
        sparse_grad<1, int>(probabilities, labels, RowScale{g, g_step}, out, rows);
}

KERNEL(THREADS, 2) sparse_crossentropy_long_grad(VECTOR(const TYPE) probabilities, GLOBAL(const int64) labels,
                                                 STRIDED(const TYPE) g, int g_step, VECTOR(TYPE) out, Rows rows) {
    if (rows.wide)
        sparse_grad<WIDTH, int64>(probabilities, labels, RowScale{g, g_step}, out, rows);
    else
        sparse_grad<1, int64>(probabilities, labels, RowScale{g, g_step}, out, rows);
}

template <int COUNT>
DEVICE void loss_of_targets(GLOBAL(const TYPE) x, GLOBAL(const TYPE) targets, GLOBAL(TYPE) loss,
                            GLOBAL(TYPE) probabilities, const Rows& rows) {
    SHARED(REAL, scratch, THREADS);
    const Part part(rows);
    REAL items[ITEMS], wanted[ITEMS], sum = 0;
    const Normaliser n = normaliser<COUNT>(items, x, part, rows, scratch);
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1) load<COUNT>(items, x, part, chunk, lowest());
        load<COUNT>(wanted, targets, part, chunk, 0);
        UNROLL
        for (int i = 0; i < ITEMS; i++)
            if (part.place(chunk, i, COUNT) < part.size) sum += wanted[i] * LogSoftmax::map(items[i], n);
        if (!probabilities) continue;
        UNROLL
        for (int i = 0; i < ITEMS; i++) items[i] = Softmax::map(items[i], n);
        store<COUNT>(probabilities, items, part, chunk);
    }
    sum = combine<Sum>(part, rows, sum, scratch);
    if (part.size > 0 && part.lane == 0) loss[part.row] = TYPE(-sum);
}

KERNEL(THREADS, 2) crossentropy(VECTOR(const TYPE) x, VECTOR(const TYPE) targets, GLOBAL(TYPE) loss,
                                VECTOR(TYPE) probabilities, Rows rows) {
    if (rows.wide)
        loss_of_targets<WIDTH>(x, targets, loss, probabilities, rows);
    else
        loss_of_targets<1>(x, targets, loss, probabilities, rows);
}
