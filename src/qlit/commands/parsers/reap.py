"""Options of `qlit reap`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        description="Set runs to KILLED that MLflow shows as RUNNING although their process was killed. Every new run "
        "of an experiment does this, too, for the processes of its machine. Events that such a process could not send "
        "are sent first.",
        epilog="Runs of other machines are listed. Name them to end them, if you know that their processes have ended.",
    )
    parser.add_argument("runs", nargs="*", default=[], metavar="RUN", help="ids of runs to end, wherever they ran")
    parser.add_argument("--experiment", metavar="NAME", help="only runs of this experiment; default: all")
    parser.add_argument(
        "--tracking_uri", metavar="URI", help="an MLflow server or database; default: MLFLOW_TRACKING_URI or mlruns/"
    )
    return parser
