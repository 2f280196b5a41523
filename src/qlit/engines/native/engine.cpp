#include "engine.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <type_traits>

#include "memory.hpp"
#include "threads.hpp"

namespace qlit {

#if defined(QLIT_X86)
extern const KernelSet kernels_avx512, kernels_avx2;
#endif
extern const KernelSet kernels_plain;

std::vector<const KernelSet*> available_kernels() {
    std::vector<const KernelSet*> sets;
#if defined(QLIT_X86)
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#if defined(QLIT_EMULATE_AVX512)  // its code, compiled for AVX2: for tests on processors without it
    const bool has_avx512 = has_avx2;
#else
    const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    if (has_avx512)
        sets.push_back(&kernels_avx512);
    if (has_avx2) sets.push_back(&kernels_avx2);
#endif
    sets.push_back(&kernels_plain);
    return sets;
}

namespace {

const KernelSet& kernels_named(const std::string& name) {
    for (const KernelSet* set : available_kernels())
        if (name == set->name) return *set;
    throw std::invalid_argument("This processor has no kernels '" + name + "'.");
}

template <class T>
const Kernels<T>& of_type(const KernelSet& set) {
    if constexpr (std::is_same_v<T, float>)
        return set.single_precision;
    else
        return set.double_precision;
}

// A block of state and cotangent (forwards there is no cotangent) is to stay in half an L1 cache of 32 KiB, a window of both
// in half an L2 cache of 512 KiB. A state that fits the whole L1 cache is its only block, up to twice the L2 cache its only
// window: copies would cost more than they save.
template <class T>
Blocking blocking(const Kernels<T>& kernels, bool backward, int num_qubits) {
    constexpr size_t level1 = 32 << 10, block = level1 / 2, window = 256 << 10, small = 1 << 20;
    const size_t bytes_each = kernels.vector_bytes << backward;
    auto bits = [&](size_t bytes) { return int(std::bit_width(bytes / bytes_each)) - 1; };
    const int register_bits = backward ? kernels.backward_bits : kernels.forward_bits;
    const int vector_bits = num_qubits - kernels.inside_bits;
    const int block_bits = bits(vector_bits <= bits(level1) ? level1 : block);
    const int window_bits = bits(vector_bits <= bits(small) ? small : window);
    return {kernels.vector_bytes, kernels.inside_bits, register_bits, std::max(block_bits, register_bits), window_bits};
}

template <class T>
Buffer half_angles(const Kernels<T>& kernels, const T* angles, int64_t count, const char* what) {
    Buffer result(sizeof(HalfAngle<T>) * (count + 1));
    const int64_t bad = kernels.half_angles(angles, count, result.as<HalfAngle<T>>());
    if (bad >= 0)
        throw std::domain_error(std::string("Angles must be finite, but among the ") + what + " number " + std::to_string(bad) +
                                " is " + std::to_string(angles[bad]) + ".");
    return result;
}

constexpr size_t kDisplacement = 9 * 64;

// Tiny numbers are flushed to zero while kernels run: they carry nothing and would slow some processors a hundredfold.
class FlushTinyNumbers {
public:
#if defined(QLIT_X86)
    FlushTinyNumbers() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040); }
    ~FlushTinyNumbers() { __builtin_ia32_ldmxcsr(before_); }

private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushTinyNumbers() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" ::"r"(before_ | uint64_t{1} << 24));
    }
    ~FlushTinyNumbers() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

private:
    uint64_t before_;
#endif
};

}  // namespace

int64_t Measurement::num_results() const {
    return kind == Measure::expectation ? int64_t(bits.size()) : int64_t{1} << bits.size();
}

template <class T>
struct Executable<T>::Tables {
    Buffer parameters, angles;
    Tables(const Inputs<T>& inputs, const Plan& plan, const Kernels<T>& kernels)
        : parameters(half_angles(kernels, inputs.parameters, plan.num_parameters, "parameters")),
          angles(half_angles(kernels, inputs.angles, inputs.angles ? inputs.batch_size * plan.num_angles : 0, "input angles")) {}
};

template <class T>
Executable<T>::Executable(int num_qubits, int num_parameters, int num_angles, const std::vector<Instruction>& instructions,
                          const std::string& kernels)
    : kernels_(of_type<T>(kernels_named(kernels))),
      plan_(num_qubits, num_parameters, num_angles, instructions, blocking(kernels_, false, num_qubits),
            blocking(kernels_, true, num_qubits)) {}

template <class T>
int Executable<T>::num_tiles(int64_t batch_size) const {
    return int((batch_size + kernels_.samples - 1) / kernels_.samples);
}

template <class T>
size_t Executable<T>::tile_bytes() const {
    return (kernels_.state_bytes(plan_.num_bits) + 63) / 64 * 64;
}

template <class T>
size_t Executable<T>::state_bytes(int64_t batch_size) const {
    return num_tiles(batch_size) * tile_bytes();
}

