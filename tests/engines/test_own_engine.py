"""Engines and other objects of users by their import path."""

import textwrap

import pytest
import torch

from qlit.circuits import cnot, encoder_circuit, rx
from qlit.circuits.circuit import Circuit
from qlit.engines import ReferenceEngine, engine_by_name, object_at

_OWN = """
from typing import ClassVar
import torch
from qlit.engines import Capabilities, Engine, ReferenceEngine

class Mine(Engine):
    name: ClassVar[str] = "mine"
    capabilities: ClassVar[Capabilities] = Capabilities(max_qubits=6, dtypes=(torch.float32, torch.float64))

    def _expectation(self, request):
        return ReferenceEngine()._expectation(request)

    def _probabilities(self, request):
        return ReferenceEngine()._probabilities(request)

class Abstract(Engine):
    pass

class Nameless(Mine):
    name = None

class Needy(Mine):
    def __init__(self, key):
        pass

class Imposter(Mine):
    name = "native"

function = len
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with engines, found by the name of this fixture's value."""
    (tmp_path / "engines_of_a_user.py").write_text(textwrap.dedent(_OWN))
    (tmp_path / "broken_module.py").write_text("import not_installed_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "engines_of_a_user"


def test_an_engine_is_found_by_its_import_path(module):
    engine = engine_by_name(f"{module}.Mine")
    assert engine.name == "mine"
    circuit, state = encoder_circuit(3, connectivity=1, num_layers=0), torch.eye(8, dtype=torch.float64)[:2]
    theta = torch.linspace(-1, 1, circuit.num_parameters, dtype=torch.float64).requires_grad_()
    results = []
    for each in (engine, ReferenceEngine()):
        values = each.expectation(circuit, theta, state=state)
        results.append((values, *torch.autograd.grad(values.sum(), theta)))
    for mine, theirs in zip(*results, strict=True):
        assert torch.equal(mine, theirs)


def test_an_engine_runs_other_gates_only_if_it_says_so(module):
    with pytest.raises(ValueError, match=r"Engine 'mine' runs RY, CNOT, X and Z in real arithmetic, but .* has RX"):
        engine_by_name(f"{module}.Mine").compile(Circuit(2, (rx(0, parameter=0), cnot(0, 1))))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("engines_of_a_user.Mime", r"has no 'Mime', which .* names as an engine; did you mean 'Mine'\?"),
        ("engines_of_nobody.Mine", r"There is no module 'engines_of_nobody'.* in the current folder \(.*\) or among"),
        ("engines_of_a_user.sub.Mine", "cannot be imported|There is no module"),
        ("broken_module.Mine", "'broken_module', cannot be imported: ModuleNotFoundError: No module named 'not_inst"),
        ("engines_of_a_user.function", "An engine is a subclass of qlit.engines.Engine, but"),
        ("engines_of_a_user.Abstract", "lacks _expectation, _probabilities, which every engine has"),
        ("engines_of_a_user.Nameless", "needs the class attribute `name` of type str"),
        ("engines_of_a_user.Needy", "cannot be made without arguments: .*'key'"),
        ("engines_of_a_user.Imposter", "has the name of an engine of qlit, 'native'"),
        ("./engines.Mine", "The import path of an engine is MODULE.NAME"),
        (".Mine", "The import path of an engine is MODULE.NAME"),
    ],
)
@pytest.mark.usefixtures("module")
def test_what_is_no_engine_is_refused_in_one_sentence(path, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        engine_by_name(path)
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_engines():
    with pytest.raises(ValueError, match=r"There is no engine 'qpu'; there are: auto, .* and the import path of your"):
        engine_by_name("qpu")


def test_objects_of_any_kind_are_found():
    assert object_at("math.pi", "a number") == torch.pi
