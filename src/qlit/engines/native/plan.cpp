#include "plan.hpp"

#include <algorithm>
#include <utility>

namespace qlit {
namespace {

// A rotation's pass also executes the CNOT before it on the same target; other CNOTs become rotations by zero.
class Folding {
public:
    explicit Folding(int num_qubits) : num_qubits_(num_qubits), waiting_(num_qubits) {}

    std::vector<Step> run(const std::vector<Instruction>& instructions) {
        for (int k = 0; k < int(instructions.size()); k++) add(instructions[k], k);
        for (int wire = 0; wire < num_qubits_; wire++) emit_into(wire);
        return std::move(steps_);
    }

private:
    struct Cnot {
        int control = -1, number = -1;
    };

    void add(const Instruction& gate, int number) {
        switch (gate.kind) {
            case Kind::cnot:
                // Two CNOTs from one control commute, but not with an error between them.
                emit_touching(gate.wire);
                emit_touching(gate.other);
                waiting_[gate.other] = {gate.wire, number};
                break;
            case Kind::x:
            case Kind::z:
                emit_touching(gate.wire);
                steps_.push_back({gate.kind == Kind::x ? Step::Slot::x : Step::Slot::z, bit_of(gate.wire), -1, -1, number, -1});
                break;
            case Kind::ry_parameter:
            case Kind::ry_angle: {
                const Cnot cnot = std::exchange(waiting_[gate.wire], {});
                emit_touching(gate.wire);
                steps_.push_back({gate.kind == Kind::ry_parameter ? Step::Slot::parameter : Step::Slot::angle,
                                  bit_of(gate.wire), bit_of(cnot.control), gate.slot, number, cnot.number});
            }
        }
    }

    void emit_into(int target) {
        const Cnot cnot = std::exchange(waiting_[target], {});
        if (cnot.control >= 0)
            steps_.push_back({Step::Slot::none, bit_of(target), bit_of(cnot.control), -1, -1, cnot.number});
    }

    void emit_touching(int wire) {
        for (int target = 0; target < num_qubits_; target++)
            if (target == wire || waiting_[target].control == wire) emit_into(target);
    }

    int bit_of(int wire) const { return wire < 0 ? -1 : num_qubits_ - 1 - wire; }

    int num_qubits_;
    std::vector<Cnot> waiting_;  // by target: a CNOT not yet emitted
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
      num_gates(int(instructions.size())),
      steps(Folding(num_qubits).run(instructions)) {
    std::vector<Rotation> rotations;
    for (int k = 0; k < int(steps.size()); k++)
        if (!steps[k].frame()) rotations.push_back({k, steps[k].target, steps[k].control, int(rotations.size())});
    forward_ = schedule(num_bits - forward.inside_bits, forward, false, rotations);
    std::reverse(rotations.begin(), rotations.end());
    for (int k = 0; k < int(rotations.size()); k++) rotations[k].order = k;
    backward_ = schedule(num_bits - backward.inside_bits, backward, true, rotations);
    this->forward = view(forward_);
    this->backward = view(backward_);
}

}  // namespace qlit
