// batch_norm.cu: batch normalisation of a matrix (rows, channels), the channels-last array with its other axes joined.
// Memory-bound. Statistics are computed in two ordered stages, whose split depends on the shape alone.
//
//   batch_norm_moments       of each split of the rows, each channel's mean and Σ (x − mean)²       read x
//   batch_norm_finish        of all rows: mean (+ bias), biased variance, 1 / √(variance + ε)       read splits·channels
//   batch_norm_apply         y = f((x − mean)·inverse·gamma + beta (+ addend)), f: ReLU or nothing  read x (addend), write y
//   batch_norm_grad_sums     of each split, each channel's Σ g and Σ g·(x − mean)                   read g, x (y)
//   batch_norm_grad_finish   dbeta = Σ g, dgamma = Σ g·(x − mean)·inverse                           read splits·channels
//   batch_norm_grad_apply    dx = (g − dbeta/n − x̂·dgamma/n)·inverse·gamma                          read g, x (y), write dx
//
// Forward moves 3·sizeof(TYPE) bytes an element, backward 5·sizeof(TYPE); 10 and 12 FLOPs. Where y is given to backward,
// forward ended in a ReLU and g counts where y > 0; `addend_grad` then gets that g.
//
// Moments: each thread takes chunks of CHUNK rows, whose mean and Σ (x − mean)² it knows exactly as they lie in
// registers, and merges them: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances" (1979). Never E[x²] − μ². A split counts from its first row, its origin, and all from
// that of the first, so that a mean far from zero costs no digits.
//
// A block of 256 threads is `lanes` columns wide, a column being WIDTH neighbouring channels (16 bytes) where the channels
// allow it, else one, and 256 / lanes rows high: with few channels a warp still reads neighbouring rows as one piece.
// blockIdx.x counts columns, blockIdx.y splits of the rows; threads stride over the rows of their split.
//
// Macros: TYPE, the type of all arrays: float or double.
#include "common.cuh"

#define WIDTH int(16 / sizeof(TYPE))
#define CHUNK 8

struct Tile {
    int rows, channels;
    int split_rows;  // rows of a split; the last may have fewer
    int lane_bits;   // log2 of lanes
    int wide;        // whether a column is WIDTH channels
};

// This thread's part of a tile.
struct Part {
    int lanes, height;  // of the block
    int lane, row;      // of the thread; the row counts within the split
    int channel;        // its first
    int begin, end;     // its rows: begin, begin + height, …; none where the tile has no such channel
    DEVICE Part(const Tile& tile, int width) {
        lanes = 1 << tile.lane_bits;
        height = blockDim.x >> tile.lane_bits;
        lane = threadIdx.x & (lanes - 1);
        row = threadIdx.x >> tile.lane_bits;
        channel = (blockIdx.x * lanes + lane) * width;
        const int first = blockIdx.y * tile.split_rows;
        begin = first + row;
        end = channel < tile.channels ? first + min(tile.split_rows, tile.rows - first) : 0;
    }
};

template <int COUNT>
struct Moments {
    TYPE count, mean[COUNT], squares[COUNT];
    DEVICE Moments() : count(0) {
        UNROLL
        for (int j = 0; j < COUNT; j++) mean[j] = squares[j] = 0;
    }
    DEVICE void merge(const Moments& other) {
        if (other.count == TYPE(0)) return;
        const TYPE total = count + other.count;
        const TYPE part = other.count / total;
        UNROLL
        for (int j = 0; j < COUNT; j++) {
            const TYPE difference = other.mean[j] - mean[j];
            mean[j] += difference * part;
            squares[j] += other.squares[j] + difference * difference * (count * part);
        }
        count = total;
    }
};

// The moments of ROWS rows, `step` elements apart, counted from `origin`.
template <int COUNT, int ROWS>
DEVICE Moments<COUNT> moments_of(VECTOR(const TYPE) x, int step, const Vector<TYPE, COUNT>& origin) {
    Vector<TYPE, COUNT> row[ROWS];
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        row[r] = load_vector<COUNT>(x + r * step);
        UNROLL
        for (int j = 0; j < COUNT; j++) row[r][j] -= origin[j];
    }
    Moments<COUNT> moments;
    moments.count = ROWS;
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int j = 0; j < COUNT; j++) moments.mean[j] += row[r][j] * (TYPE(1) / ROWS);
    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int j = 0; j < COUNT; j++) {
            const TYPE difference = row[r][j] - moments.mean[j];
            moments.squares[j] += difference * difference;
        }
    }
    return moments;
}

