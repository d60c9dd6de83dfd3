// update.cu: one step of an optimizer over flat parameters p, gradients g and moments. One launch updates a whole arena;
// learning rate, step count and flags are read on the device, so a recorded step can be replayed. Memory-bound.
//
//   gather         flat[offset k + i] = gₖ[i] / scale, for up to 8 arrays; notes inf and NaN   2·sizeof(TYPE) bytes
//   sgd            p −= η·g                                                                   3·sizeof(TYPE) bytes
//   momentum       s = η·g; m = μ·m − s; p += m, or μ·m − s (Nesterov)                        5·sizeof(TYPE)
//   rmsprop        v += (g² − v)·(1 − ρ); a += (g − a)·(1 − ρ); s = η·g / √(v − a² + ε);
//                  m = μ·m + s; p −= m; without the moments a and m where they are null        5 to 9·sizeof(TYPE)
//   adam           m += (g − m)·(1 − β₁); v += (g² − v)·(1 − β₂); w = max(w, v), or v where w is null;
//                  p −= α·m / (√w + ε), α = η·√(1 − β₂ᵗ) / (1 − β₁ᵗ), t = iterations + 1      7 or 9·sizeof(TYPE)
//   adagrad, adadelta, adamax, nadam, lion, ftrl: their formulas are in primitives/update.py   5 or 7·sizeof(TYPE)
//   lamb_direction m and v as in adam; g = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)             6·sizeof(TYPE)
//   weight_decay   p −= λ·η·p                                                                 2·sizeof(TYPE)
//   add_one        iterations += 1
//   nadam_product  product *= β₁·(1 − 0.96ᵗ/2)
//   adjust_scale   the loss scale: halved after a step with inf or NaN, doubled after `growth` steps without
//
// η is read from `rate32` or `rate64`, the other is null. Every update but `gather` and `adjust_scale` does nothing where
// `skip` is not null and not 0. Four elements a step, the last threads take the tail one by one. 2 to 12 FLOPs an element.
//
// Macros: TYPE, float or double.
#include "common.cuh"

DEVICE TYPE rate_of(GLOBAL(const float) rate32, GLOBAL(const double) rate64) {
    return rate32 ? TYPE(rate32[0]) : TYPE(rate64[0]);
}
DEVICE bool skips(GLOBAL(const int) skip) { return skip && skip[0] != 0; }
DEVICE void move(TYPE& average, TYPE value, TYPE share) { average += (value - average) * share; }

// Calls rule(p, g, a, b, c) on the elements of five arrays, of which all but the first may be null.
template <class Rule>
DEVICE void each(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) a, VECTOR(TYPE) b, VECTOR(TYPE) c, int64 count,
                 Rule rule) {
    const int64 vectors = count / 4;
    for (int64 i = thread_index(); i < vectors; i += thread_count()) {
        Vec4<TYPE> p4 = load4(p + 4 * i), g4, a4, b4, c4;
        if (g) g4 = load4(g + 4 * i);
        if (a) a4 = load4(a + 4 * i);
        if (b) b4 = load4(b + 4 * i);
        if (c) c4 = load4(c + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++) rule(p4[j], g4[j], a4[j], b4[j], c4[j]);
        store4(p + 4 * i, p4);
        if (a) store4(a + 4 * i, a4);
        if (b) store4(b + 4 * i, b4);
        if (c) store4(c + 4 * i, c4);
    }
    const int64 i = 4 * vectors + thread_index();
    if (i >= count) return;
    TYPE p1 = p[i], g1, a1, b1, c1;
    if (g) g1 = g[i];
    if (a) a1 = a[i];
    if (b) b1 = b[i];
    if (c) c1 = c[i];
    rule(p1, g1, a1, b1, c1);
    p[i] = p1;
    if (a) a[i] = a1;
    if (b) b[i] = b1;
    if (c) c[i] = c1;
}

struct Sgd {
    TYPE rate;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE&, TYPE&, TYPE&) const { p -= rate * g; }
};

KERNEL(256)
sgd(VECTOR(TYPE) p, VECTOR(const TYPE) g, GLOBAL(const float) rate32, GLOBAL(const double) rate64,
    GLOBAL(const int) skip, int64 count) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    each(p, g, none, none, none, count, Sgd{rate_of(rate32, rate64)});
}

struct Momentum {
    TYPE rate, momentum;
    int nesterov;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& m, TYPE&, TYPE&) const {
        const TYPE step = rate * g;
        m = momentum * m - step;
        p += nesterov ? momentum * m - step : m;
    }
};