template <class T>
Tile<T> Executable<T>::tile(const Inputs<T>& inputs, const Tables& tables, const ScheduleView& schedule, int64_t k) const {
    Tile<T> tile{};
    tile.steps = plan_.steps.data(), tile.num_steps = int32_t(plan_.steps.size());
    tile.num_qubits = plan_.num_qubits, tile.num_bits = plan_.num_bits;
    tile.num_parameters = plan_.num_parameters, tile.num_angles = plan_.num_angles, tile.num_gates = plan_.num_gates;
    tile.schedule = schedule;
    tile.parameters = tables.parameters.template as<HalfAngle<T>>();
    const int64_t first = k * kernels_.samples;
    tile.angles = tables.angles.template as<HalfAngle<T>>() + (inputs.angles ? first * plan_.num_angles : 0);
    tile.num_samples = int32_t(std::min<int64_t>(kernels_.samples, inputs.batch_size - first));
    tile.initial = inputs.initial ? inputs.initial + (first << plan_.num_qubits) : nullptr;
    tile.errors = inputs.errors ? inputs.errors + first * plan_.num_gates : nullptr;
    return tile;
}

// Calls run(tile, its number, worker) for all tiles, each with memory of its worker's.
template <class T>
template <class F>
void Executable<T>::each_tile(const Inputs<T>& inputs, const Tables& tables, const ScheduleView& schedule, int num_threads,
                              F&& run) const {
    const int count = num_tiles(inputs.batch_size), num_workers = std::max(1, std::min(num_threads, count));
    std::vector<Buffer> scratch(num_workers), others(num_workers);
    run_tasks(count, num_workers, [&](int k, int worker) {
        const FlushTinyNumbers flush;
        Tile<T> t = tile(inputs, tables, schedule, k);
        if (!scratch[worker].data()) scratch[worker] = Buffer(kernels_.scratch_bytes(t));
        // Displaced: where state and cotangent differ by a power of two, their vectors would share a set of every cache.
        if (!others[worker].data()) others[worker] = Buffer(tile_bytes() + kDisplacement);
        t.scratch = scratch[worker].data(), t.other = others[worker].data() + kDisplacement;
        run(t, k, worker);
    });
}

void set_measurement(auto& tile, const Measurement& measurement) {
    tile.measure = measurement.kind;
    tile.measured_bits = measurement.bits.data(), tile.num_measured = int32_t(measurement.bits.size());
    tile.num_results = measurement.num_results();
}

template <class T>
void Executable<T>::forward(const Inputs<T>& inputs, const Measurement& measurement, T* results, char* states,
                            int num_threads) const {
    const Tables tables(inputs, plan_, kernels_);
    std::vector<Buffer> unkept(states ? 0 : std::max(1, num_threads));
    each_tile(inputs, tables, plan_.forward, num_threads, [&](Tile<T>& t, int64_t k, int worker) {
        set_measurement(t, measurement);
        if (!states && !unkept[worker].data()) unkept[worker] = Buffer(tile_bytes());
        t.state = states ? states + k * tile_bytes() : unkept[worker].data();
        t.results = results + k * kernels_.samples * t.num_results;
        kernels_.forward(t);
    });
}

template <class T>
void Executable<T>::backward(const Inputs<T>& inputs, const Measurement& measurement, char* states, const T* by_results,
                             const Gradients<T>& gradients, int num_threads) const {
    const Tables tables(inputs, plan_, kernels_);
    // Every tile has sums of its own, added in order at the end: the same bits for any number of threads.
    const int count = num_tiles(inputs.batch_size);
    const size_t num_sums = size_t(count) * plan_.num_parameters, num_angles = size_t(inputs.batch_size) * plan_.num_angles;
    const Buffer sums(sizeof(double) * (num_sums + 1)), unasked(sizeof(T) * (num_angles + 1));
    std::fill_n(sums.as<double>(), num_sums, 0.0);
    T* by_angles = gradients.angles ? gradients.angles : unasked.as<T>();
    std::fill_n(by_angles, num_angles, T(0));
    each_tile(inputs, tables, plan_.backward, num_threads, [&](Tile<T>& t, int64_t k, int) {
        set_measurement(t, measurement);
        const int64_t first = k * kernels_.samples;
        t.state = states + k * tile_bytes();
        t.by_results = by_results + first * t.num_results;
        t.by_parameters = sums.as<double>() + size_t(k) * plan_.num_parameters;
        t.by_angles = by_angles + first * plan_.num_angles;
        t.by_initial = gradients.initial ? gradients.initial + (first << plan_.num_qubits) : nullptr;
        kernels_.backward(t);
    });
    for (int p = 0; p < plan_.num_parameters; p++) {
        double sum = 0;
        for (int k = 0; k < count; k++) sum += sums.as<double>()[size_t(k) * plan_.num_parameters + p];
        gradients.parameters[p] = T(sum);
    }
}

template <class T>
void Executable<T>::repeat(const Inputs<T>& inputs, char* states, int num_threads) const {
    const Tables tables(inputs, plan_, kernels_);
    each_tile(inputs, tables, plan_.forward, num_threads, [&](Tile<T>& t, int64_t k, int) {
        t.state = states + k * tile_bytes();
        kernels_.repeat(t);
    });
}

template class Executable<float>;
template class Executable<double>;

}  // namespace qlit
