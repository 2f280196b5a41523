"""Options of `qlit predict`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        dash_hint="A sentence that begins with a dash can follow a single --, or be in a file given by --file.",
        description="Label sentences with a checkpoint; without sentences and --file, the lines of standard input.",
        epilog="The embedding cache keeps the embeddings of the sentences (see docs/runs.md).",
    )
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`, which contains the config")
    parser.add_argument("sentences", nargs="*", default=[], help="sentences to label")
    parser.add_argument("--file", help="text file with one sentence per line; - for standard input")
    parser.add_argument("--format", choices=("table", "csv", "jsonl"), default="table", help="default: table")
    parser.add_argument("--output", help="write to this file instead of standard output")
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument("--trust_remote_code", action="store_true", help="run Python code of the body; read it first")
    parser.add_argument("--device", default="cpu", help="torch device; default: cpu")
    return parser