KERNEL(256)
momentum(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) m, GLOBAL(const float) rate32, GLOBAL(const double) rate64,
         GLOBAL(const int) skip, int64 count, double momentum, int nesterov) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    each(p, g, m, none, none, count, Momentum{rate_of(rate32, rate64), TYPE(momentum), nesterov});
}

struct RmsProp {
    TYPE rate, share, momentum, epsilon;
    bool centered, accumulates;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& v, TYPE& a, TYPE& m) const {
        move(v, g * g, share);
        TYPE spread = v;
        if (centered) {
            move(a, g, share);
            spread -= a * a;
        }
        TYPE step = g / sqrt(spread + epsilon) * rate;
        if (accumulates) step = m = momentum * m + step;
        p -= step;
    }
};

KERNEL(256)
rmsprop(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) v, VECTOR(TYPE) a, VECTOR(TYPE) m,
        GLOBAL(const float) rate32, GLOBAL(const double) rate64, GLOBAL(const int) skip, int64 count, double share,
        double momentum, double epsilon) {
    if (skips(skip)) return;
    const TYPE rate = rate_of(rate32, rate64);
    each(p, g, v, a, m, count, RmsProp{rate, TYPE(share), TYPE(momentum), TYPE(epsilon), bool(a), bool(m)});
}

struct Adam {
    TYPE rate, share_1, share_2, epsilon;
    bool keeps_largest;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& m, TYPE& v, TYPE& w) const {
        move(m, g, share_1);
        move(v, g * g, share_2);
        TYPE largest = v;
        if (keeps_largest) largest = w = v > w || v != v ? v : w;
        p -= m / (sqrt(largest) + epsilon) * rate;
    }
};

// The shares are 1 − β; 1 − βᵗ is −expm1(t·log β).
KERNEL(256)
adam(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) m, VECTOR(TYPE) v, VECTOR(TYPE) w, GLOBAL(const float) rate32,
     GLOBAL(const double) rate64, GLOBAL(const int) iterations, GLOBAL(const int) skip, int64 count, double share_1,
     double share_2, double log_beta_1, double log_beta_2, double epsilon) {
    if (skips(skip)) return;
    const TYPE t = TYPE(iterations[0]) + TYPE(1);
    const TYPE correction = sqrt(-expm1(t * TYPE(log_beta_2))) / -expm1(t * TYPE(log_beta_1));
    const TYPE rate = rate_of(rate32, rate64) * correction;
    each(p, g, m, v, w, count, Adam{rate, TYPE(share_1), TYPE(share_2), TYPE(epsilon), bool(w)});
}

struct Adagrad {
    TYPE rate, epsilon;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& a, TYPE&, TYPE&) const {
        a += g * g;
        p -= rate * (g / sqrt(a + epsilon));
    }
};

KERNEL(256)
adagrad(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) a, GLOBAL(const float) rate32, GLOBAL(const double) rate64,
        GLOBAL(const int) skip, int64 count, double epsilon) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    each(p, g, a, none, none, count, Adagrad{rate_of(rate32, rate64), TYPE(epsilon)});
}

struct Adadelta {
    TYPE rate, share, epsilon;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& a, TYPE& d, TYPE&) const {
        move(a, g * g, share);
        const TYPE step = g * sqrt(d + epsilon) / sqrt(a + epsilon);
        move(d, step * step, share);
        p -= rate * step;
    }
};

KERNEL(256)
adadelta(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) a, VECTOR(TYPE) d, GLOBAL(const float) rate32,
         GLOBAL(const double) rate64, GLOBAL(const int) skip, int64 count, double share, double epsilon) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    each(p, g, a, d, none, count, Adadelta{rate_of(rate32, rate64), TYPE(share), TYPE(epsilon)});
}

// t, the number of this step, and 1 − βᵗ.
DEVICE TYPE step_of(GLOBAL(const int) iterations) { return TYPE(iterations[0]) + TYPE(1); }
DEVICE TYPE rest(TYPE t, double log_beta) { return -expm1(t * TYPE(log_beta)); }

struct Adamax {
    TYPE rate, share, beta_2, epsilon;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& m, TYPE& u, TYPE&) const {
        move(m, g, share);
        const TYPE decayed = beta_2 * u, size = abs(g);
        u = size > decayed || size != size ? size : decayed;
        p -= m * rate / (u + epsilon);
    }
};

