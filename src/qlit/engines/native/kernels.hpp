// The passes. Every visit of a block loads 2^num_gates vectors, rotates one register bit per gate, and stores the vectors.
// Template arguments say which controls lie in registers, so that such a CNOT costs nothing: it exchanges names.
// Rotations are divided by their cosine: two multiply-adds a pair instead of four (native.md, "Two multiply-adds").

namespace {

// A group that runs on one block.
template <class V>
struct Run {
    const char* from;
    char* to;
    ptrdiff_t cotangent_from, cotangent_to;  // bytes from a state's vector to its cotangent's
    Space from_space, to_space;
    unsigned fixed;     // gates whose control is set by the position of block and window
    const V* tangents;  // by step
    V* sums;            // by step; backward only
};

// Whether the pair that starts at register r sees a set control.
constexpr bool is_swapped(int control, int r) { return control >= 1 && control < kInsideControl && (r >> (control - 1) & 1); }

// Keeps the compiler from joining a product and its sum into one multiply-add. AMD's processors cannot store while both
// pipes execute multiply-adds, and add in other pipes. In the first QLIT_SPLIT_FORWARD or QLIT_SPLIT_BACKWARD gates of a
// pass, one of the two multiply-adds of a pair is split. The number of instructions stays the same, because a multiply-add
// needs a copy of the operand that it overwrites. Measured, blocks in the L1 cache, 24 products and 8 stores a visit (the
// clock read a few per cent low, so these cycles compare with one another alone):
// - Zen 3, AVX2: forward 14.3 cycles with three gates split, 15.4 with two, 17.2 with one; backward 14.6 with one, and no
//   less with two.
// - Zen 5, AVX-512: forward 12.4 cycles with three, 13.4 with two, 13.6 with one, 15.2 with none, where the products alone
//   take 12; backward (72 products, 16 stores) 35 with one, 38 with none, and no less with two.
// Intel's processors add vectors of 64 bytes in the pipes that multiply them, so that a split costs one instruction there.
template <bool Split, class V>
QLIT_INLINE V product(V a, V b) {
    V c = a * b;
#if defined(__x86_64__)
    if constexpr (Split) asm("" : "+v"(c));
#endif
    return c;
}

// y0 = p - t q, y1 = q + t p, with (p, q) the pair, exchanged where the control is set.
template <class T, int Slot, int Control, int N, class V>
QLIT_INLINE void turn(V* x, V t) {
    constexpr bool split = Slot < QLIT_SPLIT_FORWARD;
#pragma GCC unroll 8
    for (int r = 0; r < N; r++)
        if (!(r >> Slot & 1)) {
            const int u = r | 1 << Slot;
            V p = is_swapped(Control, r) ? x[u] : x[r], q = is_swapped(Control, r) ? x[r] : x[u];
            if constexpr (Control == kInsideControl) {
                const V kept = p;
                p = halves<T>(p, q), q = halves<T>(q, kept);
            }
            x[r] = p - product<split>(t, q), x[u] = q + t * p;
        }
}

// The inverse on state and cotangent; returns <cotangent| J |state> behind the rotation's inverse, J = [[0, -1], [1, 0]]
// on the target. (It is the same on either side, but for the scale: native.md, "Gradients".)
template <class T, int Slot, int Control, int N, class V>
QLIT_INLINE V turn_back(V* x, V* l, V t) {
    constexpr bool split = Slot < QLIT_SPLIT_BACKWARD;
    V sum{};
#pragma GCC unroll 8
    for (int r = 0; r < N; r++)
        if (!(r >> Slot & 1)) {
            const int u = r | 1 << Slot;
            V p = x[r] + product<split>(t, x[u]), q = x[u] - t * x[r], lp = l[r] + product<split>(t, l[u]), lq = l[u] - t * l[r];
            const V part = lq * p - lp * q;
            sum = r ? sum + part : part;
            if constexpr (Control == kInsideControl) {
                V kept = p;
                p = halves<T>(p, q), q = halves<T>(q, kept);
                kept = lp;
                lp = halves<T>(lp, lq), lq = halves<T>(lq, kept);
            }
            x[r] = is_swapped(Control, r) ? q : p, x[u] = is_swapped(Control, r) ? p : q;
            l[r] = is_swapped(Control, r) ? lq : lp, l[u] = is_swapped(Control, r) ? lp : lq;
        }
    return sum;
}

// The register bits' strides in bytes.
struct Strides {
    int64_t s0 = 0, s1 = 0, s2 = 0, s01 = 0;
};

// Loads and stores of the 2^G vectors of a visit.
template <int G, class V>
QLIT_INLINE void load(V* x, const char* p, const Strides& s) {
    auto at = [](const char* where) QLIT_LAMBDA { return *reinterpret_cast<const V*>(where); };
    x[0] = at(p), x[1] = at(p + s.s0);
    if constexpr (G > 1) x[2] = at(p + s.s1), x[3] = at(p + s.s01);
    if constexpr (G > 2) {
        const char* q = p + s.s2;
        x[4] = at(q), x[5] = at(q + s.s0), x[6] = at(q + s.s1), x[7] = at(q + s.s01);
    }
}

template <int G, class V>
QLIT_INLINE void store(const V* x, char* p, const Strides& s) {
    auto put = [](char* where, V v) QLIT_LAMBDA { *reinterpret_cast<V*>(where) = v; };
    put(p, x[0]), put(p + s.s0, x[1]);
    if constexpr (G > 1) put(p + s.s1, x[2]), put(p + s.s01, x[3]);
    if constexpr (G > 2) {
        char* q = p + s.s2;
        put(q, x[4]), put(q + s.s0, x[5]), put(q + s.s1, x[6]), put(q + s.s01, x[7]);
    }
}

// The visits of one case: where they begin, how they walk, which angles are negated.
struct Case {
    const char* from;
    char* to;
    Strides load, store;
    uint64_t walk_from, walk_to;
    unsigned set;
};

template <int G, class V, class F>
QLIT_INLINE void each_case(const Group& group, const Run<V>& run, F&& visit_all) {
    const Offsets &from = group.at[run.from_space], &to = group.at[run.to_space];
    Case now{.from = {}, .to = {}, .load = {}, .store = {}, .walk_from = from.walk, .walk_to = to.walk, .set = 0};
    now.load = {int64_t(from.strides[0]), int64_t(from.strides[1]), int64_t(from.strides[2]),
                int64_t(from.strides[0] + from.strides[1])};
    uint64_t case_from = 0, case_to = 0;
    for (int c = 0; c < group.num_cases; c++) {
        now.set = run.fixed ^ group.by_case[c];
        now.from = run.from + case_from, now.to = run.to + case_to;
        // Register r is stored where register r ^ pending was loaded: the X moves it along those bits.
        int64_t strides[kMaxRegisterBits];
        for (int k = 0; k < kMaxRegisterBits; k++) {
            const int64_t stride = int64_t(to.strides[k]), flip = -int64_t(group.pending[now.set] >> k & 1);
            now.to += stride & flip;
            strides[k] = (stride ^ flip) - flip;
        }
        now.store = {strides[0], strides[1], strides[2], strides[0] + strides[1]};
        visit_all(now);
        case_from = (case_from - from.controls) & from.controls;
        case_to = (case_to - to.controls) & to.controls;
    }
}

// The next position in the bits of `walk`; the carry skips the bits between them.
QLIT_INLINE uint64_t next(uint64_t position, uint64_t walk) { return (position - walk) & walk; }

// Calls visit(from, to) for each visit of a case. Where the walk is the same in both spaces, as inside a block, one position
// serves both: two positions would need more registers than the processor has.
template <class F>
QLIT_INLINE void each_visit(const Case& visits, F&& visit) {
    const char* const from = visits.from;
    const uint64_t walk = visits.walk_from, walk_to = visits.walk_to;
    uint64_t i = 0, o = 0;
    if (walk == walk_to) {
        const ptrdiff_t there = visits.to - from;
        do {
            char* const p = const_cast<char*>(from) + i;
            visit(p, p + there);
            i = next(i, walk);
        } while (i);
    } else {
        char* const to = visits.to;
        do {
            visit(from + i, to + o);
            i = next(i, walk), o = next(o, walk_to);
        } while (i);
    }
}

template <class T, int G, int C0, int C1, int C2>
__attribute__((noinline)) void forward_group(const Group& group, const Run<typename Wide<T>::V>& run) {
    using V = typename Wide<T>::V;
    V tangents[3];
    for (int k = 0; k < 3; k++) tangents[k] = k < G ? run.tangents[group.steps[k]] : V{};
    each_case<G>(group, run, [&](const Case& now) QLIT_LAMBDA {
        const unsigned negated = group.negated[now.set];
        const V t0 = negated & 1 ? -tangents[0] : tangents[0], t1 = negated & 2 ? -tangents[1] : tangents[1],
                t2 = negated & 4 ? -tangents[2] : tangents[2];
        const Strides loaded = now.load, stored = now.store;
        each_visit(now, [&](const char* from, char* to) QLIT_LAMBDA {
            V x[1 << G];
            load<G>(x, from, loaded);
            turn<T, 0, C0, 1 << G>(x, t0);
            if constexpr (G > 1) turn<T, 1, C1, 1 << G>(x, t1);
            if constexpr (G > 2) turn<T, 2, C2, 1 << G>(x, t2);
            store<G>(x, to, stored);
        });
    });
}

template <class T, int G, int C0, int C1, int C2>
__attribute__((noinline)) void backward_group(const Group& group, const Run<typename Wide<T>::V>& run) {
    using V = typename Wide<T>::V;
    V tangents[3], sums[3] = {};
    for (int k = 0; k < 3; k++) tangents[k] = k < G ? run.tangents[group.steps[k]] : V{};
    const ptrdiff_t cotangent_from = run.cotangent_from, cotangent_to = run.cotangent_to;
    each_case<G>(group, run, [&](const Case& now) QLIT_LAMBDA {
        const unsigned negated = group.negated[now.set];
        const V t0 = negated & 1 ? -tangents[0] : tangents[0], t1 = negated & 2 ? -tangents[1] : tangents[1],
                t2 = negated & 4 ? -tangents[2] : tangents[2];
        const Strides loaded = now.load, stored = now.store;
        V sum0{}, sum1{}, sum2{};
        each_visit(now, [&](const char* from, char* to) QLIT_LAMBDA {
            V x[1 << G], l[1 << G];
            load<G>(x, from, loaded);
            load<G>(l, from + cotangent_from, loaded);
            sum0 += turn_back<T, 0, C0, 1 << G>(x, l, t0);
            if constexpr (G > 1) sum1 += turn_back<T, 1, C1, 1 << G>(x, l, t1);
            if constexpr (G > 2) sum2 += turn_back<T, 2, C2, 1 << G>(x, l, t2);
            store<G>(x, to, stored);
            store<G>(l, to + cotangent_to, stored);
        });
        sums[0] += negated & 1 ? -sum0 : sum0;
        sums[1] += negated & 2 ? -sum1 : sum1;
        sums[2] += negated & 4 ? -sum2 : sum2;
    });
    for (int k = 0; k < G; k++) run.sums[group.steps[k]] += sums[k];
}

// A target inside the vectors: x + (-t, t) exchanged(x), and exchanged(x) + (-t, t) x where the control is set.
template <class T>
__attribute__((noinline)) void forward_inside(const Group& group, const Run<typename Wide<T>::V>& run) {
    using V = typename Wide<T>::V;
    const V t = run.tangents[group.steps[0]], signed_t = halves<T>(-t, t), one = all<T>(T(1));
    each_case<2>(group, run, [&](const Case& now) QLIT_LAMBDA {
        const V kept = now.set & 1 ? signed_t : one, turned = now.set & 1 ? one : signed_t;
        const Strides loaded = now.load, stored = now.store;
        each_visit(now, [&](const char* from, char* to) QLIT_LAMBDA {
            V x[4];
            load<2>(x, from, loaded);
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) x[r] = kept * x[r] + turned * exchanged<T>(x[r]);
            store<2>(x, to, stored);
        });
    });
}

