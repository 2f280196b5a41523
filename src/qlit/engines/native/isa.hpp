// All that is compiled once for each processor, in order. The file that includes it says what the vectors are.
#include "tile.hpp"
#include "vector.hpp"

namespace qlit {
#include "angles.hpp"
#include "kernels.hpp"
#include "coefficients.hpp"
#include "sweep.hpp"
#include "measure.hpp"
#include "tile_run.hpp"
}  // namespace qlit
