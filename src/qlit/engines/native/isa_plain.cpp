#define QLIT_VECTOR_BYTES 16
#define QLIT_INSIDE_FLOAT 0
#define QLIT_FORWARD_BITS 2
#define QLIT_BACKWARD_BITS 2
#define QLIT_SPLIT_FORWARD 0
#define QLIT_SPLIT_BACKWARD 0
#include "isa.hpp"

namespace qlit {
extern const KernelSet kernels_plain = {"plain", kernels<float>("plain"), kernels<double>("plain")};
}
