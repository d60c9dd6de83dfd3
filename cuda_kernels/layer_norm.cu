// layer_norm.cu: normalisation of rows by their own statistics, and its backward: layer and RMS normalisation.
// Memory-bound.
//
//   layer_norm             y = (x − mean)·inverse·gamma + beta, inverse = 1 / √(mean of (x − mean)² + ε)   read x, write y
//   layer_norm_grad        dx = (h − mean of h − x̂·mean of h·x̂)·inverse, h = g·gamma                       read g, x, write dx
//   layer_norm_grad_sums   of each split of the rows, each column's Σ g·x̂ and Σ g                          read g, x
//
// x̂ is (x − mean)·inverse. Where rows are not `centred`, there is no mean: RMS normalisation. Per element 2·sizeof(TYPE)
// bytes forward and 5·sizeof(TYPE) backward, some 8 and 15 FLOPs. Sums of the splits are added up by another kernel.
//
// How threads share rows is in rows.cuh. A row counts from its first element, the origin, and what it deviates by is
// summed from registers in a second pass: a mean far from zero costs no digits. `shifts` are the means from there. A row
// longer than its threads' registers, LANES·ITEMS elements, is read again for each pass, two or three times.
//
// The sums lie in columns: a block is 32 columns wide and 8 rows high, blockIdx.x counts columns and blockIdx.y splits of
// the rows, which threads stride over. The splits depend on the shape alone.
//
// Macros: TYPE, the type of x, y, g and dx: float, double, float16 or bfloat16; WIDE, in which the others are and sums
// are taken: double for double, else float.
#include "rows.cuh"

// What a row counts from.
struct Centre {
    REAL origin, shift;
    DEVICE REAL of(REAL x) const { return x - origin - shift; }
};

DEVICE Centre centre_of(GLOBAL(const TYPE) x, GLOBAL(const WIDE) shifts, const Part& part) {
    if (!shifts || part.size == 0) return {REAL(0), REAL(0)};
    return {REAL(x[part.first]), REAL(shifts[part.row])};
}

// A chunk of a parameter that is the same for all rows; 0 beyond its end, and `missing` where there is none.
template <int COUNT>
DEVICE void load_parameter(REAL (&items)[ITEMS], VECTOR(const WIDE) values, const Part& part, int chunk, REAL missing) {
    UNROLL
    for (int i = 0; i < ITEMS; i += COUNT) {
        const int place = part.place(chunk, i, COUNT);
        Vector<WIDE, COUNT> value;
        UNROLL
        for (int j = 0; j < COUNT; j++) value[j] = values ? REAL(0) : missing;
        if (values && place < part.size) value = load_vector<COUNT>(values + place);
        UNROLL
        for (int j = 0; j < COUNT; j++) items[i + j] = value[j];
    }
}

// The mean of a row from its origin.
template <int COUNT>
DEVICE Centre find_centre(REAL (&items)[ITEMS], GLOBAL(const TYPE) x, const Part& part, const Rows& rows,
                          SHARED_POINTER(REAL) scratch) {
    const REAL origin = part.size > 0 ? REAL(x[part.first]) : REAL(0);
    REAL sum = 0;
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        load<COUNT>(items, x, part, chunk, origin);
        UNROLL
        for (int i = 0; i < ITEMS; i++) sum += items[i] - origin;
    }
    return {origin, combine<Sum>(part, rows, sum, scratch) / REAL(rows.size)};
}

template <int COUNT>
DEVICE void normalise(GLOBAL(const TYPE) x, VECTOR(const WIDE) gamma, VECTOR(const WIDE) beta, GLOBAL(TYPE) y,
                      GLOBAL(WIDE) shifts, GLOBAL(WIDE) inverses, const Rows& rows, REAL epsilon, bool centred) {
    SHARED(REAL, scratch, THREADS);
    const Part part(rows);
    REAL items[ITEMS], factors[ITEMS], squares = 0;
    Centre centre = {REAL(0), REAL(0)};
    if (centred) centre = find_centre<COUNT>(items, x, part, rows, scratch);
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1 || !centred) load<COUNT>(items, x, part, chunk, 0);
        UNROLL
        for (int i = 0; i < ITEMS; i++) {
            items[i] = centre.of(items[i]);
            if (part.place(chunk, i, COUNT) < part.size) squares += items[i] * items[i];
        }
    }
    squares = combine<Sum>(part, rows, squares, scratch);
    const REAL inverse = REAL(1) / sqrt(squares / REAL(rows.size) + epsilon);
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1) {
            load<COUNT>(items, x, part, chunk, 0);
            UNROLL
            for (int i = 0; i < ITEMS; i++) items[i] = centre.of(items[i]);
        }
        load_parameter<COUNT>(factors, gamma, part, chunk, 1);
        UNROLL
        for (int i = 0; i < ITEMS; i++) items[i] *= inverse * factors[i];
        load_parameter<COUNT>(factors, beta, part, chunk, 0);
        UNROLL
        for (int i = 0; i < ITEMS; i++) items[i] += factors[i];
        store<COUNT>(y, items, part, chunk);
    }
    if (part.size == 0 || part.lane > 0 || !inverses) return;
    inverses[part.row] = inverse;
    if (centred) shifts[part.row] = centre.shift;
}

