"""Every tolerance of the suite, each with its reason."""

import torch

# Expectation values lie in [-1, 1], so errors are absolute. Rounding grows with the number of gates (about 1e3):
# eps 2e-16 and 6e-8 leave room to spare.
ENGINE_ATOL = {torch.float64: 1e-10, torch.float32: 2e-5}
# The dense twin computes in complex128 with a few hundred matrix products.
DENSE_ATOL = 1e-12
# Central differences with a step of 1e-5: truncation 1e-10 and rounding 1e-11, ten times the sum.
FINITE_DIFFERENCE_ATOL = 1e-9
# An estimate from S shots may miss by this many standard errors: one in two million by chance.
SHOT_SIGMAS = 5
# Losses of one process and of two add the same numbers in another order, in float32.
DDP_ATOL = 1e-5
