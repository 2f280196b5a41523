// The plan of a circuit: which gates run in which pass over the state, and on which bits. Pure data, made once.
//
// A state is an array of vectors; the bits of a vector's index are basis bits ("vector bits"). Where a vector holds two
// amplitudes of each sample, basis bit 0 lies inside it and the others follow. See native.md for the mathematics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qlit {

enum class Kind : int32_t { ry_parameter = 0, ry_angle = 1, cnot = 2, x = 3, z = 4 };

// A gate as Python passes it: first wire (target, or the control of a CNOT), second wire, slot.
struct Instruction {
    Kind kind;
    int32_t wire, other, slot;
};

// One step on the amplitudes: a rotation of basis bit `target`, after a CNOT from `control` unless that is -1.
// X and Z never touch amplitudes: they are `frame` steps, which only change signs (see native.md, "Pauli frame").
// `gate` and `cnot` are the indices of its instructions, -1 for none: errors are given by instruction.
struct Step {
    enum class Slot : int32_t { none, parameter, angle, x, z } slot;
    int32_t target, control, index;
    int32_t gate, cnot;
    bool frame() const { return slot == Slot::x || slot == Slot::z; }
};

inline constexpr int kMaxRegisterBits = 3;

// Memory of an amplitude while a pass runs: in the copy of its block, in the copy of its window, in the state.
enum Space : int { in_block = 0, in_window = 1, in_state = 2 };

// The bits of a pass as byte offsets in one space.
struct Offsets {
    uint64_t strides[kMaxRegisterBits];  // of its register bits
    uint64_t controls;                   // of the controls that are bits of the index inside the block
    uint64_t walk;                       // of all other bits of the block
};

// One pass over a block: it loads 2^num_gates vectors, gate k rotates register bit k, and it stores the vectors. A gate's
// control is a register bit or lies inside the vectors (both known to the kernel, by `code`), or is a bit of the vector's
// index. Index bits split the block's visits into `num_cases` equal cases. `by_case` holds the gates whose control is set,
// one bit per gate; the position of block and window adds others. For these bits, `pending` holds the register bits on which
// an X remains until the store, and `negated` the angles that change sign.
struct Group {
    Offsets at[3];  // by space
    uint64_t control_in_window[kMaxRegisterBits], control_in_state[kMaxRegisterBits];
    int32_t steps[kMaxRegisterBits];
    int32_t code;
    uint8_t num_gates, num_cases, by_case[8], pending[8], negated[8];
};

// Kind of a gate's control for a kernel: 0 none or outside, 1 + k register bit k, 4 the bit inside the vector.
inline constexpr int kInsideControl = 4, kControls = 5, kInsideTarget = 0;

// The number of a kernel: a target inside the vector is 0; else the controls of its gates in base 5, behind a leading 1.
constexpr int kernel_code(int c0) { return kControls + c0; }
constexpr int kernel_code(int c0, int c1) { return (kControls + c0) * kControls + c1; }
constexpr int kernel_code(int c0, int c1, int c2) { return ((kControls + c0) * kControls + c1) * kControls + c2; }
inline constexpr int kNumCodes = 2 * kControls * kControls * kControls;

// Groups that run on one block, small enough for the L1 cache. The masks walk the blocks of a window.
struct Block {
    uint64_t others_in_window, others_in_state;  // bytes
    int32_t size_bits, first, count;             // groups
};

// Blocks that run on one window, small enough for the L2 cache. `others` walks the windows of the state.
struct Window {
    uint64_t others, walk;            // bytes; `walk` its own vectors
    int32_t size_bits, first, count;  // blocks
    int32_t first_group, num_groups;
    bool whole;
};

struct Schedule {
    std::vector<Group> groups;
    std::vector<Block> blocks;
    std::vector<Window> windows;
};

// The kernels' view of a plan, without containers, so that code for one processor never leaks into code for all.
struct ScheduleView {
    const Group* groups;
    const Block* blocks;
    const Window* windows;
    int32_t num_windows, block_bits, window_bits;
};

// Sizes of a processor's registers and caches.
struct Blocking {
    size_t vector_bytes;
    int inside_bits;              // basis bits inside a vector: 0 or 1
    int register_bits;            // of one pass, at most
    int block_bits, window_bits;  // vector bits, at most
};

struct Rotation {
    int step, target, control;  // basis bits
    int order;                  // its position among all
};

// Rotations in the order they run in; `backward` if they are to be undone (rotation first, then its CNOT).
Schedule schedule(int num_vector_bits, const Blocking& blocking, bool backward, std::vector<Rotation> rotations);

class Plan {
public:
    Plan(int num_qubits, int num_parameters, int num_angles, const std::vector<Instruction>& instructions, Blocking forward,
         Blocking backward);
    Plan(const Plan&) = delete;  // the views point into it

    int num_qubits, num_bits;  // basis bits, padded so that a pass always finds its bits
    int num_parameters, num_angles, num_gates;
    std::vector<Step> steps;
    ScheduleView forward, backward;

private:
    Schedule forward_, backward_;
};

}  // namespace qlit
