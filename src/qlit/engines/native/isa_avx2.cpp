#define QLIT_VECTOR_BYTES 32
#define QLIT_INSIDE_FLOAT 0
#define QLIT_FORWARD_BITS 3
#define QLIT_BACKWARD_BITS 2
#define QLIT_SPLIT_FORWARD 3
#define QLIT_SPLIT_BACKWARD 1
#include "isa.hpp"

namespace qlit {
extern const KernelSet kernels_avx2 = {"avx2", kernels<float>("avx2"), kernels<double>("avx2")};
}
