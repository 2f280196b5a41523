"""Configs that name code: every key accepts classes of its type, and nothing else is called or imported."""

import json
import sys
from pathlib import Path

import pytest
from commands.runs import QUICKSTART
from jsonargparse import ArgumentParser
from jsonargparse._typehints import get_all_subclass_paths

from qlit.cli import main
from qlit.heads import Encoder, Head
from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.training_parser import training_parser
from qlit.runtime.errors import UsageError

_MODULE = """
from pathlib import Path
from lightning.pytorch import Callback
from qlit.heads import Encoder, Head, LinearHead, NeuralEncoder

MARKER = Path("code-was-run")
def touch(*args, **options): MARKER.touch()
def encoder(num_outputs: int = 1, command: str = "") -> Encoder: MARKER.touch()
def head(command: str = "") -> Head: MARKER.touch()
def callback(command: str = "") -> Callback: MARKER.touch()
class Wrong:
    def __init__(self, command: str = ""): MARKER.touch()
    def __call__(self, *args): MARKER.touch()
class OwnHead(LinearHead):
    def __init__(self, num_features: int = 8): super().__init__(num_features=num_features)
class OwnCallback(Callback): ...
thing = OwnHead()
other = OwnCallback()
"""
_NAMES = ("os.system", "torch.os.system", "subprocess.Popen", "functools.partial", "torch.hub.load", "evil_code.absent")
_OWN_NAMES = tuple(f"own_code.{name}" for name in ("touch", "encoder", "head", "callback", "Wrong", "thing", "other"))
_REQUIRED = {"dirpath": "kept", "monitor": "x", "scheduling": {0: 1}, "swa_lrs": 0.1, "pruning_fn": "l1_unstructured"}
_CLASSES = ("Callable", "Any", "object", "Unvalidated", "ype[", "lightning.", "qlit.", "torch.")
"""What the text of a type has where it takes classes, functions, or anything."""


@pytest.fixture(autouse=True)
def _own_code(tmp_path, own_code):
    """With a module `own_code`, whose code leaves a marker."""
    own_code(tmp_path, _MODULE)


@pytest.fixture(scope="module")
def parser():
    """The parser of `qlit fit`."""
    return training_parser("fit")


def _values(name):
    """The ways in which a config names something."""
    command = "touch code-was-run"
    named = {"class_path": name, "init_args": {"command": command}}
    return [named, name, [named], {"x": named}, {**named, "dict_kwargs": {"shell": True}}]


def _is_run(parser, key, value):
    """Whether code runs when a config with a value for a key is parsed and instantiated."""
    config = {"model": {"head": {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8}}}}
    section, _, name = key.partition(".")
    if name:
        config.setdefault(section, {})[name] = value
    else:
        config[section] = value
    try:
        parsed = parser.parse_object(config)
        check_classes(parsed)
        parser.instantiate(parsed)
    except Exception:  # whatever it is refused for, or cannot be made of
        pass
    return Path("code-was-run").exists()


def test_no_key_of_a_config_calls_a_named_function(parser):
    keys = [action.dest for action in parser._actions if "." in action.dest and not action.dest.endswith(".help")]
    assert {"model.head", "data.source", "tracking.tags", "trainer.plugins"} <= set(keys)
    hints = {action.dest: str(getattr(action, "_typehint", "")) for action in parser._actions}
    for key in keys:
        takes_classes = any(word in hints[key] for word in _CLASSES)
        for name in (*_NAMES, *_OWN_NAMES) if takes_classes else ("own_code.Wrong",):
            for value in _values(name)[: 2 if takes_classes and name in _OWN_NAMES else 1]:
                assert not _is_run(parser, key, value), (key, value)
    for key in ("model.head", "trainer.callbacks", "trainer.plugins", "trainer.logger"):
        for value in _values("own_code.callback")[2:] + _values("own_code.head")[2:]:
            assert not _is_run(parser, key, value), (key, value)


def test_no_argument_of_a_known_class_calls_a_named_function(parser):
    hints = {action.dest: getattr(action, "_typehint", None) for action in parser._actions}
    places = ("accelerator", "strategy", "logger", "callbacks", "profiler", "plugins")
    classes = [(f"trainer.{key}", path) for key in places for path in get_all_subclass_paths(hints[f"trainer.{key}"])]
    classes += [("model.head", path) for path in get_all_subclass_paths(Head)]
    classes += [("model.head.init_args.encoder", path) for path in get_all_subclass_paths(Encoder)]
    known = ("lightning.pytorch.", "lightning.fabric.", "qlit.heads.")
    classes = [(place, path) for place, path in classes if path.startswith(known) and ".cli." not in path]
    num_checked = 0
    for place, path in classes:
        of_class = ArgumentParser(exit_on_error=False)
        of_class.add_class_arguments(_imported(path), "x")
        actions = {action.dest[2:]: str(getattr(action, "_typehint", "")) for action in of_class._actions}
        required = {name: value for name, value in _REQUIRED.items() if name in actions}
        for argument, hint in actions.items():
            if argument.endswith("help") or not any(word in hint for word in _CLASSES):
                continue
            num_checked += 1
            wrong = _values("own_code.Wrong")[0], "own_code.encoder"
            for value in wrong:
                spec = {"class_path": path, "init_args": {**required, argument: value}}
                if place.endswith("encoder"):
                    pqc = {"num_qubits": 2}
                    spec = {"class_path": "qlit.heads.HybridHead", "init_args": {"encoder": spec, "pqc": pqc}}
                key = ".".join(place.split(".")[:2])
                assert not _is_run(parser, key, [spec] if "callbacks" in key else spec), (path, argument, value)
    assert num_checked > 60


