// Sorts rotations into windows, blocks and groups. A rotation may run before others that came earlier where they commute.
#include <algorithm>
#include <bit>

#include "plan.hpp"

namespace qlit {
namespace {

// Too many rotations between two checks of the scale could overflow it: 48 rotations grow amplitudes by at most 2^24.
constexpr size_t kMaxTurnsInWindow = 48;
// Number of gates searched behind gates that must wait.
constexpr size_t kLookAhead = 160;

// Windows and blocks hold the lowest vector bits, so that neighbouring vectors travel together. Without them, the vectors of a
// block may lie apart by large powers of two, share few sets of the L1 cache and displace one another before they are
// written: on Zen 5, a pass that writes 2^8 vectors of 64 bytes, 2 KiB apart, took 15 times as long as one in the L1 cache.
constexpr int kNeighbourBits = 4;

uint64_t bit(int index) { return index < 0 ? 0 : uint64_t{1} << index; }

uint64_t lowest(int count) { return bit(count) - 1; }

// How many bits of `within` lie below `position`: the position of that bit among the gathered bits of `within`.
int rank(uint64_t within, int position) { return std::popcount(within & lowest(position)); }

// The bits of `mask`, a part of `within`, once those of `within` are gathered; and the inverse.
uint64_t gathered(uint64_t mask, uint64_t within) {
    uint64_t result = 0;
    for (; mask; mask &= mask - 1) result |= bit(rank(within, std::countr_zero(mask)));
    return result;
}

uint64_t spread(uint64_t mask, uint64_t within) {
    uint64_t result = 0;
    for (int k = 0; within; k++, within &= within - 1)
        if (mask >> k & 1) result |= within & -within;
    return result;
}

uint64_t filled(uint64_t bits, int room, uint64_t available) {
    for (; available && std::popcount(bits) < room; available &= available - 1) bits |= available & -available;
    return bits;
}

// Rotations that must wait while a queue is read from its front. A rotation may run before those that wait if it commutes
// with them: its target differs from theirs, and neither's target is the other's control.
class Waiting {
public:
    bool lets_pass(const Rotation& r) const { return !(wires_ & bit(r.target)) && !(targets_ & bit(r.control)); }
    void add(const Rotation& r) {
        targets_ |= bit(r.target);
        wires_ |= bit(r.target) | bit(r.control);
    }

private:
    uint64_t targets_ = 0, wires_ = 0;
};

class Scheduler {
public:
    Scheduler(int num_vector_bits, const Blocking& blocking, bool backward)
        : all_(lowest(num_vector_bits)), inside_(blocking.inside_bits), blocking_(blocking), backward_(backward) {}

    Schedule run(std::vector<Rotation> queue) {
        const int window_bits = std::min(std::popcount(all_), blocking_.window_bits);
        while (!queue.empty()) {
            const uint64_t fixed = lowest(std::min(window_bits, kNeighbourBits));
            const uint64_t window = chosen_bits(queue, window_bits, fixed, all_, kMaxTurnsInWindow);
            add_window(take(queue, window, kMaxTurnsInWindow), window);
        }
        return std::move(out_);
    }

private:
    // The vector bit of a target; none if it lies inside the vectors.
    uint64_t vector_bit(int basis_bit) const { return basis_bit < inside_ ? 0 : bit(basis_bit - inside_); }

    uint64_t bytes(uint64_t vectors) const { return vectors * blocking_.vector_bytes; }

    // Takes, in order, all rotations that may run now with their targets in `bits`.
    std::vector<Rotation> take(std::vector<Rotation>& queue, uint64_t bits, size_t limit) const {
        std::vector<Rotation> taken, left;
        Waiting waiting;
        size_t k = 0;
        for (; k < queue.size() && k < kLookAhead && taken.size() < limit; k++)
            if (waiting.lets_pass(queue[k]) && !(vector_bit(queue[k].target) & ~bits))
                taken.push_back(queue[k]);
            else
                waiting.add(queue[k]), left.push_back(queue[k]);
        left.insert(left.end(), queue.begin() + k, queue.end());
        queue = std::move(left);
        return taken;
    }

    size_t num_takable(const std::vector<Rotation>& queue, uint64_t bits, size_t limit) const {
        Waiting waiting;
        size_t count = 0;
        for (size_t k = 0; k < queue.size() && k < kLookAhead && count < limit; k++)
            if (waiting.lets_pass(queue[k]) && !(vector_bit(queue[k].target) & ~bits)) count++;
            else waiting.add(queue[k]);
        return count;
    }