KERNEL(256)
adamax(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) m, VECTOR(TYPE) u, GLOBAL(const float) rate32,
       GLOBAL(const double) rate64, GLOBAL(const int) iterations, GLOBAL(const int) skip, int64 count, double share,
       double log_beta_1, double beta_2, double epsilon) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    const TYPE rate = rate_of(rate32, rate64) / rest(step_of(iterations), log_beta_1);
    each(p, g, m, u, none, count, Adamax{rate, TYPE(share), TYPE(beta_2), TYPE(epsilon)});
}

struct Nadam {
    TYPE share_m, share_g, correction, share_1, share_2, epsilon;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& m, TYPE& v, TYPE&) const {
        move(m, g, share_1);
        move(v, g * g, share_2);
        p -= (m * share_m + g * share_g) / (sqrt(v * correction) + epsilon);
    }
};

// β₁·(1 − 0.96ᵗ/2)
DEVICE TYPE nadam_momentum(TYPE t, double beta_1) {
    const TYPE log_decay = TYPE(-0.040821994520255166);  // log 0.96
    return TYPE(beta_1) * (TYPE(1) - TYPE(0.5) * exp(t * log_decay));
}

KERNEL(256)
nadam(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) m, VECTOR(TYPE) v, GLOBAL(const float) rate32,
      GLOBAL(const double) rate64, GLOBAL(const int) iterations, GLOBAL(const TYPE) product, GLOBAL(const int) skip,
      int64 count, double beta_1, double share_1, double share_2, double log_beta_2, double epsilon) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    const TYPE t = step_of(iterations), rate = rate_of(rate32, rate64);
    const TYPE now = nadam_momentum(t, beta_1), following = nadam_momentum(t + TYPE(1), beta_1);
    const TYPE done = product[0] * now;
    const TYPE share_m = rate * following / (TYPE(1) - done * following), share_g = rate * (TYPE(1) - now) / (TYPE(1) - done);
    const TYPE correction = TYPE(1) / rest(t, log_beta_2);
    each(p, g, m, v, none, count, Nadam{share_m, share_g, correction, TYPE(share_1), TYPE(share_2), TYPE(epsilon)});
}

KERNEL(32) nadam_product(GLOBAL(TYPE) product, GLOBAL(const int) iterations, GLOBAL(const int) skip, double beta_1) {
    if (threadIdx.x == 0 && !skips(skip)) product[0] *= nadam_momentum(step_of(iterations), beta_1);
}

struct Lion {
    TYPE rate, beta_1, share_1, beta_2, share_2;
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& m, TYPE&, TYPE&) const {
        const TYPE towards = m * beta_1 + g * share_1;
        p -= towards > TYPE(0) ? rate : towards < TYPE(0) ? -rate : towards;  // 0 and NaN are what they are
        m = m * beta_2 + g * share_2;
    }
};

KERNEL(256)
lion(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) m, GLOBAL(const float) rate32, GLOBAL(const double) rate64,
     GLOBAL(const int) skip, int64 count, double beta_1, double beta_2) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    const Lion rule = {rate_of(rate32, rate64), TYPE(beta_1), TYPE(1 - beta_1), TYPE(beta_2), TYPE(1 - beta_2)};
    each(p, g, m, none, none, count, rule);
}

struct Ftrl {
    TYPE inverse, exponent, l1, double_l2, double_shrinkage;  // inverse is 1/η
    DEVICE void operator()(TYPE& p, TYPE g, TYPE& a, TYPE& z) const {
        const TYPE before = pow(a, exponent) * inverse;
        a += g * g;
        const TYPE quadratic = pow(a, exponent) * inverse;
        z += g + p * double_shrinkage - (quadratic - before) * p;
        const TYPE clipped = z > l1 ? l1 : z < -l1 ? -l1 : z;
        p = (clipped - z) / (quadratic + double_l2);
    }
};

KERNEL(256)
ftrl(VECTOR(TYPE) p, VECTOR(const TYPE) g, VECTOR(TYPE) a, VECTOR(TYPE) z, GLOBAL(const float) rate32,
     GLOBAL(const double) rate64, GLOBAL(const int) skip, int64 count, double power, double l1, double l2,
     double shrinkage, double beta) {
    if (skips(skip)) return;
    const TYPE inverse = TYPE(1) / rate_of(rate32, rate64), double_l2 = TYPE(2 * l2) + TYPE(beta) * inverse;
    const Ftrl rule = {inverse, TYPE(-power), TYPE(l1), double_l2, TYPE(2 * shrinkage)};
    for (int64 i = thread_index(); i < count; i += thread_count())  // one by one: eight powers at once do not fit
        rule(p[i], g[i], a[i], z[i]);
}

