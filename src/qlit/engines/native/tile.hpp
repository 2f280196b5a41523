// Interface of the code for one processor: it sweeps one tile (a few samples) through a circuit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plan.hpp"

namespace qlit {

// An angle reduced to [-pi/2, pi/2] by removing a half turn where needed: RY(angle) = RY(rest) * RY(pi)^odd.
template <class T>
struct HalfAngle {
    T tangent, cosine;  // of rest / 2
    bool odd;
};

// Bits of a Pauli error behind a gate: on its first wire (the control of a CNOT, else the only one), and on a CNOT's target.
enum Error : uint8_t { x_first = 1, z_first = 2, x_second = 4, z_second = 8 };

enum class Measure : int32_t { expectation, probabilities };

template <class T>
struct Tile {
    // the circuit
    const Step* steps;
    int32_t num_steps, num_qubits, num_bits, num_parameters, num_angles, num_gates;
    ScheduleView schedule;
    const HalfAngle<T>* parameters;  // (num_parameters)
    const HalfAngle<T>* angles;      // (samples of this tile, num_angles)
    // the samples
    int32_t num_samples;
    const T* initial;       // (num_samples, 2^num_qubits), or null for |0..0>
    const uint8_t* errors;  // (num_samples, num_gates), or null; see `Error`
    // the measurement
    Measure measure;
    const int32_t* measured_bits;
    int32_t num_measured;
    int64_t num_results;
    T* results;              // forward: (num_samples, num_results)
    const T* by_results;     // backward: the cotangent of the same
    T* by_initial;           // backward: (num_samples, 2^num_qubits), or null
    double* by_parameters;   // backward: (num_parameters), this tile's share
    T* by_angles;            // backward: (num_samples, num_angles)
    // memory, aligned for vectors
    char* state;      // state_bytes: kept between forward and backward
    char* other;      // state_bytes: backward the cotangent, forward the folded probabilities of a measurement
    char* scratch;    // scratch_bytes
};

template <class T>
struct Kernels {
    const char* name;
    int samples, inside_bits, forward_bits, backward_bits;
    size_t vector_bytes;
    size_t (*state_bytes)(int num_bits);
    size_t (*scratch_bytes)(const Tile<T>&);
    int64_t (*half_angles)(const T* angles, int64_t count, HalfAngle<T>* results);
    void (*forward)(const Tile<T>&);
    void (*repeat)(const Tile<T>&);  // from the initial state that `backward` left to the final one, unmeasured
    void (*backward)(const Tile<T>&);
};

struct KernelSet {
    const char* name;
    Kernels<float> single_precision;
    Kernels<double> double_precision;
};

}  // namespace qlit
