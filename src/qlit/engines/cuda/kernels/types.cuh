// What all kernels share: the argument of a launch, and small functions on angles, bits and warps. See ../cuda.md.
//
// The source is compiled by NVRTC, one file behind the other, with these macros: QLIT_REAL (float or double),
// QLIT_WORK_BYTES (the size of `Work` that the host has), and for registers.cu QLIT_REGISTER_BITS and QLIT_WARP_BITS.

typedef QLIT_REAL Real;
typedef unsigned char Byte;

constexpr int kCircuits = 9;        // of one launch: encoders, and the circuit that reads their results
constexpr int kMeasured = 32;       // wires
constexpr int kLanes = 32;          // of a warp
constexpr int kGroupBits = 3;       // a thread holds 2^3 amplitudes of a group
constexpr int kGroupSteps = 32;     // of a group, at most
constexpr int kGroupThreads = 512;  // of a block that runs groups, at most
constexpr unsigned kAllLanes = 0xffffffffu;

// A step: a CNOT, if there is a control, and then a rotation of its target, if it has an angle.
//   x: bits 0-7 the target (a basis bit, or a register of a group), 8-15 the position of the control (31: none), 16-18
//      registers one of which is the control (of a group), bit 24 whether the circuit's X and Z negate the angle
//   y: parameter or input angle;  z: 0 no angle, 1 a parameter, 2 an input angle;  w: its number in the circuit
// A group: x: its three bits, one a byte; y: its first step; z: the number of its steps.
// A gate: x: 0 RY, 1 CNOT, 2 X or Z; y, z: basis bits of its wires; w: the step of its angle, or -1.

// A circuit with everything that it reads and writes. B samples, P parameters, A input angles, S steps, N amplitudes.
struct Circuit {
    const int4* steps;            // (S), in the order in which this kernel runs them
    const int4* groups;
    const int4* gates;            // (G)
    const Byte* errors;           // (B, G): X, Z on a gate's first wire, X, Z on its second, one bit each
    const Real* parameters;       // (P), radians
    const Real* angles;           // (B, A), radians; null if encoders measure them
    Real* parameter_table;        // (P, 2): cosines and sines of half angles
    Real* angle_table;            // (B, A, 2)
    const Real* scale;            // of an encoder: radians at <Z> = 1
    Real* scaled_table;           // of an encoder: its place in the `angle_table` of the circuit that reads its results
    const Real* initial;          // (B, N); null for |0..0>
    Real* state;                  // (B, N): final states; null if nobody wants them
    Real* cotangent;              // (B, N): of the final state, in the end of the initial one; null if nobody wants it
    Real* results;                // (B, result_stride)
    const Real* by_results;       // (B, result_stride): the cotangent of the same
    signed char* signs;           // (B, S): +1, or -1 where errors negate the angle of a step; null without errors
    unsigned* flips;              // (B): basis bits that errors flip at the end; null without errors
    Real* parts;                  // (B, S, num_parts): derivatives by the angles of the steps, to be added
    const int* slots;             // (P + A + 1): where the steps of each parameter and angle begin in `readers`
    const int* readers;           // numbers of the steps of the parameters, and then of the angles
    Real* by_parameters;          // (P)
    Real* by_angles;              // (B, A)
    Real* by_scale;               // ()
    int num_qubits, num_steps, num_groups, num_gates, num_parameters, num_angles;
    int table_stride;             // of `scaled_table`: 2 A of the circuit that reads the results
    int num_parts, num_measured, result_stride;
    int joint;                    // whether probabilities of joint outcomes are measured, not expectation values
    unsigned flipped;             // basis bits that the circuit's X flip at the end
    Byte bits[kMeasured];         // measured basis bits; of a joint outcome the most significant first
};

struct Work {
    Circuit circuits[kCircuits];
    long long batch_size;
    int num_circuits;
    unsigned window;              // basis bits that a block holds
    int first_group, num_groups;  // of this window
    int chunk_bits;               // a measurement is shared out to 2^chunk_bits parts of the state
    int padding;
};
static_assert(sizeof(Work) == QLIT_WORK_BYTES, "host and device disagree about the argument of a launch");
static_assert(sizeof(Work) <= 4096, "the argument of a launch is too large");

struct Turn {
    Real c, s;  // of half the angle
};

__device__ inline void sine_and_cosine(float angle, float* s, float* c) { sincosf(angle, s, c); }
__device__ inline void sine_and_cosine(double angle, double* s, double* c) { sincos(angle, s, c); }

__device__ inline Turn half_angle(Real angle) {
    Turn turn;
    sine_and_cosine(angle / 2, &turn.s, &turn.c);
    return turn;
}

// Whether a step's angle is negated in a sample.
__device__ inline bool negated(const Circuit& circuit, int4 step, long long sample) {
    const bool own = step.x >> 24 & 1;
    return circuit.signs && circuit.signs[sample * circuit.num_steps + step.w] < 0 ? !own : own;
}

__device__ inline Turn turn_of(const Circuit& circuit, int4 step, long long sample) {
    if (!step.z) return {Real(1), Real(0)};
    const Real* table = step.z == 1 ? circuit.parameter_table + 2 * step.y
                                    : circuit.angle_table + 2 * (sample * circuit.num_angles + step.y);
    return {table[0], negated(circuit, step, sample) ? -table[1] : table[1]};
}

__device__ inline Real warp_sum(Real value, int lanes = kLanes) {
    for (int offset = lanes / 2; offset; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
    return value;
}

// The bits of `value` at the places of the bits of `mask`, lowest first.
__device__ inline unsigned deposit(unsigned value, unsigned mask) {
    unsigned result = 0;
    for (; mask && value; value >>= 1, mask &= mask - 1)
        if (value & 1) result |= mask & (0u - mask);
    return result;
}

__device__ inline unsigned flips_of(const Circuit& circuit, long long sample) {
    return circuit.flips ? circuit.flipped ^ circuit.flips[sample] : circuit.flipped;
}

// RY of a pair, behind a CNOT whose control is `swap`; and the same undone.
__device__ inline void rotate(Real& first, Real& second, Turn turn, bool swap) {
    const Real a = swap ? second : first, b = swap ? first : second;
    first = turn.c * a - turn.s * b;
    second = turn.s * a + turn.c * b;
}

__device__ inline void undo(Real& first, Real& second, Turn turn, bool swap) {
    const Real a = turn.c * first + turn.s * second, b = turn.c * second - turn.s * first;
    first = swap ? b : a;
    second = swap ? a : b;
}
