#define QLIT_VECTOR_BYTES 64
#define QLIT_INSIDE_FLOAT 1
#define QLIT_FORWARD_BITS 3
#define QLIT_BACKWARD_BITS 3
#define QLIT_SPLIT_FORWARD 0
#define QLIT_SPLIT_BACKWARD 0
#include "isa.hpp"

namespace qlit {
extern const KernelSet kernels_avx512 = {"avx512", kernels<float>("avx512"), kernels<double>("avx512")};
}
