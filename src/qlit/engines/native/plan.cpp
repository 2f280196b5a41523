#include "plan.hpp"

#include <algorithm>

namespace qlit {
namespace {

// The CNOT in front of a rotation of its target is done by the rotation's pass; others become rotations by zero.
class Folding {
public:
    explicit Folding(int num_qubits) : num_qubits_(num_qubits), waiting_(num_qubits, -1) {}

    std::vector<Step> run(const std::vector<Instruction>& instructions) {
        for (const Instruction& gate : instructions) add(gate);
        for (int wire = 0; wire < num_qubits_; wire++) emit_into(wire);
        return std::move(steps_);
    }

private:
    void add(const Instruction& gate) {
        switch (gate.kind) {
            case Kind::cnot:
                emit_into(gate.wire);
                emit_touching(gate.other);
                waiting_[gate.other] = gate.wire;
                break;
            case Kind::x:
            case Kind::z:
                emit_touching(gate.wire);
                steps_.push_back({gate.kind == Kind::x ? Step::Slot::x : Step::Slot::z, bit_of(gate.wire), -1, -1});
                break;
            case Kind::ry_parameter:
            case Kind::ry_angle: {
                const int control = waiting_[gate.wire];
                waiting_[gate.wire] = -1;
                emit_touching(gate.wire);
                steps_.push_back({gate.kind == Kind::ry_parameter ? Step::Slot::parameter : Step::Slot::angle,
                                  bit_of(gate.wire), control < 0 ? -1 : bit_of(control), gate.slot});
            }
        }
    }

    void emit_into(int target) {
        if (waiting_[target] < 0) return;
        steps_.push_back({Step::Slot::none, bit_of(target), bit_of(waiting_[target]), -1});
        waiting_[target] = -1;
    }

    void emit_touching(int wire) {
        for (int target = 0; target < num_qubits_; target++)
            if (target == wire || waiting_[target] == wire) emit_into(target);
    }

    int bit_of(int wire) const { return num_qubits_ - 1 - wire; }

    int num_qubits_;
    std::vector<int> waiting_;  // by target: the control of a CNOT not yet emitted
    std::vector<Step> steps_;
};

ScheduleView view(const Schedule& s) {
    int block_bits = 0, window_bits = 0;
    for (const Block& block : s.blocks) block_bits = std::max(block_bits, block.size_bits);
    for (const Window& window : s.windows)
        if (!window.whole) window_bits = std::max(window_bits, window.size_bits);
    return {s.groups.data(), s.blocks.data(), s.windows.data(), int(s.windows.size()), block_bits, window_bits};
}

}  // namespace

Plan::Plan(int num_qubits, int num_parameters, int num_angles, const std::vector<Instruction>& instructions, Blocking forward,
           Blocking backward)
    : num_qubits(num_qubits),
      num_bits(std::max(num_qubits, kMaxRegisterBits + forward.inside_bits)),
      num_parameters(num_parameters),
      num_angles(num_angles),
      steps(Folding(num_qubits).run(instructions)) {
    std::vector<Rotation> rotations;
    for (int k = 0; k < int(steps.size()); k++)
        if (!steps[k].frame()) rotations.push_back({k, steps[k].target, steps[k].control, int(rotations.size())});
    num_rotations = int(rotations.size());
    forward_ = schedule(num_bits - forward.inside_bits, forward, false, rotations);
    std::reverse(rotations.begin(), rotations.end());
    for (int k = 0; k < num_rotations; k++) rotations[k].order = k;
    backward_ = schedule(num_bits - backward.inside_bits, backward, true, rotations);
    this->forward = view(forward_);
    this->backward = view(backward_);
}

}  // namespace qlit
