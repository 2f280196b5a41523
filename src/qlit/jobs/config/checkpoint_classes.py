"""Classes that the config in a checkpoint names: checked by their names, before anything is imported.

Whoever made a checkpoint must not choose what code runs where it is used.
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
    "loggers": ("CSVLogger", "TensorBoardLogger"),  # the others send to servers that an argument may choose
    "plugins": (
        *("BitsandbytesPrecision", "DoublePrecision", "FSDPPrecision", "HalfPrecision", "MixedPrecision", "Precision"),
        *("TorchSyncBatchNorm", "TransformerEnginePrecision", "KubeflowEnvironment", "LSFEnvironment"),
        *("LightningEnvironment", "MPIEnvironment", "SLURMEnvironment", "TorchElasticEnvironment"),
    ),
    "profilers": ("AdvancedProfiler", "PassThroughProfiler", "PyTorchProfiler", "SimpleProfiler"),
    "strategies": ("DDPStrategy", "SingleDeviceStrategy"),
}
"""Classes of Lightning that need no function and send nothing, by their package."""

_LISTED = re.compile(
    rf"qlit\.heads(\.[a-z_]+)?\.({'|'.join(heads.__all__)})"
    r"|torch\.(nn|optim)(\.[a-z_]+)*\.[A-Z]\w*"
    r"|lightning\.(pytorch|fabric)\.("
    + "|".join(rf"{package}(\.[a-z_]+)*\.({'|'.join(names)})" for package, names in _LIGHTNING.items())
    + ")"
)
_PACKAGES = (
    *("qlit.heads", "torch.nn", "torch.optim", "lightning.fabric.plugins"),
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
        config_yaml: The config that the checkpoint carries.
        path: Of the checkpoint, for the message.
        given: Classes that the command's own config names; that config decides what is imported.
    Raises:
        ValueError: If there is such a class, or the config is none.
    """
    for name in class_paths(load_yaml(config_yaml, f"the config in the checkpoint {path}")):
        if name not in given and not is_listed(name):
            shown = str(name)[:60]
            way_out = f" If you trust it, type {OPTION} {_module(shown)}." if _can_be_allowed(name) else ""
            raise ValueError(
                f"{path} names the class {shown!r}, which is none that a checkpoint may name: its code would run here."
                f"{way_out}"
            )


def is_listed(name: object) -> bool:
    """Whether a checkpoint may name a class: one of qlit's heads, of torch's or Lightning's, or one that is allowed."""
    return isinstance(name, str) and (
        (is_dotted_name(name) and _LISTED.fullmatch(name) is not None) or (is_allowed(name) and _can_be_allowed(name))
    )


def _can_be_allowed(name: object) -> bool:
    """Whether the command line may allow a name: nothing of os, subprocess, pickle and the like."""
    if not isinstance(name, str) or not is_dotted_name(name):
        return False
    return jsonargparse_settings.denying_import_path_entry(name) in (None, "*")


def names_to_allow(names: Collection[str]) -> list[str]:
    """The modules that `--allow` has to name before a checkpoint with these classes can be used."""
    return sorted({_module(name) for name in names if _LISTED.fullmatch(name) is None})


@contextmanager
def only_listed_imports() -> Iterator[None]:
    """Let jsonargparse import nothing but the packages of listed classes, and what the command line allows.

    It looks at every name before it imports it: also at names of functions, and at names in files that a config names.
    """
    settings = jsonargparse_settings.parsing_settings  # jsonargparse offers no way back
    before = dict(settings)
    allowed = list(filter(_can_be_allowed, allowed_names()))
    try:
        set_parsing_settings(
            import_path_denylist=["*", *_UNLISTED_MODULES], import_path_allowlist=[*_PACKAGES, *allowed]
        )
        yield
    finally:
        settings.update(before)


def class_paths(config: Any) -> Iterator[Any]:
    """Every value of a key `class_path` in a config, parsed or not; once for a part that aliases repeat."""
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
                if str(key).rpartition(".")[2].strip() == "class_path":  # also in `model.head.class_path`
                    yield inner
                rest.append(inner)
        else:
            rest += value


def _module(name: str) -> str:
    return name.rpartition(".")[0] or name