    // Chooses `room` of the available bits, `fixed` among them, so that many rotations can run: the targets of the first
    // rotations that may run, improved by exchanging one bit at a time.
    uint64_t chosen_bits(const std::vector<Rotation>& queue, int room, uint64_t fixed, uint64_t available, size_t limit) const {
        uint64_t bits = fixed;
        Waiting waiting;
        for (const Rotation& r : queue) {
            const uint64_t with = bits | vector_bit(r.target);
            if (waiting.lets_pass(r) && std::popcount(with) <= room) bits = with;
            else waiting.add(r);
        }
        bits = filled(bits, room, available);
        size_t most = num_takable(queue, bits, limit);
        for (bool improved = true; improved;) {
            improved = false;
            const uint64_t before = bits;
            for (uint64_t out = before & ~fixed; out; out &= out - 1)
                for (uint64_t in = available & ~before; in; in &= in - 1) {
                    const uint64_t other = (before & ~(out & -out)) | (in & -in);
                    const size_t count = num_takable(queue, other, limit);
                    if (count > most) most = count, bits = other, improved = true;
                }
        }
        return bits;
    }

    void add_window(std::vector<Rotation> queue, uint64_t window) {
        const int size = std::popcount(window), room = std::min(size, blocking_.block_bits);
        Window entry{.others = bytes(all_ & ~window), .walk = bytes(window), .size_bits = size, .first = int(out_.blocks.size()), .count = 0,
                     .first_group = int(out_.groups.size()), .num_groups = 0, .whole = window == all_};
        const uint64_t fixed = lowest(std::min(room, kNeighbourBits));
        while (!queue.empty()) {
            const uint64_t block = chosen_bits(queue, room, fixed, window, queue.size());
            add_block(queue, block, window);
        }
        entry.count = int(out_.blocks.size()) - entry.first;
        entry.num_groups = int(out_.groups.size()) - entry.first_group;
        out_.windows.push_back(entry);
    }

    void add_block(std::vector<Rotation>& queue, uint64_t block, uint64_t window) {
        Block entry{.others_in_window = bytes(lowest(std::popcount(window)) & ~gathered(block, window)),
                    .others_in_state = bytes(window & ~block), .size_bits = std::popcount(block),
                    .first = int(out_.groups.size()), .count = 0};
        std::vector<Rotation> taken = take(queue, block, queue.size()), late;
        while (!taken.empty()) {
            std::vector<Rotation> group = take_group(taken, block);
            // One rotation needs as many loads and stores as two: it is cheaper in a later block, together with another.
            const bool alone = int(group.size()) < blocking_.register_bits && group[0].target >= inside_;
            if (alone && !queue.empty() && int(out_.groups.size()) > entry.first) {
                late.insert(late.end(), group.begin(), group.end());
                late.insert(late.end(), taken.begin(), taken.end());
                std::sort(late.begin(), late.end(), [](const Rotation& a, const Rotation& b) { return a.order < b.order; });
                break;
            }
            add_group(group, block, window);
        }
        queue.insert(queue.begin(), late.begin(), late.end());
        entry.count = int(out_.groups.size()) - entry.first;
        out_.blocks.push_back(entry);
    }

    // Controls in the index inside the block that a group would have: each doubles its cases.
    int num_cases_bits(const std::vector<Rotation>& group, uint64_t block) const {
        uint64_t targets = 0, controls = 0;
        for (const Rotation& r : group) targets |= vector_bit(r.target), controls |= r.control < 0 ? 0 : vector_bit(r.control);
        return std::popcount(controls & block & ~targets);
    }

    // Takes rotations of as many targets as a pass has register bits, those with the fewest cases first, early ones first.
    std::vector<Rotation> take_group(std::vector<Rotation>& queue, uint64_t block) const {
        std::vector<size_t> chosen;
        auto rotations = [&](std::vector<size_t> positions) {
            std::sort(positions.begin(), positions.end());
            std::vector<Rotation> group;
            for (size_t k : positions) group.push_back(queue[k]);
            return group;
        };
        while (int(chosen.size()) < blocking_.register_bits) {
            std::vector<size_t> best;
            Waiting waiting;
            for (size_t k = 0; k < queue.size(); k++) {
                if (std::find(chosen.begin(), chosen.end(), k) != chosen.end()) continue;
                bool fits = waiting.lets_pass(queue[k]) && (chosen.empty() || queue[k].target >= inside_);
                for (size_t c : chosen) fits = fits && queue[c].target != queue[k].target && queue[c].target >= inside_;
                if (fits) {
                    std::vector<size_t> with = chosen;
                    with.push_back(k);
                    if (best.empty() || num_cases_bits(rotations(with), block) < num_cases_bits(rotations(best), block)) best = with;
                }
                waiting.add(queue[k]);
            }
            if (best.empty()) break;
            chosen = best;
        }
        std::vector<Rotation> group = rotations(chosen), left;
        for (size_t k = 0; k < queue.size(); k++)
            if (std::find(chosen.begin(), chosen.end(), k) == chosen.end()) left.push_back(queue[k]);
        queue = std::move(left);
        return group;
    }

