// Up to 10 qubits: a block of 1 to 4 warps holds the state of a sample in registers and runs all circuits in one launch.
//
// Bits 0-4 of an amplitude's index are the lane, the next ones the register of its thread, the highest ones the warp. A
// rotation across lanes shuffles, one inside a thread needs nothing, one across warps exchanges through shared memory.

constexpr int kRegisterBits = QLIT_REGISTER_BITS, kWarpBits = QLIT_WARP_BITS, kRegisters = 1 << kRegisterBits;
constexpr int kThreads = kLanes << kWarpBits, kAmplitudes = kThreads * kRegisters;

// The amplitudes of all warps, of state and cotangent. Two of each, used in turn: a warp may write the next exchange while
// another still reads the last one.
struct Exchange {
    Real psi[2][kAmplitudes], lambda[2][kAmplitudes];
};

__device__ inline unsigned index_of(int j) {
    return threadIdx.x % kLanes | j << 5 | threadIdx.x / kLanes << (5 + kRegisterBits);
}

// Amplitudes of the partners in other threads of `target`.
__device__ inline void partners(const Real (&own)[kRegisters], Real (&other)[kRegisters], int target,
                                Real* shared) {
    if (target < 5) {
#pragma unroll
        for (int j = 0; j < kRegisters; j++) other[j] = __shfl_xor_sync(kAllLanes, own[j], 1 << target);
        return;
    }
#pragma unroll
    for (int j = 0; j < kRegisters; j++) other[j] = shared[index_of(j) ^ 1u << target];
}

__device__ inline void put(const Real (&own)[kRegisters], Real* shared) {
#pragma unroll
    for (int j = 0; j < kRegisters; j++) shared[index_of(j)] = own[j];
}

// Calls `visit(j, other register)` for the pairs of register bit `bit`, whose number is known to the compiler.
template <int bit, class F>
__device__ inline void each_pair_of(F&& visit) {
    if constexpr (bit < kRegisterBits)
#pragma unroll
        for (int j = 0; j < kRegisters; j++)
            if (!(j >> bit & 1)) visit(j, j | 1 << bit);
}

template <class F>
__device__ inline void each_pair(int bit, F&& visit) {
    switch (bit) {
        case 0: each_pair_of<0>(visit); break;
        case 1: each_pair_of<1>(visit); break;
        default: each_pair_of<2>(visit);
    }
}

__device__ inline bool is_register(int target) { return target >= 5 && target < 5 + kRegisterBits; }
__device__ inline bool crosses_warps(int target) { return target >= 5 + kRegisterBits; }

__device__ inline void forward_step(Real (&psi)[kRegisters], int4 step, Turn turn, Real* shared) {
    const int target = step.x & 255, control = step.x >> 8 & 255;
    if (is_register(target)) {
        each_pair(target - 5, [&](int j, int other) { rotate(psi[j], psi[other], turn, index_of(j) >> control & 1); });
        return;
    }
    Real other[kRegisters];
    if (crosses_warps(target)) {
        put(psi, shared);
        __syncthreads();
    }
    partners(psi, other, target, shared);
    const Real s = index_of(0) >> target & 1 ? turn.s : -turn.s;
#pragma unroll
    for (int j = 0; j < kRegisters; j++) {
        const bool swap = index_of(j) >> control & 1;
        psi[j] = turn.c * (swap ? other[j] : psi[j]) + s * (swap ? psi[j] : other[j]);
    }
}

