// Measurement of a state, the cotangent that a measurement's result leaves on it, and sums of derivatives.

// The joint outcome of basis state `index`: the first measured bit is the most significant one.
__device__ inline unsigned outcome_of(const Circuit& circuit, unsigned index) {
    unsigned outcome = 0;
    for (int k = 0; k < circuit.num_measured; k++) outcome = outcome << 1 | (index >> circuit.bits[k] & 1);
    return outcome;
}

// The probability of an outcome in one of 2^chunk_bits parts of the state, added up by `lanes` neighbouring threads.
__device__ inline Real outcome_sum(const Circuit& circuit, const Real* psi, unsigned outcome, unsigned chunk,
                                   int chunk_bits, int lanes) {
    const unsigned all = (1u << circuit.num_qubits) - 1;
    unsigned measured = 0, basis = 0;
    for (int k = 0; k < circuit.num_measured; k++) {
        const unsigned bit = 1u << circuit.bits[k];
        measured |= bit;
        if (outcome >> (circuit.num_measured - 1 - k) & 1) basis |= bit;
    }
    const unsigned rest = all & ~measured, per_chunk = 1u << (circuit.num_qubits - circuit.num_measured - chunk_bits);
    const unsigned step = deposit(lanes, rest);
    unsigned other = deposit(chunk * per_chunk + threadIdx.x % lanes, rest);
    Real sum = 0;
    for (unsigned k = threadIdx.x % lanes; k < per_chunk; k += lanes) {
        const Real x = psi[basis | other];
        sum += x * x;
        other = ((other | ~rest) + step) & rest;  // the next but `lanes` of the bits that are not measured
    }
    return warp_sum(sum, lanes);
}

// How many threads add up an outcome.
__device__ inline int outcome_lanes(const Circuit& circuit, int chunk_bits) {
    const int bits = circuit.num_qubits - circuit.num_measured - chunk_bits;
    return bits < 5 ? 1 << bits : kLanes;
}

// Results of a sample whose whole state lies in shared memory; of an encoder also the angles that they are.
__device__ inline void measure(const Circuit& circuit, const Real* psi, long long sample) {
    const unsigned flips = flips_of(circuit, sample);
    Real* results = circuit.results + sample * circuit.result_stride;
    if (circuit.joint) {
        const unsigned flipped = outcome_of(circuit, flips), num_outcomes = 1u << circuit.num_measured;
        const int lanes = outcome_lanes(circuit, 0);
        const unsigned at_once = blockDim.x / lanes;
        for (unsigned begin = 0; begin < num_outcomes; begin += at_once) {  // as often in all threads: they exchange
            const unsigned outcome = begin + threadIdx.x / lanes;
            const Real sum = outcome_sum(circuit, psi, outcome % num_outcomes, 0, 0, lanes);
            if (outcome < num_outcomes && threadIdx.x % lanes == 0) results[outcome ^ flipped] = sum;
        }
        return;
    }
    const int lane = threadIdx.x % kLanes;
    for (int k = threadIdx.x / kLanes; k < circuit.num_measured; k += blockDim.x / kLanes) {
        Real sum = 0;
        for (unsigned n = lane; n < 1u << circuit.num_qubits; n += kLanes) {
            const Real x = psi[n];
            sum += (n ^ flips) >> circuit.bits[k] & 1 ? -x * x : x * x;
        }
        sum = warp_sum(sum);
        if (lane) continue;
        results[k] = sum;
        if (circuit.scaled_table) {
            const Turn turn = half_angle(*circuit.scale * sum);
            Real* table = circuit.scaled_table + sample * circuit.table_stride + 2 * k;
            table[0] = turn.c, table[1] = turn.s;
        }
    }
}

// The cotangent of amplitude `index`, divided by the amplitude.
__device__ inline Real seed(const Circuit& circuit, unsigned index, long long sample) {
    const Real* by_results = circuit.by_results + sample * circuit.result_stride;
    index ^= flips_of(circuit, sample);
    if (circuit.joint) return 2 * by_results[outcome_of(circuit, index)];
    Real sum = 0;
    for (int k = 0; k < circuit.num_measured; k++)
        sum += index >> circuit.bits[k] & 1 ? -by_results[k] : by_results[k];
    return 2 * sum * (circuit.scale ? *circuit.scale : Real(1));
}

// The derivative by a sample's input angle: all steps that read it, parts in order.
__device__ inline Real by_angle(const Circuit& circuit, int angle, long long sample) {
    const int* slot = circuit.slots + circuit.num_parameters + angle;
    double sum = 0;
    for (int r = slot[0]; r < slot[1]; r++) {
        const Real* parts = circuit.parts + (sample * circuit.num_steps + circuit.readers[r]) * circuit.num_parts;
        for (int part = 0; part < circuit.num_parts; part++) sum += parts[part];
    }
    return Real(sum);
}

// The same for all angles of a sample whose block has written all parts.
__device__ inline void sum_angles(const Circuit& circuit, long long sample) {
    if (!circuit.by_angles) return;
    for (int angle = threadIdx.x; angle < circuit.num_angles; angle += blockDim.x)
        circuit.by_angles[sample * circuit.num_angles + angle] = by_angle(circuit, angle, sample);
}

// A sample's amplitude before the first gate; 0 for the padding of narrow circuits.
__device__ inline Real initial(const Circuit& circuit, unsigned index, long long sample) {
    if (index >> circuit.num_qubits) return 0;
    return circuit.initial ? circuit.initial[(sample << circuit.num_qubits) + index] : Real(index == 0);
}