    void add_group(const std::vector<Rotation>& rotations, uint64_t block, uint64_t window) {
        Group group{};
        group.num_gates = uint8_t(rotations.size());
        const bool inside_target = rotations[0].target < inside_;
        uint64_t registers = 0, controls = 0;
        int slot_of[64], control_of[kMaxRegisterBits];
        std::fill_n(slot_of, 64, -1);
        for (int k = 0; k < int(rotations.size()) && !inside_target; k++) {
            registers |= vector_bit(rotations[k].target);
            slot_of[rotations[k].target] = k;
        }
        for (int k = 0; k < int(rotations.size()); k++) {
            const Rotation& r = rotations[k];
            group.steps[k] = r.step;
            control_of[k] = 0;
            if (r.control < 0) continue;
            const uint64_t control = vector_bit(r.control);
            if (r.control < inside_) control_of[k] = kInsideControl;
            else if (slot_of[r.control] >= 0) control_of[k] = 1 + slot_of[r.control];
            else if (control & block) controls |= control;
            else if (control & window) group.control_in_window[k] = bytes(gathered(control, window));
            else group.control_in_state[k] = bytes(control);
        }
        if (inside_target)  // any four vectors per visit
            registers = filled(0, 2, block & ~controls), group.code = kInsideTarget;
        else
            group.code = group.num_gates == 1   ? kernel_code(control_of[0])
                         : group.num_gates == 2 ? kernel_code(control_of[0], control_of[1])
                                                : kernel_code(control_of[0], control_of[1], control_of[2]);
        set_offsets(group, rotations, inside_target, registers, controls, block, window);
        set_cases(group, rotations, control_of, controls, inside_target);
        out_.groups.push_back(group);
    }

    void set_offsets(Group& group, const std::vector<Rotation>& rotations, bool inside_target, uint64_t registers,
                     uint64_t controls, uint64_t block, uint64_t window) const {
        const uint64_t walk = block & ~registers & ~controls;
        for (Space space : {in_block, in_window, in_state}) {
            auto offset = [&](uint64_t bits) {
                return bytes(space == in_block ? gathered(bits, block) : space == in_window ? gathered(bits, window) : bits);
            };
            Offsets& at = group.at[space];
            at.controls = offset(controls), at.walk = offset(walk);
            if (inside_target) {
                at.strides[0] = offset(registers & -registers), at.strides[1] = offset(registers & (registers - 1));
                continue;
            }
            for (size_t k = 0; k < rotations.size(); k++) at.strides[k] = offset(vector_bit(rotations[k].target));
        }
    }

    void set_cases(Group& group, const std::vector<Rotation>& rotations, const int* control_of, uint64_t controls,
                   bool inside_target) const {
        group.num_cases = uint8_t(1 << std::popcount(controls));
        for (int c = 0; c < group.num_cases; c++)
            for (int k = 0; k < int(rotations.size()); k++) {
                const uint64_t control = rotations[k].control < inside_ ? 0 : vector_bit(rotations[k].control);
                if (control & controls & spread(c, controls)) group.by_case[c] |= 1 << k;
            }
        // See native.md, "Controls outside the registers": an X in front of the rest of the group, moved behind it.
        for (unsigned set = 0; set < 8 && !inside_target; set++) {
            unsigned pending = 0, negated = 0;
            for (int k = 0; k < int(rotations.size()); k++) {
                if (backward_) negated |= pending & (1u << k);
                if (set >> k & 1) pending ^= 1u << k;
                const int register_control = control_of[k] - 1;
                if (control_of[k] > 0 && control_of[k] != kInsideControl && (pending >> register_control & 1)) pending ^= 1u << k;
                if (!backward_) negated |= pending & (1u << k);
            }
            group.pending[set] = uint8_t(pending), group.negated[set] = uint8_t(negated);
        }
    }

    uint64_t all_;
    int inside_;
    Blocking blocking_;
    bool backward_;
    Schedule out_;
};

}  // namespace

Schedule schedule(int num_vector_bits, const Blocking& blocking, bool backward, std::vector<Rotation> rotations) {
    return Scheduler(num_vector_bits, blocking, backward).run(std::move(rotations));
}

}  // namespace qlit
