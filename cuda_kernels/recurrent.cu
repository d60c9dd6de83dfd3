// recurrent.cu: LSTM and GRU along a sequence whose inputs have been projected, and their backward. Bound by the reads of
// the kernel, which each sample makes anew at every step, from the second-level cache.
//
//   lstm        z = x[t] + h·K; i, f, o = sigmoid(z), g = tanh(z); c = f·c + i·g; h = o·tanh(c)
//   lstm_grad   from the last step to the first: what x[t], which is what the product h·K gets too, and the states get
//   gru         p = h·K + bias; z, r = sigmoid(x[t] + p); n = tanh(x[t] + r·p); h = n + z·(h − n)
//   gru_grad    the same backwards; x[t] and p differ in the candidate's part
//
// A block is one sample, whose steps follow each other without the other samples; its states are in shared memory. A thread
// takes the columns threadIdx.x, threadIdx.x + THREADS, … of a product, so that neighbouring threads read neighbouring
// elements of a row of the kernel, of which backward gets the transpose; then the units threadIdx.x, ….
// Bytes a step and sample: gates·units²·s from the cache; FLOPs: 2·gates·units².
//
// A mask is not 0 where the sample takes part in a step; elsewhere its states stay as they are. What is only needed by
// backward (gates, cs, tanhs, inner) is a null pointer where nobody wants it.
//
// Macros: TYPE, float or double.
#include "common.cuh"

#define THREADS 256
#define LARGEST 1024  // units, as in recurrent.py: 48 KiB of shared memory for doubles

struct Sizes {
    int steps, batch, units;
};

DEVICE TYPE sigmoid_of(TYPE x) { return TYPE(1) / (TYPE(1) + exp(-x)); }

// Row `row` of a (rows, inner) state times column `column` of the kernel.
DEVICE TYPE product_of(SHARED_POINTER(TYPE) state, GLOBAL(const TYPE) kernel, int inner, int columns, int column) {
    TYPE sum = 0;
    for (int u = 0; u < inner; ++u) {
        const TYPE value = state[u];
        sum += value * kernel[int64(u) * columns + column];
    }
    return sum;
}

KERNEL(THREADS) lstm(GLOBAL(const TYPE) x, GLOBAL(const TYPE) kernel, GLOBAL(const TYPE) h, GLOBAL(const TYPE) c,
                     GLOBAL(const TYPE) mask, GLOBAL(TYPE) outputs, GLOBAL(TYPE) last_h, GLOBAL(TYPE) last_c,
                     GLOBAL(TYPE) gates, GLOBAL(TYPE) cs, GLOBAL(TYPE) tanhs, Sizes sizes) {
    SHARED(TYPE, state, LARGEST);
    SHARED(TYPE, carry, LARGEST);
    SHARED(TYPE, z, 4 * LARGEST);
    const int units = sizes.units, wide = 4 * units, sample = blockIdx.x;
    for (int u = threadIdx.x; u < units; u += THREADS) {
        state[u] = h[sample * units + u];
        carry[u] = c[sample * units + u];
    }
    __syncthreads();
    for (int t = 0; t < sizes.steps; ++t) {
        const int64 row = int64(t) * sizes.batch + sample;
        for (int k = threadIdx.x; k < wide; k += THREADS) {
            const TYPE sum = x[row * wide + k] + product_of(state, kernel, units, wide, k);
            const TYPE gate = k / units == 2 ? tanh(sum) : sigmoid_of(sum);
            z[k] = gate;
            if (gates) gates[row * wide + k] = gate;
        }
        __syncthreads();
        const bool takes_part = !mask || mask[row] != 0;
        for (int u = threadIdx.x; u < units; u += THREADS) {
            const TYPE before = carry[u];
            const TYPE i = z[u], f = z[u + units], g = z[u + 2 * units], o = z[u + 3 * units];
            const TYPE next = f * before + i * g, bounded = tanh(next);
            if (takes_part) {
                carry[u] = next;
                state[u] = o * bounded;
            }
            const TYPE now = carry[u], output = state[u];
            outputs[row * units + u] = output;
            if (cs) {
                cs[row * units + u] = now;
                tanhs[row * units + u] = bounded;
            }
        }
        __syncthreads();
    }
    for (int u = threadIdx.x; u < units; u += THREADS) {
        last_h[sample * units + u] = state[u];
        last_c[sample * units + u] = carry[u];
    }
}

