// A tile, from its inputs to its results and back; batch.cpp calls it.

namespace {

template <class T, class V>
struct Layout {  // of a tile's memory
    V *state, *scale;
    static Layout of(const Tile<T>& tile) {
        V* scale = reinterpret_cast<V*>(tile.state);
        return {scale + 1, scale};
    }
};

template <class T>
size_t state_bytes(int num_bits) {
    return sizeof(typename Wide<T>::V) * ((size_t{1} << (num_bits - Wide<T>::inside)) + 1);
}

template <class T>
size_t scratch_bytes(const Tile<T>& tile) {
    return sizeof(typename Wide<T>::V) * (copies_vectors(tile.schedule, 2) + 3 * size_t(tile.num_steps) + tile.num_bits) +
           sizeof(uint32_t) * tile.num_steps + 256;
}

template <class T>
void forward(const Tile<T>& tile) {
    using V = typename Wide<T>::V;
    char* memory = tile.scratch;
    const Coefficients<T> c = coefficients(tile, memory);
    const auto [state, scale] = Layout<T, V>::of(tile);
    V* by_bit = reinterpret_cast<V*>(memory);
    memory += sizeof(V) * tile.num_bits;
    load_initial(tile, state);
    V s = all<T>(T(1));
    sweep<T, false, V>(tile, c, state, nullptr, s, nullptr, memory);
    measure(tile, c.frame, state, s, by_bit, reinterpret_cast<V*>(tile.other));
    *scale = s;
}

template <class T>
void repeat(const Tile<T>& tile) {
    using V = typename Wide<T>::V;
    char* memory = tile.scratch;
    const Coefficients<T> c = coefficients(tile, memory);
    const auto [state, scale] = Layout<T, V>::of(tile);
    sweep<T, false, V>(tile, c, state, nullptr, *scale, nullptr, memory);
}

template <class T>
void backward(const Tile<T>& tile) {
    using V = typename Wide<T>::V;
    constexpr int samples = kSamples<T>;
    char* memory = tile.scratch;
    const Coefficients<T> c = coefficients(tile, memory);
    const auto [state, scale] = Layout<T, V>::of(tile);
    V* by_bit = reinterpret_cast<V*>(memory);
    memory += sizeof(V) * tile.num_bits;
    V* sums = reinterpret_cast<V*>(memory);
    memory += sizeof(V) * tile.num_steps;
    V* cotangent = reinterpret_cast<V*>(tile.other);
    std::memset(static_cast<void*>(sums), 0, sizeof(V) * tile.num_steps);

    seed(tile, c.frame, state, cotangent, by_bit);
    V s = *scale;
    sweep<T, true, V>(tile, c, state, cotangent, s, sums, memory);
    *scale = s;

    for (int k = 0; k < tile.num_steps; k++) {
        const Step& step = tile.steps[k];
        if (step.slot != Step::Slot::parameter && step.slot != Step::Slot::angle) continue;
        double shared = 0;
        for (int b = 0; b < tile.num_samples; b++) {
            T sum = sums[k][b];
            if (Wide<T>::inside) sum += sums[k][(b + samples) % kLanes<T>];
            sum *= c.signs[k] >> b & 1 ? T(-0.5) : T(0.5);
            if (step.slot == Step::Slot::angle) tile.by_angles[int64_t(b) * tile.num_angles + step.index] += sum;
            shared += sum;
        }
        if (step.slot == Step::Slot::parameter) tile.by_parameters[step.index] += shared;
    }
    if (!tile.by_initial) return;
    const int64_t size = int64_t{1} << tile.num_qubits;
    const T* flat = reinterpret_cast<const T*>(cotangent);
    for (int64_t begin = 0; begin < size; begin += 16)
        for (int b = 0; b < tile.num_samples; b++)
            for (int64_t n = begin; n < (begin + 16 < size ? begin + 16 : size); n++)
                tile.by_initial[b * size + n] = flat[n * samples + b] * s[b];
}

template <class T>
constexpr Kernels<T> kernels(const char* name) {
    return {name, kSamples<T>, Wide<T>::inside, QLIT_FORWARD_BITS, QLIT_BACKWARD_BITS, sizeof(typename Wide<T>::V),
            state_bytes<T>, scratch_bytes<T>, half_angles<T>, forward<T>, repeat<T>, backward<T>};
}

}  // namespace
