"""Options of `qlit report`."""

import argparse

from qlit.comparisons.paper import PARTS
from qlit.jobs.config.arguments import CommandParser

DATA_KEYS = (
    *("source", "validation_source", "test_source", "text_column", "label_column"),
    *("second_text_column", "body", "embeddings", "labels"),
)
"""Keys of a config's data section that the printed commands may get."""


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Make the paper's figures and tables from the finished trainings in MLflow, with\n"
        "the published numbers beside them: one page, report.html, and PNG, SVG and CSV\n"
        "files. Trains nothing. What is missing is shown with the command that trains it,\n"
        "the cheapest first. With the extra `report` (plotly) the page is interactive.",
        epilog=f"parts:\n  {' '.join(PARTS)}\n"
        "Options that name data (--data.source, --data.body) go to the printed commands.\n"
        "examples:\n  qlit report --all\n  qlit report table2 fig8a --body all-mpnet-base-v2 --output paper/\n",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="figures and tables to make")
    parser.add_argument("--all", action="store_true", help="make all of them")
    parser.add_argument("--output", default="report", metavar="FOLDER", help="folder of the files; default: report")
    parser.add_argument("--experiment", metavar="NAME", help="take runs of this MLflow experiment alone")
    parser.add_argument("--tracking_uri", metavar="URI", help="default: MLFLOW_TRACKING_URI, or mlruns/ here")
    parser.add_argument("--body", metavar="NAME", help="take runs on this body (or file of embeddings) alone")
    parser.add_argument("--data", metavar="NAME", help="take runs on this data set alone")
    parser.add_argument("--no_timing", action="store_true", help="do not time training steps; show no times")
    return parser
