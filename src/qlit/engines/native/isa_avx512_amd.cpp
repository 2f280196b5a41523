#define QLIT_VECTOR_BYTES 64
#define QLIT_INSIDE_FLOAT 1
#define QLIT_FORWARD_BITS 3
#define QLIT_BACKWARD_BITS 3
#define QLIT_SPLIT_FORWARD 3
#define QLIT_SPLIT_BACKWARD 1
#include "isa.hpp"

namespace qlit {
extern const KernelSet kernels_avx512_amd = {"avx512_amd", kernels<float>("avx512_amd"), kernels<double>("avx512_amd")};
}