KERNEL(THREADS) lstm_grad(GLOBAL(const TYPE) transposed, GLOBAL(const TYPE) c, GLOBAL(const TYPE) mask,
                          GLOBAL(const TYPE) gates, GLOBAL(const TYPE) cs, GLOBAL(const TYPE) tanhs,
                          GLOBAL(const TYPE) g, GLOBAL(const TYPE) g_h, GLOBAL(const TYPE) g_c, GLOBAL(TYPE) dx,
                          GLOBAL(TYPE) dh, GLOBAL(TYPE) dc, Sizes sizes) {
    SHARED(TYPE, d_state, LARGEST);
    SHARED(TYPE, d_carry, LARGEST);
    SHARED(TYPE, d_z, 4 * LARGEST);
    const int units = sizes.units, wide = 4 * units, sample = blockIdx.x;
    for (int u = threadIdx.x; u < units; u += THREADS) {
        d_state[u] = g_h ? g_h[sample * units + u] : TYPE(0);
        d_carry[u] = g_c ? g_c[sample * units + u] : TYPE(0);
    }
    for (int t = sizes.steps - 1; t >= 0; --t) {
        const int64 row = int64(t) * sizes.batch + sample;
        const bool takes_part = !mask || mask[row] != 0;
        for (int u = threadIdx.x; u < units; u += THREADS) {
            const TYPE sum = d_state[u] + (g ? g[row * units + u] : TYPE(0));
            TYPE d_i = 0, d_f = 0, d_g = 0, d_o = 0;
            if (takes_part) {
                const int64 gate = row * wide + u;
                const TYPE i = gates[gate], f = gates[gate + units];
                const TYPE candidate = gates[gate + 2 * units], o = gates[gate + 3 * units];
                const TYPE bounded = tanhs[row * units + u];
                const TYPE before = t ? cs[(row - sizes.batch) * units + u] : c[sample * units + u];
                const TYPE d = d_carry[u] + sum * o * (TYPE(1) - bounded * bounded);
                d_i = d * candidate * i * (TYPE(1) - i);
                d_f = d * before * f * (TYPE(1) - f);
                d_g = d * i * (TYPE(1) - candidate * candidate);
                d_o = sum * bounded * o * (TYPE(1) - o);
                d_carry[u] = d * f;
            }
            d_state[u] = sum;
            d_z[u] = d_i;
            d_z[u + units] = d_f;
            d_z[u + 2 * units] = d_g;
            d_z[u + 3 * units] = d_o;
            dx[row * wide + u] = d_i;
            dx[row * wide + u + units] = d_f;
            dx[row * wide + u + 2 * units] = d_g;
            dx[row * wide + u + 3 * units] = d_o;
        }
        __syncthreads();
        if (takes_part)
            for (int u = threadIdx.x; u < units; u += THREADS)
                d_state[u] = product_of(d_z, transposed, wide, units, u);
        __syncthreads();
    }
    for (int u = threadIdx.x; u < units; u += THREADS) {
        dh[sample * units + u] = d_state[u];
        dc[sample * units + u] = d_carry[u];
    }
}

