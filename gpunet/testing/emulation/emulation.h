// emulation.h: runs CUDA kernels on the CPU. Every CUDA thread is a fiber; the blocks of a grid run one after another.
//
// What it reports, with kernel, block and thread: accesses outside of an array's memory, misaligned vector accesses,
// shared memory that is read before it is written, races on shared memory (two threads, one writing, with no barrier
// between them), barriers that not every thread of the block reaches at the same place, warp collectives that a lane of
// the mask misses. Schedules: 0 the threads in turn, 1 in reverse, 2 shuffled, 3 one warp as far as it can get.
#pragma once
#define GPUNET_EMULATION 1

#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#define KERNEL(...) static void
#define DEVICE inline
#define GLOBAL(T) emu::Global<T>
#define VECTOR(T) emu::Global<T>
#define STRIDED(T) emu::Global<T>
#define SHARED(T, name, count)                         \
    static emu::SharedArray<T, count> name##_of_block; \
    const emu::SharedPointer<T> name = name##_of_block.enter(#name)
#define SHARED_POINTER(T) emu::SharedPointer<T>
#define UNROLL
#define REGISTER(i, COUNT) emu::within(i, COUNT)

struct uint3 {
    unsigned x, y, z;
};

namespace emu {

// Fibers

const size_t STACK_BYTES = 64 * 1024;

typedef void* Context;
#if defined(__x86_64__) && !defined(EMU_UCONTEXT)
asm(".text\n.local emu_switch\n.type emu_switch, @function\nemu_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
extern "C" void emu_switch(Context* save, Context load);

inline Context fresh_context(char* top, void (*entry)()) {
    void** stack = reinterpret_cast<void**>(top);
    *--stack = nullptr;  // where entry would return to
    *--stack = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; i++) *--stack = nullptr;
    return stack;
}
#else
}  // namespace emu
#include <ucontext.h>
namespace emu {
// ucontext keeps a context in a structure of its own: a Context is a pointer to it, on the stack of its fiber.
extern "C" inline void emu_switch(Context* save, Context load) {
    ucontext_t here;
    *save = &here;
    swapcontext(&here, static_cast<ucontext_t*>(load));
}

inline Context fresh_context(char* top, void (*entry)()) {
    const size_t room = (sizeof(ucontext_t) + 63) & ~size_t(63);
    ucontext_t* context = reinterpret_cast<ucontext_t*>(top - room);
    getcontext(context);
    context->uc_stack.ss_sp = top - STACK_BYTES;
    context->uc_stack.ss_size = STACK_BYTES - room;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
    return context;
}
#endif

const int MAX_THREADS = 1024;
const int WARP = 32;

enum State { READY, AT_BARRIER, AT_COLLECTIVE, DONE };

struct Fiber {
    Context context;
    uint3 place;
    int linear;
    State state;
    unsigned mask;     // of the collective that it waits for
    const char* file;  // and where that or the barrier is
    int line;
};

struct Warp {
    alignas(16) unsigned char deposits[WARP][16];
    alignas(16) unsigned char released[WARP][16];
    uint32_t time;  // counts its collectives
    int ready;
};

inline Fiber fibers[MAX_THREADS];
inline Warp warps[MAX_THREADS / WARP];
inline char* stacks = nullptr;
inline Fiber* current;
inline Context scheduler;
inline uint3 block_place, block_size, grid_size;
inline int threads, done, at_barrier;
inline uint32_t time;    // counts barriers, over all blocks
inline uint32_t serial;  // counts blocks
inline bool check_races, failed;
inline const char* kernel_name;
inline char message[1024];
inline void (*body)();

inline void leave(State state) {
    current->state = state;
    emu_switch(&current->context, scheduler);
}

// Reports an error of the current thread; the launch ends here.
[[noreturn]] inline void fail(const char* format, ...) {
    int used = snprintf(message, sizeof message, "%s, block (%u, %u, %u), thread (%u, %u, %u): ", kernel_name,
                        block_place.x, block_place.y, block_place.z, current->place.x, current->place.y,
                        current->place.z);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + used, sizeof message - used, format, arguments);
    va_end(arguments);
    failed = true;
    leave(DONE);
    abort();
}

}  // namespace emu

// What the compiler's own check of array bounds calls: the runtime library that would define it is not linked.
extern "C" __attribute__((used)) inline void __ubsan_handle_out_of_bounds(void*, void* index) {
    emu::fail("out of bounds: index %lld of an array in registers", (long long)(intptr_t)(index));
}

