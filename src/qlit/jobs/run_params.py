"""What MLflow shows of a config in its table of runs: the parameters that matter, and a name."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

from lightning.pytorch import Trainer

from qlit.jobs.config.training_parser import TRAINER_DEFAULTS
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

_ALWAYS = {
    "trainer": {"max_epochs"},
    "data": {"source", "body", "seed", "num_per_label"},
    "model": {
        "lr",
        *("num_qubits", "connectivity", "num_layers", "num_encoders"),
        *("num_reuploads", "num_main_layers", "num_reupload_layers", "shots"),
        *("num_hidden_layers", "hidden_dim", "C", "gamma", "kernel", "penalty"),
    },
}
"""Keys that are parameters of every run. Other keys are, if they differ from their default."""
_NAMES = {"SimulatedQuantumEncoder": "sQE", "ReuploadingPQC": "PQC", "MLP": "MLP", "SVC": "SVC"}


def run_params(config: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a run: the settings that describe its model and data, and all that differ from their defaults.

    The artifact config.yaml has every setting.

    Args:
        config: Resolved config of `qlit fit`, `validate` or `test`, nested.
    Returns:
        Values by dotted key as on the command line (`model.head.pqc.num_qubits`), which leaves out `init_args`; a class
        is the value of its own key, by its name.
    """
    owners = {"model": SentenceClassifier, "data": SentenceDataModule, "trainer": Trainer}
    params: dict[str, Any] = {}
    for section, owner in owners.items():
        defaults = TRAINER_DEFAULTS if section == "trainer" else {}
        params |= _of_section(section, config.get(section) or {}, owner, _ALWAYS[section], defaults)
    if params.get("data.embeddings") is not None:  # they are read in place of both
        params = {key: value for key, value in params.items() if key not in ("data.source", "data.body")}
    return {**params, "seed_everything": config.get("seed_everything")}


def run_name(config: Mapping[str, Any], command: str) -> str:
    """Name of a run: its model, data and split, such as "sQE 10q, PQC 10q, sst2, seed 0"."""
    data, head = config["data"], config["model"]["head"]
    named = str(data.get("embeddings") or data["source"])
    if command == "test" and data.get("test_source"):
        named = str(data["test_source"])
    source = Path(named).name or named
    name = f"{', '.join(_model_parts(head))}, {source}, seed {data['seed']}"
    return name if command == "fit" else f"{command}: {name}"


def _of_section(
    prefix: str, values: Mapping[str, Any], owner: Any, always: set[str], defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    known, types = {**_defaults(owner), **(defaults or {})}, _types(owner)
    params: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}.{name}"
        if _is_class(value):
            params[key] = _short(value["class_path"])
            params |= _of_section(key, value.get("init_args") or {}, _imported(value["class_path"]), always)
        elif isinstance(value, Mapping) and value:
            params |= _of_section(key, value, types.get(name), always)
        elif isinstance(value, list) and any(map(_is_class, value)):
            params[key] = ", ".join(_short(each["class_path"]) if _is_class(each) else str(each) for each in value)
        elif name in always or name not in known or not _equal(value, known[name]):
            params[key] = value
    return params


def _model_parts(value: Any) -> list[str]:
    """Short words for the parts of a head, outermost class first unless its parts say more."""
    if not isinstance(value, Mapping):
        return [str(value)]
    args = value.get("init_args") or {} if _is_class(value) else value
    name = _short(value["class_path"]) if _is_class(value) else "ReuploadingPQC"
    if "encoder" in args:
        encoder = _model_parts(args["encoder"])
        if "num_encoders" in args:
            encoder[0] = f"{args['num_encoders']}x {encoder[0]}"
        return encoder + (_model_parts(args["pqc"]) if "pqc" in args else [])
    word = name.removesuffix("Head").removesuffix("Encoder")
    word = _NAMES.get(name) or _NAMES.get(word) or word
    if args.get("num_qubits") is not None:
        word += f" {args['num_qubits']}q"
    elif args.get("hidden_dim") is not None and args.get("num_hidden_layers") is not None:
        word += f" {args['num_hidden_layers']}x{args['hidden_dim']}"
    return [word]


def _is_class(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("class_path"), str)


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]


def _imported(class_path: str) -> Any:
    """The class, which the training has imported; None if it cannot be found."""
    module, _, name = class_path.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except (ImportError, ValueError):
        return None


def _defaults(owner: Any) -> dict[str, Any]:
    if owner is None:
        return {}
    try:
        parameters = inspect.signature(owner).parameters
    except (TypeError, ValueError):
        return {}
    return {name: each.default for name, each in parameters.items() if each.default is not inspect.Parameter.empty}


def _types(owner: Any) -> dict[str, Any]:
    """Classes by the names of parameters that are annotated with a class, or with several: then the first one."""
    try:
        hints = get_type_hints(owner.__init__)
    except Exception:  # of a user's class, whose annotations may name anything
        return {}
    classes = {
        name: [each for each in (hint, *get_args(hint)) if isinstance(each, type)] for name, hint in hints.items()
    }
    return {name: found[0] for name, found in classes.items() if found}


def _equal(value: Any, default: Any) -> bool:
    if isinstance(value, list) and isinstance(default, list | tuple):
        return value == list(default)
    return bool(value == default)