struct LambDirection {
    TYPE first, second, share_1, share_2, epsilon;
    DEVICE void operator()(TYPE& g, TYPE, TYPE& m, TYPE& v, TYPE&) const {
        move(m, g, share_1);
        move(v, g * g, share_2);
        g = m * first / (sqrt(v * second) + epsilon);
    }
};

KERNEL(256)
lamb_direction(VECTOR(TYPE) g, VECTOR(TYPE) m, VECTOR(TYPE) v, GLOBAL(const int) iterations, GLOBAL(const int) skip,
               int64 count, double share_1, double share_2, double log_beta_1, double log_beta_2, double epsilon) {
    if (skips(skip)) return;
    VECTOR(TYPE) none = {};
    const TYPE t = step_of(iterations), first = TYPE(1) / rest(t, log_beta_1), second = TYPE(1) / rest(t, log_beta_2);
    each(g, none, m, v, none, count, LambDirection{first, second, TYPE(share_1), TYPE(share_2), TYPE(epsilon)});
}

KERNEL(256)
weight_decay(VECTOR(TYPE) p, GLOBAL(const float) rate32, GLOBAL(const double) rate64, GLOBAL(const int) skip,
             int64 count, double decay) {
    if (skips(skip)) return;
    const TYPE factor = TYPE(1) - TYPE(decay) * rate_of(rate32, rate64);
    const int64 vectors = count / 4;
    for (int64 i = thread_index(); i < vectors; i += thread_count()) {
        Vec4<TYPE> four = load4(p + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++) four[j] *= factor;
        store4(p + 4 * i, four);
    }
    const int64 tail = 4 * vectors + thread_index();
    if (tail < count) p[tail] *= factor;
}

#define SOURCES 8

struct Segments {
    int fours[SOURCES];  // offsets in `flat`, in multiples of 4 elements
    int counts[SOURCES];
};

// Every thread that finds one writes the same 1.
DEVICE TYPE checked(TYPE value, TYPE factor, GLOBAL(int) nonfinite) {
    value *= factor;
    if (nonfinite && !isfinite(value)) nonfinite[0] = 1;
    return value;
}

// blockIdx.y is the segment; its threads stride over it.
KERNEL(256)
gather(VECTOR(TYPE) flat, VECTOR(const TYPE) g0, VECTOR(const TYPE) g1, VECTOR(const TYPE) g2, VECTOR(const TYPE) g3,
       VECTOR(const TYPE) g4, VECTOR(const TYPE) g5, VECTOR(const TYPE) g6, VECTOR(const TYPE) g7, Segments segments,
       GLOBAL(const float) scale, GLOBAL(int) nonfinite) {
    const int k = blockIdx.y;
    VECTOR(const TYPE) low = k & 2 ? (k & 1 ? g3 : g2) : (k & 1 ? g1 : g0);
    VECTOR(const TYPE) high = k & 2 ? (k & 1 ? g7 : g6) : (k & 1 ? g5 : g4);
    VECTOR(const TYPE) g = k & 4 ? high : low;
    int fours = 0, count = 0;
    UNROLL
    for (int i = 0; i < SOURCES; i++) {  // not segments.fours[k]: the compiler would copy the struct to the stack
        fours = i == k ? segments.fours[i] : fours;
        count = i == k ? segments.counts[i] : count;
    }
    const int64 vectors = count / 4, offset = 4 * int64(fours);
    const TYPE factor = scale ? TYPE(1) / TYPE(scale[0]) : TYPE(1);
    for (int64 i = thread_index(); i < vectors; i += thread_count()) {
        Vec4<TYPE> four = load4(g + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++) four[j] = checked(four[j], factor, nonfinite);
        store4(flat + (offset + 4 * i), four);
    }
    const int64 tail = 4 * vectors + thread_index();
    if (tail < count) flat[offset + tail] = checked(g[tail], factor, nonfinite);
}

KERNEL(32) add_one(GLOBAL(int) iterations, GLOBAL(const int) skip) {
    if (threadIdx.x == 0 && !skips(skip)) iterations[0] += 1;
}

KERNEL(32) adjust_scale(GLOBAL(float) scale, GLOBAL(int) good_steps, GLOBAL(int) nonfinite, int growth) {
    if (threadIdx.x) return;
    const bool bad = nonfinite[0] != 0, grows = !bad && good_steps[0] + 1 >= growth;
    if (bad) scale[0] *= 0.5f;
    if (grows) scale[0] *= 2.0f;
    good_steps[0] = bad || grows ? 0 : good_steps[0] + 1;
    nonfinite[0] = 0;
}