namespace emu {

// The same for elements that are reached by reference: to the compiler, one beyond the end is no error there.
inline int within(int index, int count) {
    if (unsigned(index) >= unsigned(count)) __ubsan_handle_out_of_bounds(nullptr, reinterpret_cast<void*>(intptr_t(index)));
    return index;
}

inline void run_fiber() {
    body();
    done++;
    leave(DONE);
}

// Scheduling

inline uint64_t random_state;
inline uint32_t random_below(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return uint32_t((random_state >> 16) % bound);
}

inline void shuffle(int* order, int count) {
    for (int i = count - 1; i > 0; i--) {
        const int j = random_below(i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

inline void resume(Fiber& fiber) {
    current = &fiber;
    warps[fiber.linear / WARP].ready--;
    emu_switch(&scheduler, fiber.context);
}

inline void make_ready(Fiber& fiber) {
    fiber.state = READY;
    warps[fiber.linear / WARP].ready++;
}

inline void start_block() {
    serial++;
    time++;
    done = at_barrier = 0;
    for (int w = 0; w * WARP < threads; w++) warps[w].ready = warps[w].time = 0;
    for (int i = 0; i < threads; i++) {
        Fiber& fiber = fibers[i];
        fiber.context = fresh_context(stacks + (i + 1) * STACK_BYTES, run_fiber);
        fiber.linear = i;
        fiber.place = {i % block_size.x, i / block_size.x % block_size.y, i / (block_size.x * block_size.y)};
        make_ready(fiber);
    }
}

// Lets the lanes of each complete collective of a warp go on; false if none was complete.
inline bool release_warp(int w) {
    const int first = w * WARP, count = threads - first < WARP ? threads - first : WARP;
    const unsigned exists = count == WARP ? ~0u : (1u << count) - 1;
    bool any = false;
    for (int lane = 0; lane < count; lane++) {
        Fiber& fiber = fibers[first + lane];
        if (fiber.state != AT_COLLECTIVE) continue;
        const unsigned mask = fiber.mask & exists;
        bool complete = true;
        for (int k = 0; k < count && complete; k++) {
            const Fiber& other = fibers[first + k];
            if (mask >> k & 1) complete = other.state == AT_COLLECTIVE && (other.mask & exists) == mask;
        }
        if (!complete) continue;
        for (int k = 0; k < count; k++)
            if (mask >> k & 1) {
                memcpy(warps[w].released[k], warps[w].deposits[k], 16);
                make_ready(fibers[first + k]);
            }
        warps[w].time++;
        any = true;
    }
    return any;
}

inline bool release_barrier() {
    if (at_barrier < threads) return false;
    for (int i = 1; i < threads; i++)
        if (fibers[i].line != fibers[0].line || strcmp(fibers[i].file, fibers[0].file)) {
            current = &fibers[i];
            snprintf(message, sizeof message, "%s, block (%u, %u, %u): divergent barrier, thread 0 at %s:%d, thread %d at %s:%d",
                     kernel_name, block_place.x, block_place.y, block_place.z, fibers[0].file, fibers[0].line, i,
                     fibers[i].file, fibers[i].line);
            failed = true;
            return false;
        }
    for (int i = 0; i < threads; i++) make_ready(fibers[i]);
    at_barrier = 0;
    time++;
    return true;
}

inline void report_stuck() {
    int waiting = 0;
    while (fibers[waiting].state == DONE) waiting++;
    const Fiber& fiber = fibers[waiting];
    const bool barrier = fiber.state == AT_BARRIER;
    snprintf(message, sizeof message, "%s, block (%u, %u, %u): divergent %s, thread %d waits at %s:%d for others that never come",
             kernel_name, block_place.x, block_place.y, block_place.z, barrier ? "barrier" : "warp collective", waiting,
             fiber.file, fiber.line);
    failed = true;
}

// One pass over the threads that can run; false if there were none.
inline bool pass(int schedule, int* order) {
    bool any = false;
    if (schedule == 3) {
        const int count = (threads + WARP - 1) / WARP;
        for (int i = 0; i < count; i++) {
            const int w = order[i], first = w * WARP;
            if (warps[w].ready == 0) continue;
            for (int k = first; k < first + WARP && k < threads && !failed; k++)
                if (fibers[k].state == READY) resume(fibers[k]);
            release_warp(w);
            return true;
        }
        return false;
    }
    if (schedule == 2) shuffle(order, threads);
    for (int i = 0; i < threads && !failed; i++) {
        Fiber& fiber = fibers[order[i]];
        if (fiber.state != READY) continue;
        resume(fiber);
        any = true;
    }
    for (int w = 0; w * WARP < threads; w++) any = release_warp(w) || any;
    return any;
}

inline void run_block(int schedule) {
    static int order[MAX_THREADS];
    const int count = schedule == 3 ? (threads + WARP - 1) / WARP : threads;
    for (int i = 0; i < count; i++) order[i] = schedule == 1 ? count - 1 - i : i;
    if (schedule == 3) shuffle(order, count);
    start_block();
    while (done < threads && !failed) {
        if (pass(schedule, order)) continue;
        if (release_barrier()) {
            if (schedule == 3) shuffle(order, count);
        } else if (!failed) {
            report_stuck();
        }
    }
}

inline const char* launch(const char* name, const unsigned* grid, const unsigned* block, int schedule, int races,
                          uint64_t seed, void (*function)()) {
    if (!stacks) stacks = static_cast<char*>(aligned_alloc(4096, MAX_THREADS * STACK_BYTES));
    kernel_name = name;
    body = function;
    grid_size = {grid[0], grid[1], grid[2]};
    block_size = {block[0], block[1], block[2]};
    threads = block[0] * block[1] * block[2];
    check_races = races;
    random_state = seed * 2654435769u + 88172645463325252ull;
    failed = false;
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1]; y++)
            for (unsigned x = 0; x < grid[0]; x++) {
                block_place = {x, y, z};
                run_block(schedule);
                if (failed) return message;
            }
    return nullptr;
}

// Arrays in global memory: what the launcher passes, and a pointer that knows the bounds.

struct ArrayArgument {
    char *data, *low, *high;
};

template <class T>
struct Global {
    typedef T element;
    T* p;
    const char *low, *high;
    const char* name;

    operator Global<const T>() const { return {p, low, high, name}; }
    explicit operator bool() const { return p != nullptr; }
    Global operator+(long long n) const { return {p + n, low, high, name}; }
    Global operator-(long long n) const { return {p - n, low, high, name}; }
    Global& operator+=(long long n) { return p += n, *this; }
    T& operator[](long long i) const { return *check(p + i, sizeof(T), sizeof(T)); }
    T& operator*() const { return *check(p, sizeof(T), sizeof(T)); }

    T* check(T* q, size_t bytes, size_t alignment) const {
        const char* address = reinterpret_cast<const char*>(q);
        if (address < low || address + bytes > high)
            fail("out of bounds: %zu bytes at offset %lld of %s, which has %lld", bytes, (long long)(address - low),
                 name, (long long)(high - low));
        if (reinterpret_cast<size_t>(address) % alignment)
            fail("misaligned: %zu bytes at offset %lld of %s", bytes, (long long)(address - low), name);
        return q;
    }
};

template <class T>
Global<T> global(const void* argument, const char* name) {
    const ArrayArgument& a = *static_cast<const ArrayArgument*>(argument);
    return {reinterpret_cast<T*>(a.data), a.low, a.high, name};
}

// Shared memory: who wrote and read each element, and when.

struct Shadow {
    uint32_t written, write_time;  // the barriers that had passed; 0 is never
    uint32_t read, read_time;      // the collectives of the thread's warp that had passed
    int16_t writer, reader, other_reader;
};

inline bool ordered(int thread, uint32_t warp_time) {
    const int warp = current->linear / WARP;
    return thread == current->linear || (thread / WARP == warp && warp_time < warps[warp].time);
}

inline void note_read(Shadow& s, const char* name, long long i) {
    if (!s.written) fail("shared %s[%lld] is read before it is written", name, i);
    if (s.written == time && !ordered(s.writer, s.write_time))
        fail("race: shared %s[%lld] is read, thread %d wrote it with no barrier between", name, i, s.writer);
    if (s.read != time) s.reader = s.other_reader = int16_t(current->linear);
    if (s.reader != current->linear) s.other_reader = s.reader;
    s.reader = int16_t(current->linear);
    s.read = time;
    s.read_time = warps[current->linear / WARP].time;
}

inline void note_write(Shadow& s, const char* name, long long i) {
    if (s.written == time && !ordered(s.writer, s.write_time))
        fail("race: shared %s[%lld] is written, thread %d wrote it with no barrier between", name, i, s.writer);
    if (s.read == time && !(ordered(s.reader, s.read_time) && ordered(s.other_reader, s.read_time)))
        fail("race: shared %s[%lld] is written, thread %d read it with no barrier between", name, i,
             s.reader == current->linear ? s.other_reader : s.reader);
    s.written = time;
    s.write_time = warps[current->linear / WARP].time;
    s.writer = int16_t(current->linear);
}

template <class T>
struct SharedReference {
    T* p;
    Shadow* shadow;
    const char* name;
    long long i;
    operator T() const {
        if (check_races) note_read(*shadow, name, i);
        return *p;
    }
    T operator=(T value) const {
        if (check_races) note_write(*shadow, name, i);
        return *p = value;
    }
    T operator=(const SharedReference& other) const { return *this = T(other); }
    T operator+=(T value) const { return *this = T(*this) + value; }
};

template <class T>
struct SharedPointer {
    typedef T element;
    T* base;
    Shadow* shadows;
    const char* name;
    long long count, offset;

    SharedPointer operator+(long long n) const { return {base, shadows, name, count, offset + n}; }
    SharedReference<T> operator[](long long i) const {
        bounds(offset + i, 1);
        return {base + offset + i, shadows + offset + i, name, offset + i};
    }
    void bounds(long long i, int length) const {
        if (i < 0 || i + length > count) fail("out of bounds: shared %s[%lld], of %lld elements", name, i, count);
    }
    T* vector(int length, size_t alignment, bool write) const {
        bounds(offset, length);
        if (reinterpret_cast<size_t>(base + offset) % alignment)
            fail("misaligned: %d elements at shared %s[%lld]", length, name, offset);
        if (check_races)
            for (long long i = offset; i < offset + length; i++)
                write ? note_write(shadows[i], name, i) : note_read(shadows[i], name, i);
        return base + offset;
    }
};

template <class T, int COUNT>
struct SharedArray {
    alignas(16) T values[COUNT];
    Shadow shadows[COUNT];
    uint32_t block;

    SharedPointer<T> enter(const char* name) {
        if (block != serial) {
            block = serial;
            memset(static_cast<void*>(values), 0xFF, sizeof values);  // NaN
            memset(shadows, 0, sizeof shadows);
        }
        return {values, shadows, name, COUNT, 0};
    }
};

// Warp collectives

inline Warp& exchange(unsigned mask, const void* value, size_t bytes, const char* file, int line) {
    Warp& warp = warps[current->linear / WARP];
    const int lane = current->linear % WARP;
    if (!(mask >> lane & 1)) fail("a lane is not in the mask of its own collective at %s:%d", file, line);
    memcpy(warp.deposits[lane], value, bytes);
    current->mask = mask;
    current->file = file;
    current->line = line;
    leave(AT_COLLECTIVE);
    return warp;
}

template <class T>
T shuffle_from(unsigned mask, T value, int source, const char* file, int line) {
    static_assert(sizeof(T) <= 16, "a lane exchanges at most 16 bytes");
    Warp& warp = exchange(mask, &value, sizeof value, file, line);
    if (!(mask >> (source & 31) & 1)) fail("a shuffle reads a lane outside of its mask at %s:%d", file, line);
    memcpy(&value, warp.released[source & 31], sizeof value);
    return value;
}

inline int lane() { return current->linear % WARP; }

}  // namespace emu

// CUDA's own names

#define threadIdx (emu::current->place)
#define blockIdx (emu::block_place)
#define blockDim (emu::block_size)
#define gridDim (emu::grid_size)
#define warpSize 32
#define EMU_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(EMU_SITE) {
    emu::current->file = file;
    emu::current->line = line;
    emu::at_barrier++;
    emu::leave(emu::AT_BARRIER);
}
inline void __syncwarp(unsigned mask = ~0u, EMU_SITE) {
    const int nothing = 0;
    emu::exchange(mask, &nothing, sizeof nothing, file, line);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMU_SITE) {
    return emu::shuffle_from(mask, value, (emu::lane() & ~(width - 1)) | (source & (width - 1)), file, line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, int width = 32, EMU_SITE) {
    const int lane = emu::lane();
    return emu::shuffle_from(mask, value, (lane & (width - 1)) + delta < width ? lane + delta : lane, file, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int delta, int width = 32, EMU_SITE) {
    const int lane = emu::lane();
    return emu::shuffle_from(mask, value, (lane & (width - 1)) - delta >= 0 ? lane - delta : lane, file, line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMU_SITE) {
    const int lane = emu::lane(), source = lane ^ bits;
    return emu::shuffle_from(mask, value, (source & ~(width - 1)) == (lane & ~(width - 1)) ? source : lane, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, EMU_SITE) {
    emu::Warp& warp = emu::exchange(mask, &predicate, sizeof predicate, file, line);
    unsigned result = 0;
    for (int i = 0; i < 32; i++) {
        int value;
        memcpy(&value, warp.released[i], sizeof value);
        if (mask >> i & 1 && value) result |= 1u << i;
    }
    return result;
}
inline int __any_sync(unsigned mask, int predicate, EMU_SITE) { return __ballot_sync(mask, predicate, file, line) != 0; }
inline int __all_sync(unsigned mask, int predicate, EMU_SITE) { return __ballot_sync(mask, predicate, file, line) == mask; }

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }

#define EMU_ROUNDED(type, prefix)                                           \
    inline type prefix##add_rn(type a, type b) { return a + b; }            \
    inline type prefix##sub_rn(type a, type b) { return a - b; }            \
    inline type prefix##mul_rn(type a, type b) { return a * b; }            \
    inline type prefix##div_rn(type a, type b) { return a / b; }            \
    inline type prefix##sqrt_rn(type a) { return std::sqrt(a); }
EMU_ROUNDED(float, __f)
EMU_ROUNDED(double, __d)
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __frcp_rn(float a) { return 1.0f / a; }

template <class To, class From>
To emu_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "the sizes differ");
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}
inline unsigned __float_as_uint(float x) { return emu_bits<unsigned>(x); }
inline int __float_as_int(float x) { return emu_bits<int>(x); }
inline float __uint_as_float(unsigned x) { return emu_bits<float>(x); }
inline float __int_as_float(int x) { return emu_bits<float>(x); }
inline long long __double_as_longlong(double x) { return emu_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emu_bits<double>(x); }

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float rsqrt(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
// CUDA's min and max of integers, and of floats where a NaN loses.
template <class T, class = std::enable_if_t<std::is_arithmetic<T>::value>>
T min(T a, T b) {
    return b < a || a != a ? b : a;
}
template <class T, class = std::enable_if_t<std::is_arithmetic<T>::value>>
T max(T a, T b) {
    return b > a || a != a ? b : a;
}
using std::abs;
using std::acos;
using std::acosh;
using std::asin;
using std::asinh;
using std::atan;
using std::atan2;
using std::atanh;
using std::ceil;
using std::copysign;
using std::erf;
using std::exp;
using std::exp2;
using std::expm1;
using std::fabs;
using std::floor;
using std::fma;
using std::fmax;
using std::fmin;
using std::fmod;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::log;
using std::log1p;
using std::log2;
using std::pow;
using std::rint;
using std::sin;
using std::cos;
using std::cosh;
using std::log10;
using std::sinh;
using std::sqrt;
using std::tan;
using std::tanh;
using std::trunc;

struct float16 {
    _Float16 value;
    float16() = default;
    float16(float x) : value(_Float16(x)) {}
    operator float() const { return float(value); }
};

// What common.cuh has for CUDA only; Vector is declared there.
template <class T, int COUNT>
struct Vector;
namespace emu {
template <class T, int COUNT>
constexpr size_t vector_alignment() {
    return sizeof(T) * COUNT < 16 ? sizeof(T) * COUNT : 16;
}
}  // namespace emu
template <int COUNT, class T>
Vector<std::remove_const_t<T>, COUNT> load_vector(emu::Global<T> address) {
    Vector<std::remove_const_t<T>, COUNT> value;
    memcpy(&value, address.check(address.p, sizeof(T) * COUNT, emu::vector_alignment<T, COUNT>()), sizeof(T) * COUNT);
    return value;
}
template <int COUNT, class T>
void store_vector(emu::Global<T> address, const Vector<T, COUNT>& value) {
    memcpy(static_cast<void*>(address.check(address.p, sizeof(T) * COUNT, emu::vector_alignment<T, COUNT>())), &value,
           sizeof(T) * COUNT);
}
template <int COUNT, class T>
Vector<T, COUNT> load_vector(emu::SharedPointer<T> address) {
    Vector<T, COUNT> value;
    memcpy(&value, address.vector(COUNT, emu::vector_alignment<T, COUNT>(), false), sizeof(T) * COUNT);
    return value;
}
template <int COUNT, class T>
void store_vector(emu::SharedPointer<T> address, const Vector<T, COUNT>& value) {
    memcpy(static_cast<void*>(address.vector(COUNT, emu::vector_alignment<T, COUNT>(), true)), &value, sizeof(T) * COUNT);
}
