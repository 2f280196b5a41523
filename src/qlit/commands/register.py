"""`qlit register`: a checkpoint as a version of a registered MLflow model."""

import tempfile
from pathlib import Path

from qlit.commands.parsers.register import parser_of
from qlit.data import expanded
from qlit.jobs.terminal import quieten
from qlit.serving.predictor import Predictor
from qlit.tracking.registry import register


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit register` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    quieten()
    predictor = Predictor.from_checkpoint(
        options.checkpoint, body=options.body, trust_remote_code=options.trust_remote_code, device="cpu"
    )
    from qlit.serving.mlflow_model import save_package

    checkpoint = Path(expanded(options.checkpoint, "the checkpoint"))
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "model"
        save_package(predictor, checkpoint, package, device=options.device)
        version = register(
            package,
            options.name,
            labels=predictor.label_names,
            run_id=predictor.notes.get("run_id"),
            aliases=options.alias,
            tracking_uri=options.tracking_uri,
            experiment=options.experiment,
        )
    print(f"models:/{options.name}/{version}")
    for alias in options.alias:
        print(f"models:/{options.name}@{alias}")
    return 0