// Merges the moments of the block's threads, lane by lane, in the order of a tree; row 0 has the result.
template <int COUNT>
DEVICE void merge_rows(Moments<COUNT>& moments, int lanes, int row) {
    SHARED(TYPE, counts, 256);
    SHARED(TYPE, means, 256 * COUNT);
    SHARED(TYPE, squares, 256 * COUNT);
    for (int half = blockDim.x / lanes / 2; half > 0; half /= 2) {
        if (row >= half && row < 2 * half) {
            counts[threadIdx.x] = moments.count;
            UNROLL
            for (int j = 0; j < COUNT; j++) {
                means[j * 256 + threadIdx.x] = moments.mean[j];
                squares[j * 256 + threadIdx.x] = moments.squares[j];
            }
        }
        __syncthreads();
        if (row < half) {
            const int from = threadIdx.x + half * lanes;
            Moments<COUNT> other;
            other.count = counts[from];
            UNROLL
            for (int j = 0; j < COUNT; j++) {
                other.mean[j] = means[j * 256 + from];
                other.squares[j] = squares[j * 256 + from];
            }
            moments.merge(other);
        }
    }
}

template <int COUNT>
DEVICE void moments_of_split(VECTOR(const TYPE) x, VECTOR(TYPE) origins, VECTOR(TYPE) means, VECTOR(TYPE) squares,
                             const Tile& tile) {
    const Part part(tile, COUNT);
    const int step = part.height * tile.channels;
    const bool exists = part.channel < tile.channels;
    const int first = int(blockIdx.y) * tile.split_rows * tile.channels + (exists ? part.channel : 0);
    const Vector<TYPE, COUNT> origin = load_vector<COUNT>(x + first);
    Moments<COUNT> moments;
    int row = part.begin;
    for (; row + (CHUNK - 1) * part.height < part.end; row += CHUNK * part.height)
        moments.merge(moments_of<COUNT, CHUNK>(x + (row * tile.channels + part.channel), step, origin));
    for (; row < part.end; row += part.height)
        moments.merge(moments_of<COUNT, 1>(x + (row * tile.channels + part.channel), step, origin));
    merge_rows(moments, part.lanes, part.row);
    if (part.row > 0 || !exists) return;
    Vector<TYPE, COUNT> mean, square;
    UNROLL
    for (int j = 0; j < COUNT; j++) {
        mean[j] = moments.mean[j];
        square[j] = moments.squares[j];
    }
    store_vector(origins + (int(blockIdx.y) * tile.channels + part.channel), origin);
    store_vector(means + (int(blockIdx.y) * tile.channels + part.channel), mean);
    store_vector(squares + (int(blockIdx.y) * tile.channels + part.channel), square);
}

// origins, means and squares: (splits, channels).
KERNEL(256, 2) batch_norm_moments(VECTOR(const TYPE) x, VECTOR(TYPE) origins, VECTOR(TYPE) means, VECTOR(TYPE) squares,
                                  Tile tile) {
    if (tile.wide)
        moments_of_split<WIDTH>(x, origins, means, squares, tile);
    else
        moments_of_split<1>(x, origins, means, squares, tile);
}

// A block takes 8 channels, and 32 of its threads the splits of each.
#define FINISH_LANES 8

// `shifted` is the mean with the bias added, of which nothing else needs to know; both are null where there is none.
KERNEL(256, 4) batch_norm_finish(VECTOR(const TYPE) origins, VECTOR(const TYPE) means, VECTOR(const TYPE) squares,
                                 GLOBAL(const TYPE) bias, GLOBAL(TYPE) mean, GLOBAL(TYPE) shifted, GLOBAL(TYPE) variance, GLOBAL(TYPE) inverse,
                                 Tile tile, int splits, TYPE epsilon) {
    const int channel = blockIdx.x * FINISH_LANES + threadIdx.x % FINISH_LANES, row = threadIdx.x / FINISH_LANES;
    const bool exists = channel < tile.channels;
    const TYPE origin = origins[exists ? channel : 0];
    Moments<1> moments;
    for (int split = exists ? row : splits; split < splits; split += blockDim.x / FINISH_LANES) {
        Moments<1> other;
        other.count = TYPE(min(tile.split_rows, tile.rows - split * tile.split_rows));
        const int place = split * tile.channels + channel;
        other.mean[0] = origins[place] - origin + means[place];
        other.squares[0] = squares[place];
        moments.merge(other);
    }
    merge_rows(moments, FINISH_LANES, row);
    if (row > 0 || !exists) return;
    const TYPE found = origin + moments.mean[0];
    mean[channel] = found;
    if (bias) shifted[channel] = found + bias[channel];
    variance[channel] = moments.squares[0] / moments.count;
    inverse[channel] = TYPE(1) / sqrt(moments.squares[0] / moments.count + epsilon);
}

// The channels' values of a parameter that may be missing.
template <int COUNT>
DEVICE Vector<TYPE, COUNT> parameter(VECTOR(const TYPE) values, int channel, TYPE missing) {
    if (values) return load_vector<COUNT>(values + channel);
    Vector<TYPE, COUNT> same;
    UNROLL
    for (int j = 0; j < COUNT; j++) same[j] = missing;
    return same;
}

