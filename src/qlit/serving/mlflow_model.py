"""A checkpoint as an MLflow model."""

import importlib.metadata
import importlib.util
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, final

import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModelContext
from mlflow.types import ColSpec, DataType, Schema

import qlit
from qlit.data.sentences import check_is_text
from qlit.jobs.config.checkpoint_classes import class_paths, names_to_allow
from qlit.runtime.yaml_text import load_yaml
from qlit.serving.predictor import Predictor
from qlit.tracking import connection

_SCRIPT = Path(__file__).with_name("mlflow_script.py")
_EXAMPLE = "What a lovely evening this was."
_EXAMPLE_PAIR = ("How old are you?", "What is your age?")
_COLUMNS = ("sentence", "second_sentence")


@final
class SentenceModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow's class has no types
    """Labels sentences: a table with the text column `sentence` in, one with `label` and `probability` out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load checkpoint and body from the package."""
        self._predictor = Predictor.from_checkpoint(
            context.artifacts["checkpoint"],
            body=context.artifacts["body"],
            trust_remote_code=bool(context.model_config["trust_remote_code"]),
            device=str(context.model_config["device"]),
        )

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Label the sentences or pairs of a table.

        Args:
            context: MLflow's context of the package.
            model_input: Table with the text column `sentence`, and `second_sentence` for a model of pairs; N rows.
            params: Not used.
        Returns:
            Table of N rows with the most probable `label` and its `probability`, in [0, 1].
        Raises:
            MlflowException: If a sentence is blank or not text.
        """
        columns = [list(model_input[name]) for name in _COLUMNS[: 1 + self._predictor.are_pairs]]
        for sentences in columns:
            for number, sentence in enumerate(sentences, 1):
                if not isinstance(sentence, str) or not sentence.strip():
                    raise MlflowException.invalid_parameter_value(
                        f"Every sentence must be text that is not blank, but sentence {number} is not."
                    )
                check_is_text(sentence, f"sentence {number}")
        rows = list(zip(*columns, strict=True)) if self._predictor.are_pairs else columns[0]
        found = self._predictor.predict(rows) if rows else []
        return pd.DataFrame(
            {"label": [row.label for row in found], "probability": [row.probability for row in found]},
        )


def save_package(predictor: Predictor, checkpoint: Path, folder: Path, *, device: str = "cpu") -> None:
    """Write an MLflow model: checkpoint, body, qlit's code, pinned requirements, signature and input example.

    The package needs neither the folder of the checkpoint nor an installed qlit. Nothing in it is pickled.

    Args:
        predictor: The model of the checkpoint.
        checkpoint: The checkpoint.
        folder: New folder.
        device: Torch device that the served model uses.
    Raises:
        ValueError: If the checkpoint uses classes outside of qlit, torch and Lightning.
    """
    config = load_yaml(str(predictor.notes["config"]), "the config of the checkpoint")
    if own := names_to_allow({name for name in class_paths(config) if isinstance(name, str)}):
        raise ValueError(
            f"A package holds qlit's own classes only, but the checkpoint uses {', '.join(own)}. Use `qlit serve` with "
            "--allow, where your code is installed."
        )
    example = dict(zip(_COLUMNS, _EXAMPLE_PAIR if predictor.are_pairs else [_EXAMPLE], strict=False))
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, name) for name in example]),
        outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "probability")]),
    )
    connection.quieten_mlflow()
    with tempfile.TemporaryDirectory() as staging, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow 3.17 calls what pandas 3 deprecates
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(_SCRIPT),
            artifacts={"checkpoint": str(checkpoint), "body": str(predictor.body.path)},
            code_paths=[str(_copy_of_qlit(Path(staging)))],
            pip_requirements=_requirements(),
            signature=signature,
            input_example=pd.DataFrame({name: [sentence] for name, sentence in example.items()}),
            model_config={"device": device, "trust_remote_code": predictor.body.trust_remote_code},
            metadata={"labels": list(predictor.label_names), "qlit_version": qlit.__version__},
        )


def _copy_of_qlit(staging: Path) -> Path:
    """A copy of the package without its C++ sources, with the native engine if it is built."""
    source = Path(qlit.__file__).parent
    copy = staging / "qlit"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "native", "*.so"))
    native = importlib.util.find_spec("qlit.engines._native")
    if native is not None and native.origin is not None:
        shutil.copy(native.origin, copy / "engines")
    return copy


def _requirements() -> list[str]:
    """The installed versions of everything that qlit needs."""
    declared = importlib.metadata.requires("qlit-heads") or []
    names = [re.split(r"[\s\[<>=!~;(]", line, maxsplit=1)[0] for line in declared if "extra ==" not in line]
    return sorted(f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in names)