// Undoes a step on state and cotangent; returns this thread's part of lambda_1 psi_0 - lambda_0 psi_1.
__device__ inline Real backward_step(Real (&psi)[kRegisters], Real (&lambda)[kRegisters], int4 step, Turn turn,
                                     Real* shared_psi, Real* shared_lambda) {
    const int target = step.x & 255, control = step.x >> 8 & 255;
    Real product = 0;
    if (is_register(target)) {
        each_pair(target - 5, [&](int j, int other) {
            const bool swap = index_of(j) >> control & 1;
            product += lambda[other] * psi[j] - lambda[j] * psi[other];
            undo(psi[j], psi[other], turn, swap);
            undo(lambda[j], lambda[other], turn, swap);
        });
        return product;
    }
    Real of_psi[kRegisters], of_lambda[kRegisters];
    if (crosses_warps(target)) {
        put(psi, shared_psi);
        put(lambda, shared_lambda);
        __syncthreads();
    }
    partners(psi, of_psi, target, shared_psi);
    partners(lambda, of_lambda, target, shared_lambda);
    const bool is_second = index_of(0) >> target & 1;
#pragma unroll
    for (int j = 0; j < kRegisters; j++) {
        product += (is_second ? lambda[j] : -lambda[j]) * of_psi[j];
        const bool swap = index_of(j) >> control & 1;
        const Real s = is_second == swap ? turn.s : -turn.s;
        const Real x = psi[j], y = lambda[j];
        psi[j] = turn.c * (swap ? of_psi[j] : x) + s * (swap ? x : of_psi[j]);
        lambda[j] = turn.c * (swap ? of_lambda[j] : y) + s * (swap ? y : of_lambda[j]);
    }
    return product;
}

extern "C" __global__ void __launch_bounds__(kThreads) forward_registers(const __grid_constant__ Work work) {
    __shared__ Real shared[2][kAmplitudes];
    const long long sample = blockIdx.x;
    int exchanges = 0;
    for (int c = 0; c < work.num_circuits; c++) {
        const Circuit& circuit = work.circuits[c];
        Real psi[kRegisters];
#pragma unroll
        for (int j = 0; j < kRegisters; j++) psi[j] = initial(circuit, index_of(j), sample);
        for (int k = 0; k < circuit.num_steps; k++) {
            const int4 step = circuit.steps[k];
            forward_step(psi, step, turn_of(circuit, step, sample), shared[exchanges & 1]);
            exchanges += crosses_warps(step.x & 255);
        }
        if (circuit.state)
#pragma unroll
            for (int j = 0; j < kRegisters; j++)
                if (!(index_of(j) >> circuit.num_qubits))
                    circuit.state[(sample << circuit.num_qubits) + index_of(j)] = psi[j];
        put(psi, shared[exchanges & 1]);
        __syncthreads();
        measure(circuit, shared[exchanges & 1], sample);
        __syncthreads();  // the angles that an encoder measured are there
    }
}

extern "C" __global__ void __launch_bounds__(kThreads) backward_registers(const __grid_constant__ Work work) {
    __shared__ Exchange shared;
    const long long sample = blockIdx.x;
    int exchanges = 0;
    for (int c = work.num_circuits - 1; c >= 0; c--) {
        const Circuit& circuit = work.circuits[c];
        Real psi[kRegisters], lambda[kRegisters];
#pragma unroll
        for (int j = 0; j < kRegisters; j++) {
            const unsigned index = index_of(j);
            const bool is_padding = index >> circuit.num_qubits;
            psi[j] = is_padding ? Real(0) : circuit.state[(sample << circuit.num_qubits) + index];
            lambda[j] = is_padding ? Real(0) : psi[j] * seed(circuit, index, sample);
        }
        for (int k = circuit.num_steps - 1; k >= 0; k--) {
            const int4 step = circuit.steps[k];
            const int which = exchanges & 1;
            Real product = backward_step(psi, lambda, step, turn_of(circuit, step, sample), shared.psi[which],
                                         shared.lambda[which]);
            exchanges += crosses_warps(step.x & 255);
            if (!step.z) continue;
            product = warp_sum(product) / 2;
            if (threadIdx.x % kLanes == 0)
                circuit.parts[(sample * circuit.num_steps + step.w) * circuit.num_parts + threadIdx.x / kLanes] =
                    negated(circuit, step, sample) ? -product : product;
        }
        if (circuit.cotangent)
#pragma unroll
            for (int j = 0; j < kRegisters; j++)
                if (!(index_of(j) >> circuit.num_qubits))
                    circuit.cotangent[(sample << circuit.num_qubits) + index_of(j)] = lambda[j];
        __syncthreads();  // all parts are there
        sum_angles(circuit, sample);
        __syncthreads();  // and the cotangents of the encoders' results
    }
}
