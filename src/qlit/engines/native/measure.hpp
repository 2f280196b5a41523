// The steps before and after a sweep: initial state, measurement, and the cotangent of the measurement.

namespace {

template <class T, class V>
void load_initial(const Tile<T>& tile, V* state) {
    constexpr int samples = kSamples<T>, inside = Wide<T>::inside;
    const int64_t size = int64_t{1} << tile.num_qubits, vectors = int64_t{1} << (tile.num_bits - inside);
    if (!tile.initial || vectors > size >> inside || tile.num_samples < samples || size < 1 + inside)
        std::memset(static_cast<void*>(state), 0, sizeof(V) * vectors);
    if (!tile.initial) {
        for (int s = 0; s < samples; s++) state[0][s] = T(1);
        return;
    }
    T* flat = reinterpret_cast<T*>(state);
    // Sixteen neighbours of every sample at a time, so that reads and writes use whole cache lines.
    for (int64_t begin = 0; begin < size; begin += 16)
        for (int s = 0; s < tile.num_samples; s++) {
            const T* from = tile.initial + s * size;
            for (int64_t n = begin; n < (begin + 16 < size ? begin + 16 : size); n++) flat[n * samples + s] = from[n];
        }
}

// Adds the two amplitudes inside a vector, or subtracts the second one with `difference`.
template <class T, class V>
V folded(V v, bool difference) {
    if constexpr (!Wide<T>::inside) return v;
    if (difference) v = halves<T>(v, -v);
    return v + exchanged<T>(v);
}

// <Z> of the measured bits, unscaled: probabilities are folded from the highest bit down to the lowest measured bit.
template <class T, class V>
void expectation(const Tile<T>& tile, const V* state, V* by_bit, V* folding) {
    constexpr int inside = Wide<T>::inside;
    int lowest = tile.num_bits;
    for (int k = 0; k < tile.num_measured; k++) lowest = tile.measured_bits[k] < lowest ? tile.measured_bits[k] : lowest;
    int64_t half = int64_t{1} << (tile.num_bits - inside - 1);
    for (int bit = tile.num_bits - 1; bit >= lowest && bit >= inside; bit--, half >>= 1) {
        V difference{};
        const V* x = bit == tile.num_bits - 1 ? state : folding;
        for (int64_t k = 0; k < half; k++) {
            V a = x[k], b = x[k + half];
            if (bit == tile.num_bits - 1) a *= a, b *= b;
            difference += a - b;
            folding[k] = a + b;
        }
        by_bit[bit] = folded<T>(difference, false);
    }
    if (inside && lowest == 0) by_bit[0] = folded<T>(folding[0], true);
}

// Walks all joint outcomes: for each the first vector, and the mask of those bits that are summed over.
template <class T, class F>
void each_outcome(const Tile<T>& tile, F&& visit) {
    constexpr int inside = Wide<T>::inside;
    uint64_t measured = 0;
    for (int k = 0; k < tile.num_measured; k++) measured |= uint64_t{1} << tile.measured_bits[k];
    const uint64_t rest = (((uint64_t{1} << tile.num_qubits) - 1) & ~measured) >> inside;
    for (int64_t outcome = 0; outcome < tile.num_results; outcome++) {
        uint64_t basis = 0;
        for (int k = 0; k < tile.num_measured; k++)
            if (outcome >> (tile.num_measured - 1 - k) & 1) basis |= uint64_t{1} << tile.measured_bits[k];
        visit(outcome, basis, rest, bool(inside && (measured & 1)));
    }
}

// An outcome after the frame of sample s: an X flips its bit.
template <class T>
int64_t framed(const Tile<T>& tile, const Frame& frame, int s, int64_t outcome) {
    for (int k = 0; k < tile.num_measured; k++)
        outcome ^= int64_t(frame.x[tile.measured_bits[k]] >> s & 1) << (tile.num_measured - 1 - k);
    return outcome;
}

template <class T, class V>
void measure(const Tile<T>& tile, const Frame& frame, const V* state, V scale, V* by_bit, V* folding) {
    constexpr int inside = Wide<T>::inside, samples = kSamples<T>;
    const V weight = scale * scale;
    if (tile.measure == Measure::expectation) {
        expectation<T>(tile, state, by_bit, folding);
        for (int k = 0; k < tile.num_measured; k++) {
            const int bit = tile.measured_bits[k];
            const V z = by_bit[bit] * weight;
            for (int s = 0; s < tile.num_samples; s++)
                tile.results[s * tile.num_results + k] = frame.x[bit] >> s & 1 ? -z[s] : z[s];
        }
        return;
    }
    int64_t flips[kSamples<T>];
    for (int s = 0; s < samples; s++) flips[s] = framed(tile, frame, s, 0);
    each_outcome(tile, [&](int64_t outcome, uint64_t basis, uint64_t rest, bool inside_measured) {
        V sum{};
        uint64_t others = 0;
        do {
            const V x = state[(basis >> inside) | others];
            sum += x * x;
            others = (others - rest) & rest;
        } while (others);
        sum *= weight;
        if constexpr (inside) {
            const V swapped = exchanged<T>(sum);
            sum = inside_measured ? (basis & 1 ? swapped : sum) : sum + swapped;
        }
        for (int s = 0; s < tile.num_samples; s++) tile.results[s * tile.num_results + (outcome ^ flips[s])] = sum[s];
    });
}

// The cotangent of the final state, in units of 1 / scale: 2 psi times the results' cotangent of its outcome.
template <class T, class V>
void seed(const Tile<T>& tile, const Frame& frame, const V* state, V* cotangent, V* by_bit) {
    constexpr int inside = Wide<T>::inside, samples = kSamples<T>;
    const int64_t vectors = int64_t{1} << (tile.num_bits - inside);
    if (tile.measure == Measure::expectation) {
        for (int bit = 0; bit < tile.num_bits; bit++) by_bit[bit] = V{};
        V sum{};
        for (int k = 0; k < tile.num_measured; k++) {
            const int bit = tile.measured_bits[k];
            for (int s = 0; s < tile.num_samples; s++) {
                const T g = tile.by_results[s * tile.num_results + k];
                for (int lane = s; lane < kLanes<T>; lane += samples) by_bit[bit][lane] = frame.x[bit] >> s & 1 ? -g : g;
            }
            if (bit >= inside) sum += by_bit[bit];
        }
        // Twice the sum of +-g over the measured bits, built by doubling: setting a bit changes the sign of its g.
        cotangent[0] = T(2) * (inside ? sum + halves<T>(by_bit[0], -by_bit[0]) : sum);
        for (int bit = inside; bit < tile.num_bits; bit++) {
            const int64_t half = int64_t{1} << (bit - inside);
            const V change = T(4) * by_bit[bit];
            for (int64_t k = 0; k < half; k++) cotangent[half + k] = cotangent[k] - change;
        }
        for (int64_t k = 0; k < vectors; k++) cotangent[k] *= state[k];
        return;
    }
    std::memset(static_cast<void*>(cotangent), 0, sizeof(V) * vectors);
    int64_t flips[kSamples<T>];
    for (int s = 0; s < samples; s++) flips[s] = framed(tile, frame, s, 0);
    each_outcome(tile, [&](int64_t outcome, uint64_t basis, uint64_t rest, bool inside_measured) {
        V g{};
        for (int s = 0; s < tile.num_samples; s++) {
            const T value = T(2) * tile.by_results[s * tile.num_results + (outcome ^ flips[s])];
            const bool both = inside && !inside_measured;
            if (both || !(basis & 1) || !inside) g[s] = value;
            if (inside && (both || (basis & 1))) g[s + (inside ? samples : 0)] = value;
        }
        uint64_t others = 0;
        do {
            const uint64_t k = (basis >> inside) | others;
            cotangent[k] += g * state[k];
            others = (others - rest) & rest;
        } while (others);
    });
}

}  // namespace
