"""Options of `qlit register`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
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
    return parser