template <int COUNT>
DEVICE void apply(VECTOR(const TYPE) x, VECTOR(const TYPE) mean, VECTOR(const TYPE) inverse, VECTOR(const TYPE) gamma,
                  VECTOR(const TYPE) beta, VECTOR(const TYPE) addend, VECTOR(TYPE) y, const Tile& tile, int activation) {
    const Part part(tile, COUNT);
    if (part.begin >= part.end) return;
    const Vector<TYPE, COUNT> centre = parameter<COUNT>(mean, part.channel, 0);
    const Vector<TYPE, COUNT> shift = parameter<COUNT>(beta, part.channel, 0);
    const Vector<TYPE, COUNT> factor = parameter<COUNT>(gamma, part.channel, 1);
    Vector<TYPE, COUNT> scale = load_vector<COUNT>(inverse + part.channel);
    UNROLL
    for (int j = 0; j < COUNT; j++) scale[j] *= factor[j];
    for (int row = part.begin; row < part.end; row += part.height) {
        const int place = row * tile.channels + part.channel;
        Vector<TYPE, COUNT> value = load_vector<COUNT>(x + place);
        UNROLL
        for (int j = 0; j < COUNT; j++) value[j] = (value[j] - centre[j]) * scale[j] + shift[j];
        if (addend) {
            const Vector<TYPE, COUNT> more = load_vector<COUNT>(addend + place);
            UNROLL
            for (int j = 0; j < COUNT; j++) value[j] += more[j];
        }
        if (activation) {
            UNROLL
            for (int j = 0; j < COUNT; j++) value[j] = relu(value[j]);
        }
        store_vector(y + place, value);
    }
}

// mean, gamma, beta and addend may be null: without mean and gamma it is x·inverse + beta. activation: 1 is ReLU.
KERNEL(256, 4) batch_norm_apply(VECTOR(const TYPE) x, VECTOR(const TYPE) mean, VECTOR(const TYPE) inverse,
                                VECTOR(const TYPE) gamma, VECTOR(const TYPE) beta, VECTOR(const TYPE) addend,
                                VECTOR(TYPE) y, Tile tile, int activation) {
    if (tile.wide)
        apply<WIDTH>(x, mean, inverse, gamma, beta, addend, y, tile, activation);
    else
        apply<1>(x, mean, inverse, gamma, beta, addend, y, tile, activation);
}

// g where y > 0, or all of it where there is no y.
template <int COUNT>
DEVICE Vector<TYPE, COUNT> through_relu(VECTOR(const TYPE) g, VECTOR(const TYPE) y, int place) {
    Vector<TYPE, COUNT> value = load_vector<COUNT>(g + place);
    if (y) {
        const Vector<TYPE, COUNT> output = load_vector<COUNT>(y + place);
        UNROLL
        for (int j = 0; j < COUNT; j++) value[j] = output[j] > TYPE(0) ? value[j] : TYPE(0);
    }
    return value;
}

// Adds up `sum` over the block's rows, lane by lane, in the order of a tree; row 0 has the result.
template <int COUNT>
DEVICE void sum_rows(TYPE (&sum)[COUNT], int lanes, int row) {
    SHARED(TYPE, sums, 256 * COUNT);
    for (int half = blockDim.x / lanes / 2; half > 0; half /= 2) {
        if (row >= half && row < 2 * half) {
            UNROLL
            for (int j = 0; j < COUNT; j++) sums[j * 256 + threadIdx.x] = sum[j];
        }
        __syncthreads();
        if (row < half) {
            UNROLL
            for (int j = 0; j < COUNT; j++) sum[j] += sums[j * 256 + threadIdx.x + half * lanes];
        }
    }
}

template <int COUNT>
DEVICE void sums_of_split(VECTOR(const TYPE) g, VECTOR(const TYPE) x, VECTOR(const TYPE) y, VECTOR(const TYPE) mean,
                          VECTOR(TYPE) sums, VECTOR(TYPE) products, const Tile& tile) {
    const Part part(tile, COUNT);
    const bool exists = part.channel < tile.channels;
    const Vector<TYPE, COUNT> centre = load_vector<COUNT>(mean + (exists ? part.channel : 0));
    TYPE both[2 * COUNT];
    UNROLL
    for (int j = 0; j < 2 * COUNT; j++) both[j] = 0;
    for (int row = part.begin; row < part.end; row += part.height) {
        const int place = row * tile.channels + part.channel;
        const Vector<TYPE, COUNT> gradient = through_relu<COUNT>(g, y, place);
        const Vector<TYPE, COUNT> value = load_vector<COUNT>(x + place);
        UNROLL
        for (int j = 0; j < COUNT; j++) {
            both[j] += gradient[j];
            both[COUNT + j] += gradient[j] * (value[j] - centre[j]);
        }
    }
    sum_rows(both, part.lanes, part.row);
    if (part.row > 0 || !exists) return;
    Vector<TYPE, COUNT> sum, product;
    UNROLL
    for (int j = 0; j < COUNT; j++) {
        sum[j] = both[j];
        product[j] = both[COUNT + j];
    }
    store_vector(sums + (int(blockIdx.y) * tile.channels + part.channel), sum);
    store_vector(products + (int(blockIdx.y) * tile.channels + part.channel), product);
}

