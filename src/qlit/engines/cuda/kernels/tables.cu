// Kernels before and after the circuits: half angles, errors as signs of angles, sums over samples.

// Half angles of the parameters and input angles of circuit blockIdx.y.
extern "C" __global__ void half_angles(const __grid_constant__ Work work) {
    const Circuit& circuit = work.circuits[blockIdx.y];
    const long long num_angles = circuit.angles ? work.batch_size * circuit.num_angles : 0;
    const long long all = circuit.num_parameters + num_angles, stride = (long long)gridDim.x * blockDim.x;
    for (long long k = (long long)blockIdx.x * blockDim.x + threadIdx.x; k < all; k += stride) {
        const bool is_angle = k >= circuit.num_parameters;
        const long long n = is_angle ? k - circuit.num_parameters : k;
        const Turn turn = half_angle(is_angle ? circuit.angles[n] : circuit.parameters[n]);
        Real* table = (is_angle ? circuit.angle_table : circuit.parameter_table) + 2 * n;
        table[0] = turn.c, table[1] = turn.s;
    }
}

// Errors of the last circuit as signs of its angles and flips of its outcomes, one thread a sample (the Pauli frame).
extern "C" __global__ void frames(const __grid_constant__ Work work) {
    const Circuit& circuit = work.circuits[work.num_circuits - 1];
    const long long sample = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (sample >= work.batch_size) return;
    unsigned x = 0, z = 0;  // basis bits with an X or a Z before this gate
    for (int k = 0; k < circuit.num_gates; k++) {
        const int4 gate = circuit.gates[k];
        if (gate.x == 0) {
            circuit.signs[sample * circuit.num_steps + gate.w] = (x ^ z) >> gate.y & 1 ? -1 : 1;
        } else if (gate.x == 1) {
            x ^= (x >> gate.y & 1) << gate.z;
            z ^= (z >> gate.z & 1) << gate.y;
        }
        const unsigned error = circuit.errors[sample * circuit.num_gates + k];
        x ^= (error & 1) << gate.y;
        z ^= (error >> 1 & 1) << gate.y;
        if (gate.x == 1) {
            x ^= (error >> 2 & 1) << gate.z;
            z ^= (error >> 3 & 1) << gate.z;
        }
    }
    circuit.flips[sample] = x;
}

// Adds the sums of all threads in a fixed order; valid in thread 0.
__device__ inline double block_sum(double sum) {
    __shared__ double sums[256];
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return sums[0];
}

// Gradients over all samples of circuit blockIdx.y: by parameter blockIdx.x, or behind the last one by an encoder's
// scale, whose derivative is the sum of <Z> times the derivatives by the angles. blockDim.x is a power of 2, at most 256.
extern "C" __global__ void gradients(const __grid_constant__ Work work) {
    const Circuit& circuit = work.circuits[blockIdx.y];
    const int parameter = blockIdx.x;
    double sum = 0;
    if (parameter < circuit.num_parameters) {
        const int first = circuit.slots[parameter], num_readers = circuit.slots[parameter + 1] - first;
        const long long num_each = (long long)num_readers * circuit.num_parts, all = work.batch_size * num_each;
        for (long long k = threadIdx.x; k < all; k += blockDim.x) {
            const long long sample = k / num_each, rest = k % num_each;
            const int step = circuit.readers[first + rest / circuit.num_parts];
            sum += circuit.parts[(sample * circuit.num_steps + step) * circuit.num_parts + rest % circuit.num_parts];
        }
    } else if (parameter == circuit.num_parameters && circuit.by_scale) {
        for (long long k = threadIdx.x; k < work.batch_size * circuit.num_measured; k += blockDim.x) {
            const long long n = k / circuit.num_measured * circuit.result_stride + k % circuit.num_measured;
            sum += double(circuit.results[n]) * circuit.by_results[n];
        }
    } else {
        return;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) *(parameter < circuit.num_parameters ? circuit.by_parameters + parameter : circuit.by_scale) = sum;
}
