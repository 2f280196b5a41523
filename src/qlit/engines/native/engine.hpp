// A circuit, compiled for this processor: runs forward and backward over batches. Knows threads and memory, not Python.
#pragma once

#include <string>
#include <vector>

#include "tile.hpp"

namespace qlit {

// The kernels this processor can run, best first: avx512, avx2, plain.
std::vector<const KernelSet*> available_kernels();

template <class T>
struct Inputs {
    const T *parameters, *angles, *initial;  // (P), (B, A) or null, (B, N) or null
    const uint8_t* errors;                   // (B, number of instructions) or null; see tile.hpp
    int64_t batch_size;
};

struct Measurement {
    Measure kind;
    std::vector<int32_t> bits;  // basis bits; of joint outcomes the most significant first
    int64_t num_results() const;
};

// Gradients, each written whole. `angles` and `initial` may be null.
template <class T>
struct Gradients {
    T *parameters, *angles, *initial;  // (P), (B, A), (B, N)
};

template <class T>
class Executable {
public:
    // Throws std::invalid_argument if this processor has no kernels of that name.
    Executable(int num_qubits, int num_parameters, int num_angles, const std::vector<Instruction>& instructions,
               const std::string& kernels);

    // Bytes that the states of a batch take between forward and backward; their memory is aligned to 64 bytes.
    size_t state_bytes(int64_t batch_size) const;

    // Writes results (B, num_results), and leaves the final states in `states` unless that is null.
    // Throws std::domain_error for an angle that is not finite.
    void forward(const Inputs<T>& inputs, const Measurement& measurement, T* results, char* states, int num_threads) const;

    // Takes the final states that `forward` left, and leaves initial states in their place. Does not read inputs.initial.
    void backward(const Inputs<T>& inputs, const Measurement& measurement, char* states, const T* by_results,
                  const Gradients<T>& gradients, int num_threads) const;

    // Brings the initial states that `backward` left to their end again.
    void repeat(const Inputs<T>& inputs, char* states, int num_threads) const;

    const Plan& plan() const { return plan_; }
    int samples_per_tile() const { return kernels_.samples; }

private:
    struct Tables;
    int num_tiles(int64_t batch_size) const;
    size_t tile_bytes() const;
    Tile<T> tile(const Inputs<T>& inputs, const Tables& tables, const ScheduleView& schedule, int64_t k) const;
    template <class F>
    void each_tile(const Inputs<T>& inputs, const Tables& tables, const ScheduleView& schedule, int num_threads, F&& run) const;

    const Kernels<T>& kernels_;
    Plan plan_;
};

extern template class Executable<float>;
extern template class Executable<double>;

}  // namespace qlit
