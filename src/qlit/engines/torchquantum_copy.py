"""TorchQuantum as a module of our own, in the precision asked for.

TorchQuantum computes in complex64: a constant of its module `macro`, which its other modules copy while they are
imported. So that float64 means complex128 all through, TorchQuantum is imported once more with that constant changed
before anything copies it. Every line that runs is TorchQuantum's own, and a user's `import torchquantum` sees neither
the copies nor the change.
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
    "`pip install -e '.[torchquantum]'` (several GB, TensorFlow among them) or `make torchquantum` in a clone of "
    "qlit for an environment of its own without what only TorchQuantum's data sets and examples need"
)


def is_installed() -> bool:
    """Whether TorchQuantum is there; nothing is imported."""
    return _found() is not None


def check_installed() -> None:
    """Raise a ValueError that tells how to install TorchQuantum where it is not there."""
    if not is_installed():
        raise ValueError(f"Engine 'torchquantum' needs TorchQuantum, which is not installed: {INSTALL}.")


@lru_cache(maxsize=2)
def torchquantum_in(dtype: torch.dtype) -> Any:
    """The module `torchquantum`, a copy of it whose statevectors have amplitudes of two numbers of that type.

    Args:
        dtype: torch.float32 or torch.float64.

    Raises:
        ValueError: If TorchQuantum, or something that it imports, is not installed.
    """
    check_installed()
    before = _take_out()
    try:
        sys.modules[f"{_NAME}.macro"] = _macro(dtype)
        # Its data sets alone need torchvision, which fits one version of torch each; nothing of its simulator does.
        sys.modules[f"{_NAME}.dataset"] = ModuleType(f"{_NAME}.dataset")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what its dependencies of 2024 call deprecated; no user can help it
            return importlib.import_module(_NAME)
    except (ImportError, AttributeError) as error:  # the latter: a dependency in a version without what is read
        raise ValueError(f"TorchQuantum cannot be imported ({error}); install it anew: {INSTALL}.") from error
    finally:
        _take_out()
        sys.modules.update(before)


def _found() -> ModuleSpec | None:
    return importlib.util.find_spec(_NAME)


def _take_out() -> dict[str, ModuleType]:
    """Remove TorchQuantum's modules from those that an import finds."""
    names = [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]
    return {name: sys.modules.pop(name) for name in names}


def _macro(dtype: torch.dtype) -> ModuleType:
    """TorchQuantum's module of constants, with the types changed that are not `dtype`."""
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
