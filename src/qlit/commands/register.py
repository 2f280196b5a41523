"""`qlit register`: a checkpoint as a version of a registered MLflow model."""

import tempfile
from pathlib import Path

from qlit.data import expanded
from qlit.jobs.config.arguments import CommandParser
from qlit.jobs.terminal import quieten
from qlit.serving.predictor import Predictor
from qlit.tracking.registry import register


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit register` and return its exit status."""
    parser = CommandParser(
        prog=f"qlit {command}",
        description="Package a checkpoint with its body as an MLflow model and register it. `mlflow models serve` and "
        "`mlflow models predict` use it by its name: a column `sentence` in, `label` and `probability` out.",
    )
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`")
    parser.add_argument("--name", required=True, help="name of the registered model, maybe an existing one")
    parser.add_argument(
        "--alias", action="append", default=[], help="alias of the version, champion say; repeatable", metavar="ALIAS"
    )
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument(
        "--trust_remote_code",
        action="store_true",
        help="package Python code of the body; read it first",
    )
    parser.add_argument("--device", default="cpu", help="torch device of the served model; default: cpu")
    parser.add_argument("--experiment", default="qlit", help="experiment of a new run; default: qlit")
    parser.add_argument("--tracking_uri", help="MLflow's store; default: MLFLOW_TRACKING_URI, or mlruns/mlflow.db here")
    options = parser.parse(arguments)
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