def _imported(path):
    module, _, name = path.rpartition(".")
    return getattr(sys.modules[module], name)


def test_known_classes_may_keep_their_defaults(parser):
    hints = {action.dest: getattr(action, "_typehint", None) for action in parser._actions}
    for path in get_all_subclass_paths(hints["trainer.callbacks"]):
        if "lightning.pytorch.callbacks." not in path or path.endswith("ThroughputMonitor"):  # it needs a function
            continue
        of_class = ArgumentParser(exit_on_error=False)
        of_class.add_class_arguments(_imported(path), "x")
        required = {name: _REQUIRED[name] for name in _REQUIRED if f"x.{name}" in {a.dest for a in of_class._actions}}
        head = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8}}
        callback = {"class_path": path, "init_args": required}
        check_classes(parser.parse_object({"model": {"head": head}, "trainer": {"callbacks": [callback]}}))


def test_a_module_at_a_place_without_classes_is_not_imported(parser):
    for key in ("tracking.tags", "data.source", "model.lr", "trainer.max_time", "seed_everything"):
        assert not _is_run(parser, key, {"class_path": "own_code.Wrong"})
    strategy = {"class_path": "DDPStrategy", "init_args": {"ddp_comm_state": {"class_path": "own_code.Wrong"}}}
    assert not _is_run(parser, "trainer.strategy", strategy)
    assert "own_code" not in sys.modules


def test_functions_need_to_be_allowed(capsys):
    head = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8}}
    callback = {"class_path": "LambdaCallback", "init_args": {"on_fit_start": "own_code.touch"}}
    Path("c.json").write_text(
        json.dumps({"model": {"head": head}, "trainer": {"max_epochs": 1, "callbacks": [callback]}})
    )
    assert main(["fit", "--config", "c.json"]) == 2
    refused = capsys.readouterr().err
    assert "trainer.callbacks.on_fit_start names the function own_code.touch" in refused
    assert "--allow own_code" in refused
    assert main(["fit", "--config", "c.json", "--allow", "own_code", "--data.body", "./nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err  # the next thing that is wrong
    assert main(["fit", "--config", "c.json"]) == 2  # nothing remembers it


def test_own_classes_need_nothing(parser):
    head = {"class_path": "own_code.OwnHead", "init_args": {"num_features": 4}}
    parsed = parser.parse_object({"model": {"head": head}, "trainer": {"callbacks": ["own_code.OwnCallback"]}})
    check_classes(parsed)
    assert type(parser.instantiate(parsed).model.head).__name__ == "OwnHead"


@pytest.mark.parametrize(
    "command",
    [
        ["describe", "--no_timing", "--config", "c.json"],
        ["fit", "--config", "c.json"],
        ["finetune", "--output", "tuned", "--config", "c.json", "--data.body", "./nowhere"],
        ["compare", "--config", "c.json", "--config", "d.json"],
        ["study", "run", "--yes", "--config", "study.yaml"],
        ["study", "worker", "--config", "study.yaml"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_command_calls_a_function_that_a_config_names(command, capsys):
    encoder = {"class_path": "own_code.encoder", "init_args": {"command": "x"}}
    head = {"class_path": "qlit.heads.HybridHead", "init_args": {"encoder": encoder, "pqc": {"num_qubits": 2}}}
    evil = {"model": {"head": head}, "data": {"source": "sample"}, "trainer": {"callbacks": ["own_code.callback"]}}
    for name in ("c.json", "d.json"):
        Path(name).write_text(json.dumps(evil))
    Path("study.yaml").write_text("name: s\nbase: c.json\nfactors: {model.lr: [0.1, 0.2]}\nreplicates: {splits: [0]}\n")
    assert main(command) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said) < 400
    if command[0] != "finetune":  # which uses no head
        assert "own_code.encoder is a function" in said
    assert not Path("code-was-run").exists()


def test_levels_of_a_study_are_checked_too(capsys):
    Path("study.yaml").write_text(
        f"name: s\nbase: {QUICKSTART}\nfactors: {{model.head.encoder: [own_code.encoder, own_code.Wrong]}}\n"
        "replicates: {splits: [0]}\n"
    )
    assert main(["study", "run", "--yes", "--config", "study.yaml"]) != 0
    assert "own_code.encoder" in capsys.readouterr().err
    assert not Path("code-was-run").exists()


def test_the_message_names_place_and_way_out(parser):
    head = {"class_path": "own_code.head", "init_args": {}}
    with pytest.raises(UsageError, match=r"model\.head takes Head, but own_code\.head is a function: name a class"):
        check_classes(parser.parse_object({"model": {"head": head}}))