template <class T>
__attribute__((noinline)) void backward_inside(const Group& group, const Run<typename Wide<T>::V>& run) {
    using V = typename Wide<T>::V;
    const V t = run.tangents[group.steps[0]], signed_t = halves<T>(t, -t), one = all<T>(T(1));
    const ptrdiff_t cotangent_from = run.cotangent_from, cotangent_to = run.cotangent_to;
    V sums{};
    each_case<2>(group, run, [&](const Case& now) QLIT_LAMBDA {
        const V kept = now.set & 1 ? -signed_t : one, turned = now.set & 1 ? one : signed_t;
        const Strides loaded = now.load, stored = now.store;
        V sum[4] = {};
        each_visit(now, [&](const char* from, char* to) QLIT_LAMBDA {
            V x[4], l[4];
            load<2>(x, from, loaded);
            load<2>(l, from + cotangent_from, loaded);
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                x[r] = kept * x[r] + turned * exchanged<T>(x[r]), l[r] = kept * l[r] + turned * exchanged<T>(l[r]);
                sum[r] += l[r] * exchanged<T>(x[r]);
            }
            store<2>(x, to, stored);
            store<2>(l, to + cotangent_to, stored);
        });
        // The CNOT has exchanged the two amplitudes.
        const V all_four = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        sums += now.set & 1 ? -all_four : all_four;
    });
    run.sums[group.steps[0]] += halves<T>(-sums, sums);
}

