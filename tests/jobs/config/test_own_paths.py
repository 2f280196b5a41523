"""Import paths of engines, QNodes and ansatzes, and modules in the current folder."""

import sys
from pathlib import Path

import pytest
import yaml
from checkpoint_models import model_of_config
from jsonargparse import Namespace

from qlit.jobs.config.checkpoint_classes import (
    check_checkpoint_classes,
    class_paths,
    names_to_allow,
    object_paths,
    only_listed_imports,
)
from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.current_folder import find_modules_in_current_folder
from qlit.jobs.config.models import model_of
from qlit.runtime.allowed import allowing
from qlit.runtime.errors import UsageError

_ENCODER = {"class_path": "qlit.heads.NeuralEncoder", "init_args": {"num_features": 8}}
_ANSATZ = {"class_path": "qlit.heads.AnsatzPQC", "init_args": {"num_qubits": 2, "ansatz": "own_code.thing"}}
_QNODE = {"class_path": "qlit.heads.QNodePQC", "init_args": {"num_qubits": 2, "qnode": "own_code.thing"}}
PQCS = {
    "engine": {"num_qubits": 2, "engine": "own_code.thing"},
    "ansatz": _ANSATZ,
    "qnode": {**_QNODE, "init_args": {**_QNODE["init_args"], "weight_shapes": {}}},
}
every_pqc = pytest.mark.parametrize("pqc", PQCS.values(), ids=PQCS.keys())


def config_with(pqc):
    init_args = {"encoder": _ENCODER, "pqc": pqc}
    return {"model": {"head": {"class_path": "qlit.heads.HybridHead", "init_args": init_args}}, "data": {"source": "d"}}


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A file that exists as soon as the module `own_code` of the current folder is imported."""
    monkeypatch.chdir(tmp_path)
    # Commands that ran in this process have added their current folders, some of which hold a module of that name.
    elsewhere = [path for path in sys.path if path and not (Path(path) / "own_code.py").exists()]
    monkeypatch.setattr(sys, "path", elsewhere)
    monkeypatch.delitem(sys.modules, "own_code", raising=False)
    (tmp_path / "own_code.py").write_text("from pathlib import Path\nPath('code-was-run').touch()\nthing = len\n")
    yield tmp_path / "code-was-run"
    sys.modules.pop("own_code", None)


@every_pqc
def test_a_checkpoint_must_not_name_an_engine_a_qnode_or_an_ansatz(pqc, marker):
    text = yaml.safe_dump(config_with(pqc))
    with pytest.raises(ValueError, match=r"names the class 'own_code.thing'.* If you trust it, type --allow own_code"):
        check_checkpoint_classes(text, "best.ckpt")
    with pytest.raises((ValueError, UsageError), match="own_code"):  # also where nobody has checked it before
        model_of_config(text)
    assert not marker.exists()
    with allowing(["own_code"]):
        check_checkpoint_classes(text, "best.ckpt")
        with pytest.raises(ValueError, match=r"is not|annotated"):
            model_of_config(text)
    assert marker.exists()


@every_pqc
def test_a_config_of_the_user_needs_nothing(pqc, marker):
    with pytest.raises(ValueError, match=r"subclass of qlit.engines.Engine|annotated to return"):
        model_of(config_with(pqc))
    assert marker.exists()


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "pickle.loads", "shutil.rmtree", "builtins.exec"])
@pytest.mark.parametrize("key", ["engine", "ansatz", "qnode"])
def test_modules_that_start_processes_are_never_named(key, name):
    config = Namespace(model={"head": {"init_args": {"pqc": {key: name}}}})
    with pytest.raises(UsageError, match=f"names {name}, but nothing of the module .* may be named here"):
        check_classes(config)


def test_only_import_paths_are_taken_for_such():
    config = config_with({"engine": "pennylane:default.qubit,seed=1", "ansatz": ["rx 0 1.5"], "qnode": None})
    assert list(object_paths(config)) == []
    assert set(class_paths(config)) == {"qlit.heads.HybridHead", "qlit.heads.NeuralEncoder"}
    named = {"a": [{"engine": "m.E"}, {"b.engine": "n.E"}], "qnode": "q.node", "ansatz": "a.b.c", "engine": "auto"}
    assert set(object_paths(named)) == {"m.E", "n.E", "q.node", "a.b.c"}
    assert names_to_allow(set(object_paths(named))) == ["a.b", "m", "n", "q"]


def test_the_current_folder_comes_last_and_only_for_configs_of_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Commands that ran in this process have added their current folders, some of which hold a module of that name.
    elsewhere = [path for path in sys.path if path and not (Path(path) / "own_code.py").exists()]
    monkeypatch.setattr(sys, "path", elsewhere)
    before = list(sys.path)
    with only_listed_imports():
        find_modules_in_current_folder()
        assert sys.path == before
        with allowing(["own_code"]):
            find_modules_in_current_folder()
    assert sys.path == [*before, str(Path.cwd())]
    find_modules_in_current_folder()
    assert sys.path == [*before, str(Path.cwd())]
