#include "engine.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <type_traits>

namespace qlit {

#if defined(QLIT_X86)
extern const KernelSet kernels_avx512, kernels_avx512_amd, kernels_avx2;
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
    if (has_avx512) sets.push_back(&kernels_avx512);
#if !defined(QLIT_EMULATE_AVX512)
    if (has_avx512) sets.insert(__builtin_cpu_is("amd") ? sets.begin() : sets.end(), &kernels_avx512_amd);
#endif
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

// A block of state and cotangent (forward has no cotangent) should stay in half an L1 cache of 32 KiB, a window of both
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

}  // namespace

int64_t Measurement::num_results() const {
    return kind == Measure::expectation ? int64_t(bits.size()) : int64_t{1} << bits.size();
}

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

template class Executable<float>;
template class Executable<double>;

}  // namespace qlit
