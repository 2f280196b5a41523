"""`qlit info`: versions, engines, hardware and folders of this installation."""

import importlib.metadata
import json
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import qlit
from qlit.commands.parsers.info import parser_of
from qlit.data import default_cache_folder
from qlit.runtime.checkout import checkout_of, version_that_runs
from qlit.runtime.secrets import scrub
from qlit.tracking.mlflow_store import locate
from qlit.tracking.provenance import collect

_PACKAGES = (
    *(
        "torch",
        "lightning",
        "sentence-transformers",
        "mlflow",
        "optuna",
        "pennylane",
        "torchquantum",
        "torchquantum-ng",
    ),
    "psycopg",
)


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit info` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    found = _found()
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for section, values in found.items():
        print(section)
        width = max(map(len, values)) + 2
        for name, value in values.items():
            print(f"  {name:<{width}}{value}")
    return 0


def _found() -> dict[str, dict[str, Any]]:
    import torch  # its threads and GPUs

    recorded = collect()
    gpus = {f"GPU {k}": torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())}
    return {
        "versions": {
            "qlit": version_that_runs(qlit.__version__, checkout_of(Path(qlit.__file__).parent)),
            "Python": f"{platform.python_version()} ({sys.executable})",
            **{name: version for name in _PACKAGES if (version := _version(name)) is not None},
        },
        "engines": _engines(),
        "hardware": {
            "system": recorded["platform"],
            "processor": recorded["cpu.model"],
            "cores": f"{recorded['cpu.cores']}, of which this process may use {recorded['cpu.cores_usable']}",
            "threads": f"{torch.get_num_threads()} (OMP_NUM_THREADS changes it)",
            "memory": f"{recorded['memory.gib']} GiB",
            **(gpus or {"GPU": "none that torch can use"}),
        },
        "places": {
            "package": str(Path(qlit.__file__).parent),
            "runs": scrub(locate(None).uri),
            "embeddings": _or_reason(lambda: str(default_cache_folder())),
            "Hugging Face": os.environ.get("HF_HOME", "~/.cache/huggingface"),
        },
    }


def _engines() -> dict[str, str]:
    from qlit.engines import CudaEngine, native_engine

    lacks = CudaEngine().missing()
    if native_engine.is_built():
        native = f"available; this processor runs {', '.join(native_engine.available_kernels())}"
    else:
        native = f"not available: {native_engine.why_not_built()}"
    return {
        "native": native,
        "cuda": "available; unverified on a GPU" if lacks is None else f"not available: {lacks}",
        "torch": "available",
        "density_matrix": "available",
        "reference": "available",
        "pennylane": "available" if find_spec("pennylane") else "not installed (extra `pennylane`)",
        "torchquantum": "available" if find_spec("torchquantum") else "not installed (extra `torchquantum`)",
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _or_reason(value: Any) -> str:
    try:
        return str(value())
    except ValueError as error:
        return f"unknown: {error}"