// gamma and beta may be null, and shifts and inverses, which have a number for each row.
KERNEL(THREADS, 2) layer_norm(VECTOR(const TYPE) x, VECTOR(const WIDE) gamma, VECTOR(const WIDE) beta, VECTOR(TYPE) y,
                              GLOBAL(WIDE) shifts, GLOBAL(WIDE) inverses, Rows rows, WIDE epsilon, int centred) {
    if (rows.wide)
        normalise<WIDTH>(x, gamma, beta, y, shifts, inverses, rows, epsilon, centred);
    else
        normalise<1>(x, gamma, beta, y, shifts, inverses, rows, epsilon, centred);
}

// A chunk of h = g·gamma and of x̂.
template <int COUNT>
DEVICE void load_terms(REAL (&hs)[ITEMS], REAL (&xs)[ITEMS], GLOBAL(const TYPE) g, GLOBAL(const TYPE) x,
                       VECTOR(const WIDE) gamma, const Part& part, int chunk, const Centre& centre, REAL inverse) {
    load<COUNT>(xs, x, part, chunk, 0);
    load_parameter<COUNT>(hs, gamma, part, chunk, 1);
    REAL gs[ITEMS];
    load<COUNT>(gs, g, part, chunk, 0);
    UNROLL
    for (int i = 0; i < ITEMS; i++) {
        hs[i] *= gs[i];
        xs[i] = centre.of(xs[i]) * inverse;
    }
}

template <int COUNT>
DEVICE void normalise_grad(GLOBAL(const TYPE) g, GLOBAL(const TYPE) x, VECTOR(const WIDE) gamma,
                           GLOBAL(const WIDE) shifts, GLOBAL(const WIDE) inverses, GLOBAL(TYPE) dx, const Rows& rows) {
    SHARED(REAL, scratch, THREADS);
    const Part part(rows);
    const Centre centre = centre_of(x, shifts, part);
    const REAL inverse = part.size > 0 ? REAL(inverses[part.row]) : REAL(0);
    REAL hs[ITEMS], xs[ITEMS], sum = 0, product = 0;
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        load_terms<COUNT>(hs, xs, g, x, gamma, part, chunk, centre, inverse);
        UNROLL
        for (int i = 0; i < ITEMS; i++) {
            sum += hs[i];
            product += hs[i] * xs[i];
        }
    }
    product = combine<Sum>(part, rows, product, scratch) / REAL(rows.size);
    sum = shifts ? combine<Sum>(part, rows, sum, scratch) / REAL(rows.size) : REAL(0);
    for (int chunk = 0; chunk < rows.chunks; chunk++) {
        if (rows.chunks > 1) load_terms<COUNT>(hs, xs, g, x, gamma, part, chunk, centre, inverse);
        UNROLL
        for (int i = 0; i < ITEMS; i++) hs[i] = (hs[i] - sum - xs[i] * product) * inverse;
        store<COUNT>(dx, hs, part, chunk);
    }
}

// gamma may be null; shifts are, where rows are not centred.
KERNEL(THREADS, 2) layer_norm_grad(VECTOR(const TYPE) g, VECTOR(const TYPE) x, VECTOR(const WIDE) gamma,
                                   GLOBAL(const WIDE) shifts, GLOBAL(const WIDE) inverses, VECTOR(TYPE) dx, Rows rows) {
    if (rows.wide)
        normalise_grad<WIDTH>(g, x, gamma, shifts, inverses, dx, rows);
    else
        normalise_grad<1>(g, x, gamma, shifts, inverses, dx, rows);
}

// sums: (splits, parameters, columns): Σ g·x̂, and where there are two parameters Σ g.
KERNEL(THREADS, 4) layer_norm_grad_sums(GLOBAL(const TYPE) g, GLOBAL(const TYPE) x, GLOBAL(const WIDE) shifts,
                                        GLOBAL(const WIDE) inverses, GLOBAL(WIDE) sums, int count, int columns,
                                        int split_rows, int parameters) {
    SHARED(REAL, of_products, THREADS);
    SHARED(REAL, of_gradients, THREADS);
    const int column = blockIdx.x * WARP + threadIdx.x % WARP, height = THREADS / WARP;
    const int begin = blockIdx.y * split_rows, end = column < columns ? min(begin + split_rows, count) : begin;
    REAL product = 0, sum = 0;
    for (int row = begin + threadIdx.x / WARP; row < end; row += height) {
        Centre centre = {REAL(0), REAL(0)};
        if (shifts) centre = {REAL(x[row * columns]), REAL(shifts[row])};
        const REAL gradient = REAL(g[row * columns + column]);
        product += gradient * (centre.of(REAL(x[row * columns + column])) * REAL(inverses[row]));
        sum += gradient;
    }
    of_products[threadIdx.x] = product;
    of_gradients[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x >= WARP || column >= columns) return;
    for (int row = 1; row < height; row++) {
        product += of_products[row * WARP + threadIdx.x];
        sum += of_gradients[row * WARP + threadIdx.x];
    }
    const int place = blockIdx.y * parameters * columns + column;
    sums[place] = product;
    if (parameters > 1) sums[place + columns] = sum;
}
