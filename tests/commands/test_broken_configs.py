"""Every key of a config with every kind of wrong value: one short sentence that names the key, at little cost.

Configs are read and models made from them in this process, under limits of time and memory.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from commands.runs import ROOT
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer
from limits import MOST_SECONDS, TookTooLong, limits

from qlit import heads
from qlit.data.contrastive import ContrastiveSettings
from qlit.jobs.checks.trainer import check_options
from qlit.jobs.config.models import model_parser
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors
from qlit.runtime.errors import in_one_sentence
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

CONFIG = yaml.safe_load((ROOT / "configs" / "quickstart.yaml").read_text())
MOST_CHARS = 300
INTERNALS = (
    "Traceback", "Parser key", "Namespace", "subtypes", "Subtypes", "Subclass", "subclass", "<class", "typing.",
    "NoneType",
    "object has no attribute", "not iterable", "Got value", "import path", "jsonargparse", "expected str instance",
    "unhashable", "unsupported operand", "Expected a <", "dict_kwargs", "Does not validate", "Problem with given",
    "lightning.pytorch", "collections.abc", "qlit.heads.encoders", " object at 0x", "\n",
)  # fmt: skip


def faults_of(read: Callable[[], object], names: tuple[str, ...], capsys) -> str | None:
    """What is wrong with how a command refuses a wrong input; None if nothing is."""
    try:
        with limits():
            status = in_one_sentence("qlit", lambda: read() and 0)
    except TookTooLong:
        return f"took more than {MOST_SECONDS} s"
    said = capsys.readouterr().err.removesuffix("\n")
    if status == 0:
        return "is accepted"
    if internal := next((each for each in INTERNALS if each in said), None):
        return f"shows {internal!r}: {said[:400]}"
    if len(said) > MOST_CHARS:
        return f"has {len(said)} characters: {said}"
    if "there is not enough memory" in said:
        return f"ran out of memory: {said}"
    return None if any(name in said for name in names) else f"names none of {names}: {said}"


@pytest.fixture(scope="module")
def of_model():
    """Make a model of a config's `model` and `data`."""
    parser = model_parser(prog="qlit")
    parser.add_argument("--config", action="config")

    def make(config: Mapping[str, Any]) -> object:
        with readable_errors():
            parsed = parser.parse_args(["--config", yaml.safe_dump(config)])
            check_nulls(parsed, model=SentenceClassifier, data=SentenceDataModule)
            return parser.instantiate(parsed)

    return make


