// From 11 qubits: a block holds a state, or a window of one, in shared memory, and runs groups of steps on it.
//
// A thread loads the 8 amplitudes of a group's three bits, runs the steps of the group on them, and stores them: one barrier
// a group. Positions count the bits of a block's memory first, then those that number the blocks.

struct Sums {
    Real of[2][kGroupSteps][kGroupThreads / kLanes];  // by step and warp; two, used in turn as the barriers allow
};

// Calls `visit` for the four pairs of a register bit.
template <class F>
__device__ inline void each_register_pair(int bit, F&& visit) {
    switch (bit) {
        case 0: visit(0, 1), visit(2, 3), visit(4, 5), visit(6, 7); break;
        case 1: visit(0, 2), visit(1, 3), visit(4, 6), visit(5, 7); break;
        default: visit(0, 4), visit(1, 5), visit(2, 6), visit(3, 7);
    }
}

// The visit-th number whose bits at three places are 0.
__device__ inline unsigned place_of(unsigned visit, const int (&bits)[3]) {
    for (int k = 0; k < 3; k++) {
        const unsigned low = (1u << bits[k]) - 1;
        visit = (visit & ~low) << 1 | (visit & low);
    }
    return visit;
}

__device__ inline bool swaps(int4 step, unsigned position, int j) {
    return (position >> (step.x >> 8 & 255) & 1) || (j & (step.x >> 16 & 7));
}

// Runs a group on the 2^size_bits amplitudes of this block, whose number is `outer`; backward on the cotangent as well.
template <bool backward>
__device__ inline void run_group(const Circuit& circuit, int4 group, Real* psi, Real* lambda, int size_bits, unsigned outer,
                                 long long sample, Real (*sums)[kGroupThreads / kLanes]) {
    const int bits[3] = {group.x & 255, group.x >> 8 & 255, group.x >> 16 & 255};
    const unsigned count = 1u << (size_bits - kGroupBits);
    for (unsigned begin = 0; begin < count; begin += blockDim.x) {  // as often in all threads: they exchange sums
        const unsigned visit = begin + threadIdx.x;
        const bool is_idle = visit >= count;
        const unsigned place = place_of(is_idle ? 0 : visit, bits), position = place | outer << size_bits;
        unsigned at[8];
        Real p[8], q[8];
#pragma unroll
        for (int j = 0; j < 8; j++) {
            at[j] = place | (j & 1) << bits[0] | (j >> 1 & 1) << bits[1] | (j >> 2) << bits[2];
            p[j] = is_idle ? Real(0) : psi[at[j]];
            if constexpr (backward) q[j] = is_idle ? Real(0) : lambda[at[j]];
        }
        for (int n = 0; n < group.z; n++) {
            const int k = backward ? group.z - 1 - n : n;
            const int4 step = circuit.steps[group.y + k];
            const Turn turn = turn_of(circuit, step, sample);
            if constexpr (backward) {
                Real product = 0;
                each_register_pair(step.x & 255, [&](int i, int j) {
                    const bool swap = swaps(step, position, i);
                    product += q[j] * p[i] - q[i] * p[j];
                    undo(p[i], p[j], turn, swap);
                    undo(q[i], q[j], turn, swap);
                });
                if (!step.z) continue;
                product = warp_sum(product);
                Real& sum = sums[k][threadIdx.x / kLanes];
                if (threadIdx.x % kLanes == 0) sum = begin ? sum + product : product;
            } else {
                each_register_pair(step.x & 255,
                                   [&](int i, int j) { rotate(p[i], p[j], turn, swaps(step, position, i)); });
            }
        }
        if (is_idle) continue;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            psi[at[j]] = p[j];
            if constexpr (backward) lambda[at[j]] = q[j];
        }
    }
    __syncthreads();
    if constexpr (backward)  // the warps' sums, in order
        for (int k = threadIdx.x; k < group.z; k += blockDim.x) {
            const int4 step = circuit.steps[group.y + k];
            if (!step.z) continue;
            Real sum = 0;
            for (int warp = 0; warp < blockDim.x / kLanes; warp++) sum += sums[k][warp];
            circuit.parts[(sample * circuit.num_steps + step.w) * circuit.num_parts + outer] =
                (negated(circuit, step, sample) ? -sum : sum) / 2;
        }
}

// --- a whole state in shared memory: up to 14 qubits, as the device and the type allow; all circuits in one launch ---

__device__ inline int padded(int num_qubits) { return num_qubits < kGroupBits ? kGroupBits : num_qubits; }

extern "C" __global__ void __launch_bounds__(kGroupThreads) forward_shared(const __grid_constant__ Work work) {
    QLIT_SHARED(psi);
    const long long sample = blockIdx.x;
    for (int c = 0; c < work.num_circuits; c++) {
        const Circuit& circuit = work.circuits[c];
        const int size_bits = padded(circuit.num_qubits);
        for (unsigned n = threadIdx.x; n < 1u << size_bits; n += blockDim.x) psi[n] = initial(circuit, n, sample);
        __syncthreads();
        for (int g = 0; g < circuit.num_groups; g++)
            run_group<false>(circuit, circuit.groups[g], psi, nullptr, size_bits, 0, sample, nullptr);
        if (circuit.state)
            for (unsigned n = threadIdx.x; n < 1u << circuit.num_qubits; n += blockDim.x)
                circuit.state[(sample << circuit.num_qubits) + n] = psi[n];
        measure(circuit, psi, sample);
        __syncthreads();  // the angles that an encoder measured are there
    }
}

extern "C" __global__ void __launch_bounds__(kGroupThreads) backward_shared(const __grid_constant__ Work work) {
    QLIT_SHARED(psi);
    __shared__ Sums sums;
    const long long sample = blockIdx.x;
    int turns = 0;
    for (int c = work.num_circuits - 1; c >= 0; c--) {
        const Circuit& circuit = work.circuits[c];
        const int size_bits = padded(circuit.num_qubits);
        Real* lambda = psi + (1u << size_bits);
        for (unsigned n = threadIdx.x; n < 1u << size_bits; n += blockDim.x) {
            const bool is_padding = n >> circuit.num_qubits;
            psi[n] = is_padding ? Real(0) : circuit.state[(sample << circuit.num_qubits) + n];
            lambda[n] = is_padding ? Real(0) : psi[n] * seed(circuit, n, sample);
        }
        __syncthreads();
        for (int g = circuit.num_groups - 1; g >= 0; g--, turns++)
            run_group<true>(circuit, circuit.groups[g], psi, lambda, size_bits, 0, sample, sums.of[turns & 1]);
        if (circuit.cotangent)
            for (unsigned n = threadIdx.x; n < 1u << circuit.num_qubits; n += blockDim.x)
                circuit.cotangent[(sample << circuit.num_qubits) + n] = lambda[n];
        __syncthreads();  // all parts are there
        sum_angles(circuit, sample);
        __syncthreads();  // and the cotangents of the encoders' results
    }
}
