// Wider circuits: states in device memory, one launch a window. A window is a set of basis bits; a block brings the
// amplitudes that differ in these bits to shared memory and runs all steps of the window. One circuit at a time.

__device__ inline int num_bits(unsigned mask) { return __popc(mask); }

template <bool backward>
__device__ inline void run_window(const Work& work, Real* shared, Sums* sums) {
    const Circuit& circuit = work.circuits[0];
    const int size_bits = num_bits(work.window);
    const unsigned others = ((1u << circuit.num_qubits) - 1) & ~work.window, num_blocks = 1u << num_bits(others);
    const long long sample = blockIdx.x / num_blocks;
    const unsigned outer = blockIdx.x % num_blocks, first = deposit(outer, others), size = 1u << size_bits;
    const long long begin = (sample << circuit.num_qubits) + first;
    Real *psi = shared, *lambda = shared + size;
    for (unsigned n = threadIdx.x; n < size; n += blockDim.x) {
        const unsigned place = deposit(n, work.window);
        psi[n] = circuit.state[begin + place];
        if constexpr (backward) lambda[n] = circuit.cotangent[begin + place];
    }
    __syncthreads();
    for (int n = 0; n < work.num_groups; n++) {
        const int g = work.first_group + (backward ? work.num_groups - 1 - n : n);
        run_group<backward>(circuit, circuit.groups[g], psi, lambda, size_bits, outer, sample,
                            backward ? sums->of[n & 1] : nullptr);
    }
    for (unsigned n = threadIdx.x; n < size; n += blockDim.x) {
        const unsigned place = deposit(n, work.window);
        circuit.state[begin + place] = psi[n];
        if constexpr (backward) circuit.cotangent[begin + place] = lambda[n];
    }
}

extern "C" __global__ void __launch_bounds__(kGroupThreads) forward_window(const __grid_constant__ Work work) {
    QLIT_SHARED(shared);
    run_window<false>(work, shared, nullptr);
}

extern "C" __global__ void __launch_bounds__(kGroupThreads) backward_window(const __grid_constant__ Work work) {
    QLIT_SHARED(shared);
    __shared__ Sums sums;
    run_window<true>(work, shared, &sums);
}

// <Z> of the measured wires from one of 2^chunk_bits neighbouring parts of a state: results (B, parts, W). 256 threads.
extern "C" __global__ void z_sums(const __grid_constant__ Work work) {
    __shared__ Real sums[kMeasured][256 / kLanes];
    const Circuit& circuit = work.circuits[0];
    const unsigned chunk = blockIdx.x & ((1u << work.chunk_bits) - 1), size = 1u << (circuit.num_qubits - work.chunk_bits);
    const long long sample = blockIdx.x >> work.chunk_bits;
    const unsigned flips = flips_of(circuit, sample);
    const Real* psi = circuit.state + (sample << circuit.num_qubits) + chunk * (long long)size;
    for (int k = 0; k < circuit.num_measured; k++) {
        Real sum = 0;
        for (unsigned n = threadIdx.x; n < size; n += blockDim.x) {
            const Real x = psi[n];
            sum += ((chunk * size + n) ^ flips) >> circuit.bits[k] & 1 ? -x * x : x * x;
        }
        sum = warp_sum(sum);
        if (threadIdx.x % kLanes == 0) sums[k][threadIdx.x / kLanes] = sum;
    }
    __syncthreads();
    for (int k = threadIdx.x; k < circuit.num_measured; k += blockDim.x) {
        Real sum = 0;
        for (int warp = 0; warp < 256 / kLanes; warp++) sum += sums[k][warp];
        circuit.results[(long long)blockIdx.x * circuit.num_measured + k] = sum;
    }
}

// Probabilities of the joint outcomes from one of 2^chunk_bits parts of a state: results (B, parts, 2^W). 256 threads.
extern "C" __global__ void outcome_sums(const __grid_constant__ Work work) {
    const Circuit& circuit = work.circuits[0];
    const int lanes = outcome_lanes(circuit, work.chunk_bits);
    const long long units = work.batch_size << (work.chunk_bits + circuit.num_measured);
    const long long given = (long long)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
    const long long unit = given < units ? given : units - 1;  // no thread is idle: they exchange
    const unsigned outcome = unit & ((1u << circuit.num_measured) - 1);
    const long long part = unit >> circuit.num_measured, sample = part >> work.chunk_bits;
    const unsigned chunk = part & ((1u << work.chunk_bits) - 1);
    const Real* psi = circuit.state + (sample << circuit.num_qubits);
    const Real sum = outcome_sum(circuit, psi, outcome, chunk, work.chunk_bits, lanes);
    const unsigned framed = outcome ^ outcome_of(circuit, flips_of(circuit, sample));
    if (given < units && threadIdx.x % lanes == 0) circuit.results[(part << circuit.num_measured) + framed] = sum;
}

// Cotangents of the final states.
extern "C" __global__ void seeds(const __grid_constant__ Work work) {
    const Circuit& circuit = work.circuits[0];
    const long long all = work.batch_size << circuit.num_qubits, stride = (long long)gridDim.x * blockDim.x;
    for (long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x; n < all; n += stride) {
        const long long sample = n >> circuit.num_qubits;
        const unsigned index = n & ((1u << circuit.num_qubits) - 1);
        circuit.cotangent[n] = circuit.state[n] * seed(circuit, index, sample);
    }
}

// Derivatives by the input angles, (B, A).
extern "C" __global__ void angle_gradients(const __grid_constant__ Work work) {
    const Circuit& circuit = work.circuits[0];
    const long long n = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (n < work.batch_size * circuit.num_angles)
        circuit.by_angles[n] = by_angle(circuit, int(n % circuit.num_angles), n / circuit.num_angles);
}
