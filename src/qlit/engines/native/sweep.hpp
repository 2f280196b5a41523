// The sweep of one tile through a whole schedule.

namespace {

// Copies of a block and of a window, of the state and of its cotangent.
struct Copies {
    char* at[2];                 // by space: in_block, in_window
    ptrdiff_t to_cotangent[2];
};

// Displaced by an odd number of lines: loads do not wait for stores to addresses with equal low bits.
constexpr size_t kBlockGap = 9, kWindowGap = 17;

constexpr size_t copies_vectors(const ScheduleView& schedule, int num_states) {
    size_t vectors = num_states * ((size_t{1} << schedule.block_bits) + kBlockGap);
    if (schedule.window_bits) vectors += num_states * ((size_t{1} << schedule.window_bits) + kWindowGap);
    return vectors;
}

template <class V>
Copies copies(const ScheduleView& schedule, int num_states, char* memory) {
    const size_t block = sizeof(V) * ((size_t{1} << schedule.block_bits) + kBlockGap);
    const size_t window = sizeof(V) * ((size_t{1} << schedule.window_bits) + kWindowGap);
    return {{memory, memory + num_states * block}, {ptrdiff_t(block), ptrdiff_t(window)}};
}

template <class V>
bool any_below(V v, int lanes, double bound) {
    bool below = false;
    for (int k = 0; k < lanes; k++) below |= v[k] < bound;
    return below;
}

// Multiplies the vectors on the path `walk` (bytes).
template <class V>
void rescale(char* at, uint64_t walk, V factor) {
    uint64_t i = 0;
    do {
        *reinterpret_cast<V*>(at + i) *= factor;
        i = (i - walk) & walk;
    } while (i);
}

template <class T, bool Backward>
constexpr KernelTable<T, Backward, Backward ? QLIT_BACKWARD_BITS : QLIT_FORWARD_BITS> kKernels{};

// Runs the schedule on `state` (and, backwards, on the cotangent that lies `to_cotangent` bytes behind it), both divided
// by `scale` on entry and on return.
template <class T, bool Backward, class V>
void sweep(const Tile<T>& tile, const Coefficients<T>& c, V* state, V* cotangent, V& scale, V* sums, char* memory) {
    const ScheduleView& plan = tile.schedule;
    const Copies copy = copies<V>(plan, Backward ? 2 : 1, memory);
    char* const whole = reinterpret_cast<char*>(state);
    const ptrdiff_t to_cotangent[3] = {copy.to_cotangent[0], copy.to_cotangent[1],
                                       reinterpret_cast<char*>(cotangent) - reinterpret_cast<char*>(state)};
    Run<V> run{};
    run.tangents = c.tangents, run.sums = sums;
    for (const Window* w = plan.windows; w < plan.windows + plan.num_windows; w++) {
        const bool too_small = any_below(scale, kLanes<T>, 1e-8);
        uint64_t at_window = 0;
        do {
            if (too_small) {
                rescale(whole + at_window, w->walk, scale);
                if (Backward) rescale(whole + at_window + to_cotangent[in_state], w->walk, scale);
            }
            for (int b = 0; b < w->count; b++) {
                const Block& block = plan.blocks[w->first + b];
                const Space first = w->whole || b == 0 ? in_state : in_window;
                const Space last = w->whole || b == w->count - 1 ? in_state : in_window;
                uint64_t in_the_window = 0, in_the_state = 0;
                do {
                    char* const places[3] = {copy.at[in_block], copy.at[in_window] + in_the_window,
                                             whole + at_window + in_the_state};
                    for (int g = 0; g < block.count; g++) {
                        const Group& group = plan.groups[block.first + g];
                        run.from_space = g ? in_block : first;
                        run.to_space = g < block.count - 1 ? in_block : last;
                        run.from = places[run.from_space], run.to = places[run.to_space];
                        run.cotangent_from = to_cotangent[run.from_space], run.cotangent_to = to_cotangent[run.to_space];
                        run.fixed = 0;
                        for (int k = 0; k < group.num_gates; k++)
                            if ((in_the_window & group.control_in_window[k]) | (at_window & group.control_in_state[k]))
                                run.fixed |= 1u << k;
                        kKernels<T, Backward>.at[group.code](group, run);
                    }
                    in_the_window = (in_the_window - block.others_in_window) & block.others_in_window;
                    in_the_state = (in_the_state - block.others_in_state) & block.others_in_state;
                } while (in_the_window);
            }
            at_window = (at_window - w->others) & w->others;
        } while (at_window);
        if (too_small) scale = all<T>(T(1));
        for (int g = w->first_group; g < w->first_group + w->num_groups; g++)
            for (int k = 0; k < plan.groups[g].num_gates; k++) {
                const int step = plan.groups[g].steps[k];
                scale *= c.cosines[step];
                if constexpr (Backward) sums[step] *= scale * scale;
            }
    }
}

}  // namespace