@pytest.fixture(scope="module")
def of_rest():
    """Read the other parts of a config."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    places = {"trainer": Trainer, "tracking": MLflowTracker, "contrastive": ContrastiveSettings}
    for name, kind in places.items():
        parser.add_class_arguments(kind, name)

    def read(config: Mapping[str, Any]) -> object:
        with readable_errors():
            parsed = parser.parse_args(["--config", yaml.safe_dump(config)])
            check_nulls(parsed, **places)
            check_options(parsed.trainer)
            return ContrastiveSettings(**parsed.contrastive)

    return read


WRONG: dict[Any, list[Any]] = {
    int: [None, True, 1.5, "text", [1], {"a": 1}, float("nan"), "9" * 5000, -7],
    float: [None, True, "text", [1.0], {"a": 1}, float("nan"), float("inf"), "x" * 10_000],
    bool: [None, 1, "text", [True], {"a": 1}],
    str: [None, 5, ["text"], {"a": 1}, True],
}
"""Values that are wrong for a type."""


def wrong_values(hint: Any, default: Any) -> list[Any]:
    """Values that are wrong for a parameter."""
    options = [each for option in _options(hint) for each in _options(option)]
    if len(options) == 1 and typing.get_origin(hint) is typing.Literal:
        found = [None, "nope", 1, ["text"]]
    elif known := [each for each in options if each in WRONG]:
        found = [value for value in WRONG[known[0]] if all(value in WRONG[each] for each in known)]
    else:
        found = [
            None,
            5,
            "nope",
            "no.such.Class",
            {"class_path": "no.such.Class"},
            {"class_path": 5},
            {"init_args": None},
        ]
    kinds = tuple(
        each for each in (typing.get_origin(option) or option for option in options) if isinstance(each, type)
    )
    takes_null = default is None or type(None) in options
    return [value for value in found if (value is None and not takes_null) or not isinstance(value, kinds or Unlikely)]


class Unlikely:
    """Of no value."""


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def places() -> list[tuple[str, type, Callable[[Any], dict[str, Any]]]]:
    """Place, class and how a config has values there, for every class of a model."""
    public = [getattr(heads, name) for name in heads.__all__]

    def of_head(init_args: dict[str, Any], name: str = "HybridHead") -> dict[str, Any]:
        head = {"class_path": f"qlit.heads.{name}", "init_args": init_args}
        return {"model": {**CONFIG["model"], "head": head}, "data": CONFIG["data"]}

    hybrid = CONFIG["model"]["head"]["init_args"]
    pqc = hybrid["pqc"]
    made: list[Any] = [
        ("model", SentenceClassifier, lambda v: {"model": {**CONFIG["model"], **v}, "data": CONFIG["data"]}),
        ("data", SentenceDataModule, lambda v: {"model": CONFIG["model"], "data": {**CONFIG["data"], **v}}),
        ("model.head.pqc", heads.ReuploadingPQC, lambda v: of_head({**hybrid, "pqc": {**pqc, **v}})),
        ("model.head.pqc.noise", heads.GateNoise, lambda v: of_head({**hybrid, "pqc": {**pqc, "noise": v}})),
    ]
    inner = {"class_path": "qlit.heads.SimulatedQuantumEncoder"}
    for kind in public:
        if issubclass(kind, heads.Head) and kind is not heads.Head and not inspect.isabstract(kind):
            before = hybrid if kind is heads.HybridHead else {}
            made.append(("model.head", kind, lambda v, k=kind, b=before: of_head({**b, **v}, k.__name__)))
        if issubclass(kind, heads.Encoder) and not inspect.isabstract(kind):
            needs = {"encoder": inner} if "encoder" in inspect.signature(kind).parameters else {}

            def with_encoder(v: Any, kind: type = kind, needs: Any = needs) -> dict[str, Any]:
                encoder = {"class_path": f"qlit.heads.{kind.__name__}", "init_args": {**needs, **v}}
                return of_head({**hybrid, "encoder": encoder})

            made.append(("model.head.encoder", kind, with_encoder))
    return made


def keys_of(kind: type) -> list[tuple[str, Any, Any]]:
    """Name, hint and default of the keys of a class."""
    hints = typing.get_type_hints(kind.__init__)
    parameters = inspect.signature(kind).parameters
    return [(name, hints[name], each.default) for name, each in parameters.items() if name in hints]


PLACES = places()


@pytest.mark.parametrize(
    ("place", "kind", "with_values"), PLACES, ids=[f"{each[0]}-{each[1].__name__}" for each in PLACES]
)
def test_a_wrong_value_of_a_model_is_refused(of_model, capsys, place, kind, with_values):
    found = []
    for name, hint, default in keys_of(kind):
        if name == "num_outputs":  # is given by the head
            continue
        for value in wrong_values(hint, default):
            names = (name, *([hint.__name__] if isinstance(hint, type) else []))
            fault = faults_of(lambda: of_model(with_values({name: value})), names, capsys)  # noqa: B023
            found += [f"{place}.{name}: {str(value)[:20]} {fault}"] if fault else []
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("place", "kind"), [("trainer", Trainer), ("tracking", MLflowTracker), ("contrastive", ContrastiveSettings)]
)
def test_a_wrong_value_of_another_part_is_refused(of_rest, capsys, place, kind):
    found = []
    for name, hint, default in keys_of(kind):
        for value in wrong_values(hint, default):
            fault = faults_of(lambda: of_rest({place: {name: value}}), (name,), capsys)  # noqa: B023
            found += [f"{place}.{name}: {str(value)[:20]} {fault}"] if fault else []
    assert not found, "\n" + "\n".join(found)


FAR = 10**20
TOO_LARGE = {
    "model.head.pqc.num_qubits": FAR, "model.head.pqc.num_reuploads": FAR, "model.head.pqc.num_main_layers": FAR,
    "model.head.pqc.num_reupload_layers": 10**7, "model.head.pqc.shots": FAR,
    "model.head.pqc.noise.num_trajectories": FAR,
    "model.head.encoder.init_args.num_qubits": 10**6, "model.head.encoder.init_args.num_layers": FAR,
    "model.head.num_classes": FAR,
}  # fmt: skip
"""Sizes that would take all memory, or no end of time, to build."""


@pytest.mark.parametrize("key", TOO_LARGE)
def test_an_absurd_size_is_refused_before_anything_is_built(of_model, capsys, key):
    config: Any = yaml.safe_load(yaml.safe_dump({"model": CONFIG["model"], "data": CONFIG["data"]}))
    *path, last = key.replace("model.head.", "model.head.init_args.").split(".")
    part = config
    for name in path:
        part = part.setdefault(name, {})
    part[last] = TOO_LARGE[key]
    assert (fault := faults_of(lambda: of_model(config), (last,), capsys)) is None, fault


@pytest.mark.parametrize(
    ("head", "key"),
    [
        ("LinearHead", "num_features"), ("LinearHead", "num_classes"), ("MLPHead", "hidden_dim"),
        ("MLPHead", "num_features"), ("LogisticRegressionHead", "num_classes"), ("SVCHead", "num_classes"),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_fit_into_memory_is_refused(of_model, capsys, head, key):
    model = {**CONFIG["model"], "head": {"class_path": f"qlit.heads.{head}", "init_args": {key: FAR}}}
    fault = faults_of(lambda: of_model({"model": model, "data": CONFIG["data"]}), (key,), capsys)
    assert fault is None, fault


def test_large_but_useful_sizes_are_accepted(of_model):
    with limits():
        of_model({"model": CONFIG["model"], "data": {**CONFIG["data"], "batch_size": 10**9, "num_per_label": 10**6}})
        pqc = {"num_qubits": 9, "num_reuploads": 200, "num_main_layers": 100, "shots": 10**9}
        head = {**CONFIG["model"]["head"], "init_args": {**CONFIG["model"]["head"]["init_args"], "pqc": pqc}}
        of_model({"model": {**CONFIG["model"], "head": head, "weight_decay": 0, "lr": "1e-12"}, "data": CONFIG["data"]})
        wide = {"class_path": "qlit.heads.MLPHead", "init_args": {"hidden_dim": 20_000, "num_classes": 1000}}
        of_model({"model": {"head": wide}})