KERNEL(THREADS) gru(GLOBAL(const TYPE) x, GLOBAL(const TYPE) kernel, GLOBAL(const TYPE) bias, GLOBAL(const TYPE) h,
                    GLOBAL(const TYPE) mask, GLOBAL(TYPE) outputs, GLOBAL(TYPE) last_h, GLOBAL(TYPE) gates,
                    GLOBAL(TYPE) inner, Sizes sizes) {
    SHARED(TYPE, state, LARGEST);
    SHARED(TYPE, p, 3 * LARGEST);
    const int units = sizes.units, wide = 3 * units, sample = blockIdx.x;
    for (int u = threadIdx.x; u < units; u += THREADS) state[u] = h[sample * units + u];
    __syncthreads();
    for (int t = 0; t < sizes.steps; ++t) {
        const int64 row = int64(t) * sizes.batch + sample;
        for (int k = threadIdx.x; k < wide; k += THREADS) {
            const TYPE sum = product_of(state, kernel, units, wide, k);
            p[k] = bias ? sum + bias[k] : sum;
        }
        __syncthreads();
        const bool takes_part = !mask || mask[row] != 0;
        for (int u = threadIdx.x; u < units; u += THREADS) {
            const int64 gate = row * wide + u;
            const TYPE p_z = p[u], p_r = p[u + units], share = p[u + 2 * units], before = state[u];
            const TYPE z = sigmoid_of(x[gate] + p_z), r = sigmoid_of(x[gate + units] + p_r);
            const TYPE candidate = tanh(x[gate + 2 * units] + r * share);
            if (gates) {
                gates[gate] = z;
                gates[gate + units] = r;
                gates[gate + 2 * units] = candidate;
                inner[row * units + u] = share;
            }
            const TYPE now = takes_part ? candidate + z * (before - candidate) : before;
            state[u] = now;
            outputs[row * units + u] = now;
        }
        __syncthreads();
    }
    for (int u = threadIdx.x; u < units; u += THREADS) last_h[sample * units + u] = state[u];
}

KERNEL(THREADS) gru_grad(GLOBAL(const TYPE) transposed, GLOBAL(const TYPE) h, GLOBAL(const TYPE) mask,
                         GLOBAL(const TYPE) outputs, GLOBAL(const TYPE) gates, GLOBAL(const TYPE) inner,
                         GLOBAL(const TYPE) g, GLOBAL(const TYPE) g_h, GLOBAL(TYPE) dx, GLOBAL(TYPE) d_product,
                         GLOBAL(TYPE) dh, Sizes sizes) {
    SHARED(TYPE, d_state, LARGEST);
    SHARED(TYPE, d_p, 3 * LARGEST);
    const int units = sizes.units, wide = 3 * units, sample = blockIdx.x;
    for (int u = threadIdx.x; u < units; u += THREADS) d_state[u] = g_h ? g_h[sample * units + u] : TYPE(0);
    for (int t = sizes.steps - 1; t >= 0; --t) {
        const int64 row = int64(t) * sizes.batch + sample;
        const bool takes_part = !mask || mask[row] != 0;
        for (int u = threadIdx.x; u < units; u += THREADS) {
            const int64 gate = row * wide + u;
            const TYPE sum = d_state[u] + (g ? g[row * units + u] : TYPE(0));
            TYPE d_z = 0, d_r = 0, d_candidate = 0, d_share = 0, direct = sum;
            if (takes_part) {
                const TYPE z = gates[gate], r = gates[gate + units], candidate = gates[gate + 2 * units];
                const TYPE before = t ? outputs[(row - sizes.batch) * units + u] : h[sample * units + u];
                direct = sum * z;
                d_z = sum * (before - candidate) * z * (TYPE(1) - z);
                d_candidate = (sum - direct) * (TYPE(1) - candidate * candidate);
                d_r = d_candidate * inner[row * units + u] * r * (TYPE(1) - r);
                d_share = d_candidate * r;
            }
            d_state[u] = direct;
            d_p[u] = d_z;
            d_p[u + units] = d_r;
            d_p[u + 2 * units] = d_share;
            dx[gate] = d_product[gate] = d_z;
            dx[gate + units] = d_product[gate + units] = d_r;
            dx[gate + 2 * units] = d_candidate;
            d_product[gate + 2 * units] = d_share;
        }
        __syncthreads();
        if (takes_part)
            for (int u = threadIdx.x; u < units; u += THREADS)
                d_state[u] = d_state[u] + product_of(d_p, transposed, wide, units, u);
        __syncthreads();
    }
    for (int u = threadIdx.x; u < units; u += THREADS) dh[sample * units + u] = d_state[u];
}