// sums and products: (splits, channels).
KERNEL(256, 2) batch_norm_grad_sums(VECTOR(const TYPE) g, VECTOR(const TYPE) x, VECTOR(const TYPE) y,
                                    VECTOR(const TYPE) mean, VECTOR(TYPE) sums, VECTOR(TYPE) products, Tile tile) {
    if (tile.wide)
        sums_of_split<WIDTH>(g, x, y, mean, sums, products, tile);
    else
        sums_of_split<1>(g, x, y, mean, sums, products, tile);
}

KERNEL(256, 4) batch_norm_grad_finish(VECTOR(const TYPE) sums, VECTOR(const TYPE) products, GLOBAL(const TYPE) inverse,
                                      GLOBAL(TYPE) dgamma, GLOBAL(TYPE) dbeta, Tile tile, int splits) {
    const int channel = blockIdx.x * FINISH_LANES + threadIdx.x % FINISH_LANES, row = threadIdx.x / FINISH_LANES;
    TYPE both[2] = {0, 0};
    for (int split = channel < tile.channels ? row : splits; split < splits; split += blockDim.x / FINISH_LANES) {
        both[0] += sums[split * tile.channels + channel];
        both[1] += products[split * tile.channels + channel];
    }
    sum_rows(both, FINISH_LANES, row);
    if (row > 0 || channel >= tile.channels) return;
    dbeta[channel] = both[0];
    dgamma[channel] = both[1] * inverse[channel];
}

template <int COUNT>
DEVICE void apply_grad(VECTOR(const TYPE) g, VECTOR(const TYPE) x, VECTOR(const TYPE) y, VECTOR(const TYPE) mean,
                       VECTOR(const TYPE) inverse, VECTOR(const TYPE) gamma, VECTOR(const TYPE) dgamma,
                       VECTOR(const TYPE) dbeta, VECTOR(TYPE) dx, VECTOR(TYPE) addend_grad, const Tile& tile) {
    const Part part(tile, COUNT);
    if (part.begin >= part.end) return;
    const Vector<TYPE, COUNT> centre = load_vector<COUNT>(mean + part.channel);
    const Vector<TYPE, COUNT> factor = parameter<COUNT>(gamma, part.channel, 1);
    Vector<TYPE, COUNT> scale = load_vector<COUNT>(inverse + part.channel);
    Vector<TYPE, COUNT> slope = load_vector<COUNT>(dgamma + part.channel);
    Vector<TYPE, COUNT> shift = load_vector<COUNT>(dbeta + part.channel);
    UNROLL
    for (int j = 0; j < COUNT; j++) {
        slope[j] *= scale[j] / TYPE(tile.rows);
        shift[j] /= TYPE(tile.rows);
        scale[j] *= factor[j];
    }
    for (int row = part.begin; row < part.end; row += part.height) {
        const int place = row * tile.channels + part.channel;
        const Vector<TYPE, COUNT> gradient = through_relu<COUNT>(g, y, place);
        if (addend_grad) store_vector(addend_grad + place, gradient);
        Vector<TYPE, COUNT> value = load_vector<COUNT>(x + place);
        UNROLL
        for (int j = 0; j < COUNT; j++)
            value[j] = (gradient[j] - shift[j] - (value[j] - centre[j]) * slope[j]) * scale[j];
        store_vector(dx + place, value);
    }
}

KERNEL(256, 4) batch_norm_grad_apply(VECTOR(const TYPE) g, VECTOR(const TYPE) x, VECTOR(const TYPE) y,
                                     VECTOR(const TYPE) mean, VECTOR(const TYPE) inverse, VECTOR(const TYPE) gamma,
                                     VECTOR(const TYPE) dgamma, VECTOR(const TYPE) dbeta, VECTOR(TYPE) dx,
                                     VECTOR(TYPE) addend_grad, Tile tile) {
    if (tile.wide)
        apply_grad<WIDTH>(g, x, y, mean, inverse, gamma, dgamma, dbeta, dx, addend_grad, tile);
    else
        apply_grad<1>(g, x, y, mean, inverse, gamma, dgamma, dbeta, dx, addend_grad, tile);
}
