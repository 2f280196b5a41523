"""Options of `qlit compare`."""

from qlit.jobs.config.arguments import CommandParser

NUM_SEEDS = 10
"""Seeds per config without --seeds."""


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        description="Compare models on the same splits: mean, paired difference with its 95 % interval, McNemar's "
        "test and a paired bootstrap on the test sentences, effect sizes, and whether a difference is within noise. "
        "Give runs, which are read from MLflow, or configs, which are trained once per seed; earlier trainings are "
        "reused.",
        epilog="Options with a dot (--data.source, --trainer.max_epochs) go to all configs. An option for one config "
        "goes into its argument: --config 'a.yaml --model.lr 0.01'.",
    )
    parser.add_argument(
        "runs", nargs="*", default=[], metavar="RUN", help="ids of MLflow runs; those of one config are one model"
    )
    parser.add_argument("-c", "--config", action="append", default=[], help="a config; give two or more")
    parser.add_argument("--seeds", type=int, metavar="N", help=f"number of seeds per config; default {NUM_SEEDS}")
    parser.add_argument(
        "--first_seed",
        type=int,
        metavar="S",
        help="the first seed: the seeds are S to S + N - 1; default 0; choose another for new splits",
    )
    parser.add_argument(
        "--margin",
        type=float,
        metavar="POINTS",
        help="largest loss of accuracy that counts as none, chosen before the runs: say which model is not worse",
    )
    parser.add_argument(
        "--against_first",
        action="store_true",
        help="compare every model with the first one only, not with each other",
    )
    parser.add_argument("--json", metavar="FILE", help="write all numbers to a file, too")
    parser.add_argument("--plot", metavar="FILE", help="write a figure to a file, too: .png, .svg or .pdf")
    parser.add_argument(
        "--pareto",
        metavar="FILE",
        help="also draw accuracy against parameters and operations of an inference: .png, .svg or .pdf",
    )
    return parser
