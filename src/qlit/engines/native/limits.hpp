// Limits of this machine, for comparison with measured times: multiply-adds and bytes a second.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qlit {

// Bytes read and written a second by all threads together, each on separate memory.
struct Bandwidth {
    std::string level;        // L1, L2, L3 or RAM: that holds a working set of this size
    int64_t bytes_a_thread;   // the working set
    double scale, copy;       // x <- s x in place; y <- x with plain stores, no streaming ones
};

struct Limits {
    std::string instructions;  // the widest this processor has: avx512, avx2, plain
    int num_threads;
    double flops_one_thread, flops;  // float32 operations a second in independent multiply-adds, each counted as two
    std::vector<Bandwidth> bandwidths;
};

// Takes about `seconds` in all, and reports the best of short trials: other work on the machine lowers the numbers less
// than it lowers their mean. Needs 1 GiB at most. Throws std::invalid_argument unless num_threads >= 1 and seconds > 0.
Limits measure_limits(int num_threads, double seconds);

}  // namespace qlit
