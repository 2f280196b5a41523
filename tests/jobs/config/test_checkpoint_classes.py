"""Checkpoints of strangers: no command imports, calls or unpickles the objects that they name."""

import json
import pickle
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main
from qlit.jobs.config.checkpoint_classes import is_listed, only_listed_imports
from qlit.jobs.config.models import model_of
from qlit.training.checkpoints.checkpoint_io import AtomicCheckpointIO
from qlit.training.evaluation import CHECKPOINT_KEY

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
_MODULE = """
from pathlib import Path
from lightning.pytorch import Callback
from qlit.heads import Encoder, LinearHead

Path("code-was-run").touch()
def encoder(num_outputs: int = 1, command: str = "") -> Encoder: ...
class OwnHead(LinearHead):
    def __init__(self, num_features: int): super().__init__(num_features=num_features)
class OwnCallback(Callback): ...
"""
_CONFIG = """
seed_everything: 1
trainer: {max_epochs: 2, accelerator: cpu, enable_progress_bar: false}
data: {source: d.tsv, body: ./tiny, num_per_label: 8, max_test: 8}
model: {head: {class_path: %s, init_args: {num_features: 8}}}
"""
_NAMES = (
    *("os.system", "own_code.OwnHead", "own_code.encoder", "qlit.heads.base.torch.hub.load", "qlit.__main__.main"),
    *("torch.hub.load", "torch.nn.functional.importlib.import_module", "lightning.pytorch.callbacks.LambdaCallback"),
    *(
        "lightning.pytorch.loggers.MLFlowLogger",
        "qlit.heads.LinearHead ",
        "qlit.heads.LinearHe\u0430d",
        "x",
        "",
        3,
        None,
    ),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a body, data, and `best.ckpt` and `last.ckpt` of one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_tiny_body(Path("tiny"))
        write_tiny_data(Path("d.tsv"), 40)
        Path("c.yaml").write_text(_CONFIG % "qlit.heads.LinearHead")
        assert main(["fit", "--config", "c.yaml", "--trainer.max_epochs", "1"]) == 0
    for name in ("best.ckpt", "last.ckpt"):
        (kept,) = folder.glob(f"mlruns/runs/*/{name}")
        (folder / name).write_bytes(kept.read_bytes())
    return folder


@pytest.fixture(autouse=True)
def folder(trained, own_code):
    """The same as the current folder, with a module `own_code` that leaves a marker when it is imported."""
    own_code(trained, _MODULE)
    Path("code-was-run").unlink(missing_ok=True)
    return trained


def _commands(path):
    return {
        "predict": ["predict", path, "a good film"],
        "export": ["export", path, "a good film", "--out", "programs"],
        "test": ["test", "--ckpt_path", path],
        "validate": ["validate", "--ckpt_path", path],
        "fit": ["fit", "--ckpt_path", path],
    }


def _write(change, path="evil.ckpt"):
    """Write a checkpoint whose config is changed."""
    checkpoint = torch.load("last.ckpt", weights_only=True)
    config = yaml.safe_load(checkpoint[CHECKPOINT_KEY]["config"])
    change(config)
    checkpoint[CHECKPOINT_KEY]["config"] = yaml.safe_dump(config)
    torch.save(checkpoint, path)
    return path


def _spec(name):
    return {"class_path": name, "init_args": {"command": "touch code-was-run"}}


def _places(config, place=()):
    """Every key of a config, and one that is not there."""
    for key, value in config.items() if isinstance(config, dict) else ():
        yield (*place, key)
        yield from _places(value, (*place, key))
    yield (*place, "other")


def _put(config, place, value):
    for key in place[:-1]:
        if not isinstance(config.get(key), dict):
            config[key] = {}
        config = config[key]
    config[place[-1]] = value


def test_no_place_of_a_checkpoint_may_name_other_classes(capsys):
    config = yaml.safe_load(torch.load("last.ckpt", weights_only=True)[CHECKPOINT_KEY]["config"])
    places = [place for place in _places(config) if "class_path" not in place]
    assert ("model", "head") in places
    assert ("trainer", "callbacks") in places
    for place in places:
        path = _write(lambda config, place=place: _put(config, place, [{"x": _spec("own_code.OwnHead")}]))
        assert main(["predict", path, "a good film"]) == 1
        assert "names the class 'own_code.OwnHead', which a checkpoint may not name" in capsys.readouterr().err
    assert "own_code" not in sys.modules


@pytest.mark.parametrize("command", ["predict", "export", "test", "validate", "fit"])
def test_every_command_refuses_other_classes(command, capsys):
    for name in _NAMES:
        for place in (("model", "head"), ("trainer", "callbacks")):
            path = _write(lambda config, name=name, place=place: _put(config, place, _spec(name)))
            assert main(_commands(path)[command]) == 1, name
            said = capsys.readouterr().err
            assert "which a checkpoint may not name" in said
            assert len(said) < 300
    assert not Path("code-was-run").exists()


@pytest.mark.parametrize("command", ["predict", "test", "fit"])
def test_names_without_a_class_path_are_not_imported_either(command, capsys):
    Path("model.yaml").write_text("head: {class_path: own_code.OwnHead, init_args: {num_features: 8}}")
    swa = {"class_path": "StochasticWeightAveraging", "init_args": {"swa_lrs": 0.1, "avg_fn": "own_code.encoder"}}
    changes = [(("model",), "model.yaml"), (("model", "head"), "own_code.OwnHead")]
    if command != "predict":  # which uses nothing of a trainer
        changes += [(("trainer", "callbacks"), "own_code.OwnCallback"), (("trainer", "logger"), "own_code.OwnCallback")]
    for place, value in changes:
        path = _write(lambda config, place=place, value=value: _put(config, place, value))
        assert main(_commands(path)[command]) in (1, 2), value
        assert "Traceback" not in capsys.readouterr().err
    for change in ({"head.class_path": "own_code.OwnHead"}, {"head.init_args.class_path": "own_code.OwnHead"}):
        path = _write(lambda config, change=change: config["model"].update(change))
        assert main(_commands(path)[command]) == 1
        assert "names the class 'own_code.OwnHead'" in capsys.readouterr().err
    swa["class_path"] = f"lightning.pytorch.callbacks.{swa['class_path']}"
    path = _write(lambda config: _put(config, ("trainer", "callbacks"), [swa]))
    if command != "predict":
        assert main(_commands(path)[command]) in (1, 2)
        assert "own_code.encoder" in capsys.readouterr().err
    assert "own_code" not in sys.modules
    assert not Path("code-was-run").exists()


def test_modules_that_run_commands_cannot_be_allowed(capsys):
    for name, module in (("os.system", "os"), ("posix.system", "posix.system"), ("subprocess.Popen", "subprocess")):
        path = _write(lambda config, name=name: config["model"].update(head=_spec(name)))
        assert main([*_commands(path)["predict"], "--allow", module]) == 1
        said = capsys.readouterr().err
        assert "which a checkpoint may not name" in said
        assert "--allow" not in said


def test_own_classes_need_to_be_allowed_by_every_command(folder, capsys):
    Path("own.yaml").write_text(_CONFIG % "own_code.OwnHead")
    before = set(folder.glob("mlruns/runs/*/best.ckpt"))
    assert main(["fit", "--config", "own.yaml", "--trainer.max_epochs", "1"]) == 0  # a config of one's own
    (best,) = set(folder.glob("mlruns/runs/*/best.ckpt")) - before
    last = best.with_name("last.ckpt")
    assert f"qlit predict {best} --allow own_code" in capsys.readouterr().out
    for command in (
        ["predict", str(best), "a film"],
        ["test", "--ckpt_path", str(best)],
        ["fit", "--ckpt_path", str(last)],
    ):
        more = ["--trainer.max_epochs", "2"] if command[0] == "fit" else []
        assert main([*command, *more]) == 1
        assert "type --allow own_code" in capsys.readouterr().err
        assert main([*command, *more, "--allow", "own_code"]) == 0
        assert main([*command, *more]) == 1  # nothing remembers it
    # The config that is given decides what is imported.
    assert main(["fit", "--config", "own.yaml", "--ckpt_path", str(last)]) == 0
    assert main(["test", "--config", "own.yaml", "--ckpt_path", str(last)]) == 0
    assert main(["test", "--config", "c.yaml", "--ckpt_path", str(last)]) == 1


def test_listed_classes_are_those_that_can_be_imported():
    listed = ("qlit.heads.LinearHead", "qlit.heads.classical.LinearHead")
    assert all(map(is_listed, listed))
    with only_listed_imports():
        for name in listed:
            model_of({"model": {"head": {"class_path": name, "init_args": {"num_features": 8}}}})
    assert is_listed("lightning.pytorch.callbacks.early_stopping.EarlyStopping")
    assert is_listed("torch.optim.Adam")


def test_everything_is_loaded_as_weights_only(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # torch obeys it where nobody says otherwise
    asked = []
    load = torch.load

    def noting(*arguments, **options):
        asked.append(options.get("weights_only"))
        return load(*arguments, **options)

    def refuse(*_, **__):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(torch, "load", noting)
    for name in ("load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)
    config = yaml.safe_load(_CONFIG % "qlit.heads.LinearHead")
    config["trainer"]["callbacks"] = [
        {"class_path": "LearningRateFinder", "init_args": {"num_training_steps": 4}},
        {"class_path": "ModelCheckpoint", "init_args": {"monitor": "val/loss", "dirpath": "own"}},
        {"class_path": "StochasticWeightAveraging", "init_args": {"swa_lrs": 0.1}},
    ]
    Path("many.json").write_text(json.dumps(config))
    assert main(["fit", "--config", "many.json"]) == 0
    for arguments in _commands("last.ckpt").values():
        assert main(arguments) in (0, 1)  # a linear head has no circuits to export
    assert len(asked) > 10
    assert all(each is True for each in asked)


def test_addresses_are_not_fetched(monkeypatch, capsys):
    def refuse(*_, **__):
        raise AssertionError("an address was fetched")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    Path("http:/host").mkdir(parents=True)
    Path("http:/host/last.ckpt").write_bytes(Path("last.ckpt").read_bytes())
    for address in ("http://host/last.ckpt", "https://host/x", "s3://bucket/x", "file:///tmp/x", "memory://x"):
        for arguments in _commands(address).values():
            assert main(arguments) == 1
            assert "local file" in capsys.readouterr().err
        Path("address.yaml").write_text(f"{_CONFIG % 'qlit.heads.LinearHead'}\nckpt_path: {address}\n")
        for command in ("fit", "validate", "test"):
            more = [] if command == "fit" else ["--ckpt_path", "last.ckpt", "--ckpt_path", address]
            assert main([command, "--config", "address.yaml", *more]) == 1
            assert "local file" in capsys.readouterr().err
        with pytest.raises(FileNotFoundError):
            AtomicCheckpointIO().load_checkpoint(address.replace("/host/last.ckpt", "/nowhere"))
    loaded = AtomicCheckpointIO().load_checkpoint("http://host/last.ckpt")  # a folder that is called so
    assert CHECKPOINT_KEY in loaded


def test_a_callback_does_not_choose_which_file_is_loaded(monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    checkpoint = torch.load("last.ckpt", weights_only=True)
    for state in checkpoint["callbacks"].values():
        state |= {"best_model_path": "http://host/x.ckpt", "last_model_path": "http://host/x.ckpt", "best": None}
    torch.save(checkpoint, "state.ckpt")
    assert main(["fit", "--ckpt_path", "state.ckpt", "--trainer.max_epochs", "2"]) == 0


def test_weights_only_cannot_be_switched_off(capsys):
    for name in ("fit", "test"):
        assert main([name, "--config", "c.yaml", "--ckpt_path", "last.ckpt", "--weights_only", "false"]) == 2
        assert "weights_only" in capsys.readouterr().err