template <class T>
using GroupKernel = void (*)(const Group&, const Run<typename Wide<T>::V>&);

// All kernels that a schedule can ask for, by code.
template <class T, bool Backward, int RegisterBits>
struct KernelTable {
    GroupKernel<T> at[kNumCodes] = {};

    template <int C0, int C1, int C2>
    constexpr void put3() {
        if constexpr (Backward) at[kernel_code(C0, C1, C2)] = backward_group<T, 3, C0, C1, C2>;
        else at[kernel_code(C0, C1, C2)] = forward_group<T, 3, C0, C1, C2>;
    }
    template <int C0, int C1>
    constexpr void put2() {
        if constexpr (C0 != 3 && C1 != 3) {
            if constexpr (Backward) at[kernel_code(C0, C1)] = backward_group<T, 2, C0, C1, 0>;
            else at[kernel_code(C0, C1)] = forward_group<T, 2, C0, C1, 0>;
        }
        if constexpr (RegisterBits > 2) {
            put3<C0, C1, 0>(), put3<C0, C1, 1>(), put3<C0, C1, 2>();
            if constexpr (Wide<T>::inside) put3<C0, C1, kInsideControl>();
        }
    }
    template <int C0>
    constexpr void put1() {
        if constexpr (C0 == 0 || C0 == kInsideControl) {
            if constexpr (Backward) at[kernel_code(C0)] = backward_group<T, 1, C0, 0, 0>;
            else at[kernel_code(C0)] = forward_group<T, 1, C0, 0, 0>;
        }
        put2<C0, 0>(), put2<C0, 1>(), put2<C0, 3>();
        if constexpr (Wide<T>::inside) put2<C0, kInsideControl>();
    }
    constexpr KernelTable() {
        put1<0>(), put1<2>(), put1<3>();
        if constexpr (Wide<T>::inside) {
            put1<kInsideControl>();
            if constexpr (Backward) at[kInsideTarget] = backward_inside<T>;
            else at[kInsideTarget] = forward_inside<T>;
        }
    }
};

}  // namespace
