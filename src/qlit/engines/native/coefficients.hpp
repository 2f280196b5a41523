// Data of a sweep from the angles: tangents and cosines by step, and the Pauli frame (see native.md).

namespace {

// Lanes as bits: which samples of the tile carry an X or a Z on each basis bit.
struct Frame {
    uint32_t x[64] = {}, z[64] = {};
};

template <class T>
struct Coefficients {
    using V = typename Wide<T>::V;
    V* tangents;     // by step, with the frame's sign
    V* cosines;      // by step
    uint32_t* signs;  // by step: lanes whose angle is negated by the frame
    Frame frame;     // at the end of the circuit
};

// Adds the errors behind a gate to the frame; `first` and `second` are the bits of its wires.
template <class T>
void add_errors(const Tile<T>& tile, Frame& frame, int gate, int first, int second) {
    if (!tile.errors || gate < 0) return;
    for (int s = 0; s < tile.num_samples; s++) {
        const uint8_t error = tile.errors[int64_t(s) * tile.num_gates + gate];
        if (!error) continue;
        if (error & x_first) frame.x[first] ^= 1u << s;
        if (error & z_first) frame.z[first] ^= 1u << s;
        if (error & x_second) frame.x[second] ^= 1u << s;
        if (error & z_second) frame.z[second] ^= 1u << s;
    }
}

template <class T>
Coefficients<T> coefficients(const Tile<T>& tile, char*& memory) {
    using V = typename Wide<T>::V;
    constexpr uint32_t every = (1u << kSamples<T>) - 1;
    Coefficients<T> c;
    c.tangents = reinterpret_cast<V*>(memory), memory += sizeof(V) * tile.num_steps;
    c.cosines = reinterpret_cast<V*>(memory), memory += sizeof(V) * tile.num_steps;
    c.signs = reinterpret_cast<uint32_t*>(memory), memory += (sizeof(uint32_t) * tile.num_steps + 63) / 64 * 64;
    uint32_t *fx = c.frame.x, *fz = c.frame.z;
    for (int k = 0; k < tile.num_steps; k++) {
        const Step& step = tile.steps[k];
        if (step.frame()) {
            (step.slot == Step::Slot::x ? fx : fz)[step.target] ^= every;
            add_errors(tile, c.frame, step.gate, step.target, step.target);
            continue;
        }
        if (step.control >= 0) {
            fx[step.target] ^= fx[step.control], fz[step.control] ^= fz[step.target];
            add_errors(tile, c.frame, step.cnot, step.control, step.target);
        }
        const uint32_t negative = fx[step.target] ^ fz[step.target];
        c.signs[k] = negative;
        uint32_t odd = 0;
        if (step.slot == Step::Slot::parameter) {
            const HalfAngle<T>& half = tile.parameters[step.index];
            odd = half.odd ? every : 0;
            c.tangents[k] = all<T>(half.tangent), c.cosines[k] = all<T>(half.cosine);
        } else if (step.slot == Step::Slot::angle) {
            V tangent{}, cosine = all<T>(T(1));
            for (int s = 0; s < tile.num_samples; s++) {
                const HalfAngle<T>& half = tile.angles[int64_t(s) * tile.num_angles + step.index];
                odd |= uint32_t(half.odd) << s;
                for (int lane = s; lane < kLanes<T>; lane += kSamples<T>) tangent[lane] = half.tangent, cosine[lane] = half.cosine;
            }
            c.tangents[k] = tangent, c.cosines[k] = cosine;
        } else
            c.tangents[k] = V{}, c.cosines[k] = all<T>(T(1));
        if (negative == every)
            c.tangents[k] = -c.tangents[k];
        else if (negative)
            for (int lane = 0; lane < kLanes<T>; lane++)
                if (negative >> (lane % kSamples<T>) & 1) c.tangents[k][lane] = -c.tangents[k][lane];
        fx[step.target] ^= odd, fz[step.target] ^= odd;
        add_errors(tile, c.frame, step.gate, step.target, step.target);
    }
    return c;
}

}  // namespace
