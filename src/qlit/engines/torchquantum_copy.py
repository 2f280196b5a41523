"""Private copies of TorchQuantum, in single or double precision.

TorchQuantum computes in complex64: a constant of its module `macro`, which its other modules copy while they are
imported. For float64, TorchQuantum is therefore imported once more, with that constant changed to complex128 before
other modules copy it. All code that runs is TorchQuantum's, and a user's `import torchquantum` gives a separate,
unchanged module.
"""

import importlib
import importlib.util
import sys
import warnings
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

_NAME = "torchquantum"
INSTALL = (
    "`pip install 'torchquantum-ng>=0.2,<0.3'` (its maintained fork), or `make torchquantum` in a clone of qlit for "
    "version 0.1.8 in a separate environment"
)


def is_installed() -> bool:
    """Whether TorchQuantum is installed; nothing is imported."""
    return _found() is not None


def check_installed() -> None:
    """Raise a ValueError with the way to install TorchQuantum if it is not installed."""
    if not is_installed():
        raise ValueError(f"Engine 'torchquantum' needs TorchQuantum, which is not installed: {INSTALL}.")


@lru_cache(maxsize=2)
def torchquantum_in(dtype: torch.dtype) -> Any:
    """A private copy of `torchquantum` whose complex amplitudes consist of two numbers of a type.

    Args:
        dtype: torch.float32 or torch.float64.

    Raises:
        ValueError: If TorchQuantum or a package that it imports is not installed.
    """
    check_installed()
    before = _take_out()
    try:
        sys.modules[f"{_NAME}.macro"] = _macro(dtype)
        # Only its data sets need torchvision, every version of which needs one version of torch.
        sys.modules[f"{_NAME}.dataset"] = ModuleType(f"{_NAME}.dataset")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations in its dependencies of 2024, which users cannot change
            return importlib.import_module(_NAME)
    except (ImportError, AttributeError) as error:  # AttributeError: a dependency lacks a name that TorchQuantum reads
        raise ValueError(f"TorchQuantum cannot be imported ({error}); install it again: {INSTALL}.") from error
    finally:
        _take_out()
        sys.modules.update(before)


def _found() -> ModuleSpec | None:
    return importlib.util.find_spec(_NAME)


def _take_out() -> dict[str, ModuleType]:
    """Remove TorchQuantum's modules from `sys.modules`, and return them."""
    names = [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]
    return {name: sys.modules.pop(name) for name in names}


def _macro(dtype: torch.dtype) -> ModuleType:
    """TorchQuantum's module of constants, with its types changed to `dtype`."""
    package = _found()
    assert package is not None
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location(f"{_NAME}.macro", Path(package.origin).with_name("macro.py"))
    assert spec is not None
    assert spec.loader is not None
    macro: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(macro)
    if dtype == torch.float64:
        macro.F_DTYPE, macro.F_DTYPE_NUMPY = torch.float64, np.float64
        macro.C_DTYPE, macro.C_DTYPE_NUMPY = torch.complex128, np.complex128
    module: ModuleType = macro
    return module
