"""The argument of a launch, as `kernels/types.cuh` declares it: addresses and sizes of all circuits of a run."""

import ctypes

CIRCUITS = 9  # of one launch
MEASURED = 32  # wires

_ADDRESSES = (
    *("steps", "groups", "gates", "errors", "parameters", "angles", "parameter_table", "angle_table", "scale"),
    *("scaled_table", "initial", "state", "cotangent", "results", "by_results", "signs", "flips", "parts", "slots"),
    *("readers", "by_parameters", "by_angles", "by_scale"),
)
_SIZES = (
    *(
        "num_qubits",
        "num_steps",
        "num_groups",
        "num_gates",
        "num_parameters",
        "num_angles",
        "table_stride",
        "num_parts",
    ),
    *("num_measured", "result_stride", "joint"),
)


class CircuitWork(ctypes.Structure):
    """A circuit, with addresses of what it reads and writes, 0 for none; see `Circuit` in types.cuh."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in _ADDRESSES),
        *((name, ctypes.c_int32) for name in _SIZES),
        ("flipped", ctypes.c_uint32),
        ("bits", ctypes.c_uint8 * MEASURED),
    )


class Work(ctypes.Structure):
    """The argument of every kernel; see `Work` in types.cuh."""

    _fields_ = (
        ("circuits", CircuitWork * CIRCUITS),
        ("batch_size", ctypes.c_int64),
        ("num_circuits", ctypes.c_int32),
        ("window", ctypes.c_uint32),
        ("first_group", ctypes.c_int32),
        ("num_groups", ctypes.c_int32),
        ("chunk_bits", ctypes.c_int32),
        ("padding", ctypes.c_int32),
    )
