"""Check the names of the classes in a checkpoint's config before anything is imported.

The author of a checkpoint must not choose which code runs on the machine of its user.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jsonargparse import Namespace, set_parsing_settings
from jsonargparse import _common as jsonargparse_settings

from qlit import heads
from qlit.runtime.allowed import OPTION, allowed_names, is_allowed, is_dotted_name
from qlit.runtime.yaml_text import load_yaml

_LIGHTNING = {
    "accelerators": ("CPUAccelerator", "CUDAAccelerator", "MPSAccelerator"),
    "callbacks": (
        *("BackboneFinetuning", "BatchSizeFinder", "DeviceStatsMonitor", "EMAWeightAveraging", "EarlyStopping"),
        *("GradientAccumulationScheduler", "LearningRateFinder", "LearningRateMonitor", "ModelCheckpoint"),
        *("ModelPruning", "ModelSummary", "OnExceptionCheckpoint", "RichModelSummary", "RichProgressBar"),
        *("SpikeDetection", "StochasticWeightAveraging", "TQDMProgressBar", "Timer", "WeightAveraging"),
    ),
    "loggers": ("CSVLogger", "TensorBoardLogger"),  # the others send data to a server that an argument chooses
    "plugins": (
        *("BitsandbytesPrecision", "DoublePrecision", "FSDPPrecision", "HalfPrecision", "MixedPrecision", "Precision"),
        *("TorchSyncBatchNorm", "TransformerEnginePrecision", "KubeflowEnvironment", "LSFEnvironment"),
        *("LightningEnvironment", "MPIEnvironment", "SLURMEnvironment", "TorchElasticEnvironment"),
    ),
    "profilers": ("AdvancedProfiler", "PassThroughProfiler", "PyTorchProfiler", "SimpleProfiler"),
    "strategies": ("DDPStrategy", "SingleDeviceStrategy"),
}
"""Classes of Lightning that take no function as an argument and send nothing, by package."""

_LISTED = re.compile(
    rf"qlit\.heads(\.[a-z_]+)?\.({'|'.join(heads.__all__)})"
    r"|qlit\.jobs\.callbacks(\.diagnostics)?\.Diagnostics"
    r"|torch\.(nn|optim)(\.[a-z_]+)*\.[A-Z]\w*"
    r"|lightning\.(pytorch|fabric)\.("
    + "|".join(rf"{package}(\.[a-z_]+)*\.({'|'.join(names)})" for package, names in _LIGHTNING.items())
    + ")"
)
_PACKAGES = (
    *("qlit.heads", "qlit.jobs.callbacks", "torch.nn", "torch.optim", "lightning.fabric.plugins"),
    *(f"lightning.pytorch.{package}" for package in _LIGHTNING),
)
_UNLISTED_MODULES = (
    *(f"lightning.pytorch.callbacks.{name}" for name in ("lambda_function", "throughput_monitor")),
    *(f"lightning.pytorch.loggers.{name}" for name in ("comet", "litlogger", "mlflow", "neptune", "wandb")),
    *(f"lightning.pytorch.strategies.{name}" for name in ("deepspeed", "fsdp", "model_parallel", "xla", "single_xla")),
    *("lightning.pytorch.plugins.io", "lightning.fabric.plugins.io", "lightning.pytorch.profilers.xla"),
)


def check_checkpoint_classes(config_yaml: str, path: object, *, given: Collection[str] = ()) -> None:
    """Refuse a checkpoint whose config names a class that is neither listed here nor allowed by the command line.

    Args:
        config_yaml: The config in the checkpoint.
        path: Path of the checkpoint, for the message.
        given: Names of classes in the config of the command, which decides what is imported.
    Raises:
        ValueError: If there is such a class, or the config is invalid.
    """
    for name in class_paths(load_yaml(config_yaml, f"the config in the checkpoint {path}")):
        if name not in given and not is_listed(name):
            shown = str(name)[:60]
            way_out = f" If you trust it, type {OPTION} {_module(shown)}." if _can_be_allowed(name) else ""
            raise ValueError(
                f"{path} names the class {shown!r}, which a checkpoint may not name: its code would run here.{way_out}"
            )


def is_listed(name: object) -> bool:
    """Whether a checkpoint may name a class: a listed one of qlit, torch or Lightning, or an allowed one."""
    return isinstance(name, str) and (
        (is_dotted_name(name) and _LISTED.fullmatch(name) is not None) or (is_allowed(name) and _can_be_allowed(name))
    )


def _can_be_allowed(name: object) -> bool:
    """Whether the command line can allow a name: not one of os, subprocess, pickle and similar modules."""
    if not isinstance(name, str) or not is_dotted_name(name):
        return False
    return jsonargparse_settings.denying_import_path_entry(name) in (None, "*")


def names_to_allow(names: Collection[str]) -> list[str]:
    """Modules that a command with a checkpoint of these classes must list after `--allow`."""
    return sorted({_module(name) for name in names if _LISTED.fullmatch(name) is None})


@contextmanager
def only_listed_imports() -> Iterator[None]:
    """Context in which jsonargparse imports only packages of listed classes, and names that the command line allows.

    jsonargparse checks every name before the import, also names of functions and names in files of a config.
    """
    settings = jsonargparse_settings.parsing_settings  # jsonargparse has no function to restore them
    before = dict(settings)
    allowed = list(filter(_can_be_allowed, allowed_names()))
    try:
        set_parsing_settings(
            import_path_denylist=["*", *_UNLISTED_MODULES], import_path_allowlist=[*_PACKAGES, *allowed]
        )
        yield
    finally:
        settings.update(before)


def imports_are_limited() -> bool:
    """Whether this is within `only_listed_imports`."""
    return not jsonargparse_settings.parsing_settings["import_path_verdicts"].get("*", True)


def class_paths(config: Any) -> Iterator[Any]:
    """Yield every value of a key `class_path` in a config, and every other import path; see `object_paths`.

    The config is parsed or not; parts that YAML aliases repeat count once.
    """
    for key, inner in _items(config):
        if key == "class_path" or _is_object_path(key, inner):
            yield inner


def object_paths(config: Any) -> Iterator[str]:
    """Yield the import paths of engines, QNodes and ansatzes in a config."""
    for key, inner in _items(config):
        if _is_object_path(key, inner):
            yield inner


def _is_object_path(key: str, value: Any) -> bool:
    """Whether a value is an import path that qlit follows: like `engine_by_name`, and for the keys of PQCs."""
    if not isinstance(value, str) or "." not in value:
        return False
    return key in ("qnode", "ansatz") or (key == "engine" and value.partition(":")[0] != "pennylane")


def _items(config: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key of a config, without the keys around it, and its value."""
    rest, seen = [config], set()
    while rest:
        value = rest.pop()
        if isinstance(value, Namespace):
            value = vars(value)
        if not isinstance(value, Mapping | list | tuple | set) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield str(key).rpartition(".")[2].strip(), inner  # also of `model.head.class_path`
                rest.append(inner)
        else:
            rest += value


def _module(name: str) -> str:
    return name.rpartition(".")[0] or name
