// A circuit, compiled for this processor: runs forward and backward over batches. Knows threads and memory, not Python.
#pragma once

#include <string>
#include <vector>

#include "tile.hpp"

namespace qlit {

// The kernels this processor can run, best first: avx512_amd, avx512 (AMD's; others reverse the two), avx2, plain.
std::vector<const KernelSet*> available_kernels();

template <class T>
class Executable;

struct Measurement {
    Measure kind;
    std::vector<int32_t> bits;  // basis bits; of joint outcomes the most significant first
    int64_t num_results() const;
};

// A circuit whose expectation values, times `scale`, are input angles of another one: its inputs in a run and, backwards,
// memory for their gradients, each overwritten completely; all for the same batch.
template <class T>
struct Encoder {
    const Executable<T>* executable;  // takes no input angles itself
    const Measurement* measurement;   // expectation values
    const T *parameters, *scale, *initial;     // (P), (1), (B, N) or null
    T *by_parameters, *by_scale, *by_initial;  // `by_initial` may be null
};

template <class T>
struct Inputs {
    const T *parameters, *angles, *initial;  // (P), (B, A) or null, (B, N) or null
    const uint8_t* errors;                   // (B, number of instructions) or null; see tile.hpp
    int64_t batch_size;
    // Encoders measure the angles in place of `angles`, in their order. `values` holds their expectation values (B, A):
    // written forward, unless it is null, and read backward.
    std::vector<Encoder<T>> encoders;
    T* values;
};

// Gradients, each overwritten completely. `angles` and `initial` may be null.
template <class T>
struct Gradients {
    T *parameters, *angles, *initial;  // (P), (B, A), (B, N)
};

// Threads take tiles; a tile runs through all circuits before its thread takes the next.
template <class T>
class Executable {
public:
    // Throws std::invalid_argument if this processor has no kernels of that name.
    Executable(int num_qubits, int num_parameters, int num_angles, const std::vector<Instruction>& instructions,
               const std::string& kernels);

    // Bytes of the states of a batch between forward and backward; their memory is aligned to 64 bytes. The memory of a
    // run holds the states of its encoders, in order, and then its own.
    size_t state_bytes(int64_t batch_size) const;

    // Writes results (B, num_results), and leaves the final states in `states` unless that is null.
    // Throws std::domain_error for an angle that is not finite.
    void forward(const Inputs<T>& inputs, const Measurement& measurement, T* results, char* states, int num_threads) const;

    // Takes the final states that `forward` left, and leaves initial states in their place. Does not read initial states.
    void backward(const Inputs<T>& inputs, const Measurement& measurement, char* states, const T* by_results,
                  const Gradients<T>& gradients, int num_threads) const;

    // Runs the circuits again from the initial states that `backward` left to their final states.
    void repeat(const Inputs<T>& inputs, char* states, int num_threads) const;

    const Plan& plan() const { return plan_; }
    int samples_per_tile() const { return kernels_.samples; }

private:
    template <class>
    friend class Batch;
    int num_tiles(int64_t batch_size) const;
    size_t tile_bytes() const;

    const Kernels<T>& kernels_;
    Plan plan_;
};

extern template class Executable<float>;
extern template class Executable<double>;

}  // namespace qlit
