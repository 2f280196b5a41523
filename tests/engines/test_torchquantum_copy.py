"""Copies of TorchQuantum: their precision, who sees them, and what is told where it cannot be imported.

A small package of the same name and structure stands in for it here; the real one is run by the engine's tests.
"""

import importlib
import sys

import numpy as np
import pytest
import torch

from qlit.engines import TorchQuantumEngine, engine_by_name, torchquantum_copy

FILES = {
    "macro.py": """
        import numpy as np, torch
        C_DTYPE, F_DTYPE, C_DTYPE_NUMPY, F_DTYPE_NUMPY = torch.complex64, torch.float32, np.complex64, np.float32
    """,
    "device.py": "from torchquantum.macro import C_DTYPE as OF_STATES",
    "dataset.py": "import a_torchvision_that_is_not_there",
    "__init__.py": """
        import warnings
        warnings.warn("pkg_resources is deprecated")
        from .macro import *
        from .device import *
        from .dataset import *
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of a package named torchquantum that an import finds first."""
    folder = tmp_path / "torchquantum"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text("\n".join(line.strip() for line in text.splitlines()))
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def of_torchquantum():
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchquantum"}


def copied(dtype):
    return torchquantum_copy.torchquantum_in.__wrapped__(dtype)  # none is kept beyond its test


def types_of(module):
    return [module.OF_STATES, module.C_DTYPE, module.C_DTYPE_NUMPY, module.F_DTYPE, module.F_DTYPE_NUMPY]


@pytest.mark.usefixtures("package")
def test_a_copy_has_the_precision_asked_for_from_its_first_line_on():
    single, double = copied(torch.float32), copied(torch.float64)
    assert types_of(single) == [torch.complex64, torch.complex64, np.complex64, torch.float32, np.float32]
    assert types_of(double) == [torch.complex128, torch.complex128, np.complex128, torch.float64, np.float64]


def test_the_users_own_torchquantum_is_left_alone(package):
    (package / "dataset.py").write_text("the_users = True")
    with pytest.warns(UserWarning, match="pkg_resources"):
        own = importlib.import_module("torchquantum")
    before = of_torchquantum()
    try:
        assert copied(torch.float64) is not own
        assert of_torchquantum() == before
        assert types_of(own)[0] == torch.complex64
        assert own.the_users
    finally:
        for name in before:
            del sys.modules[name]


def test_where_it_is_missing_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setattr(torchquantum_copy, "_found", lambda: None)
    assert not torchquantum_copy.is_installed()
    for ask in (TorchQuantumEngine, lambda: engine_by_name("torchquantum"), lambda: copied(torch.float32)):
        with pytest.raises(ValueError, match=r"not installed: `pip install 'torchquantum-ng>=0\.2,<0\.3'`"):
            ask()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import a_qiskit_that_is_not_there", "No module named 'a_qiskit_that_is_not_there'"),
        ("import numpy\nnumpy.a_name_of_old", "numpy.*a_name_of_old"),
    ],
)
def test_where_something_that_it_imports_does_not_fit_that_is_told(package, text, message):
    (package / "device.py").write_text(text)
    before = of_torchquantum()
    with pytest.raises(ValueError, match=rf"TorchQuantum cannot be imported \(.*{message}.*\); install it again"):
        copied(torch.float32)
    assert of_torchquantum() == before
