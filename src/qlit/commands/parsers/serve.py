"""Options of `qlit serve`."""

from qlit.jobs.config.arguments import CommandParser
from qlit.serving.limits import Limits


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        description="Answer HTTP requests with a checkpoint, until Ctrl-C. The body stays in memory; no sentence is "
        "stored. Requests that arrive together are embedded together.",
        epilog='POST /predict takes {"sentences": ["..."]}, or {"pairs": [["...", "..."]]} for a model of pairs; GET '
        "/health and GET /model tell about the server.",
    )
    limits = Limits()
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`")
    parser.add_argument("--host", default="127.0.0.1", help="address; default: 127.0.0.1, for this machine alone")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 chooses a free one")
    parser.add_argument(
        "--exact", action="store_true", help="compute exact expectation values: no shots, no noise draws"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of shots and gate noise; default: 0")
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument("--trust_remote_code", action="store_true", help="run Python code of the body; read it first")
    parser.add_argument("--device", default="cpu", help="torch device; default: cpu")
    parser.add_argument(
        "--max_sentences", type=int, default=limits.max_sentences, metavar="N",
        help=f"sentences of one request; default: {limits.max_sentences}",
    )  # fmt: skip
    parser.add_argument(
        "--max_chars", type=int, default=limits.max_chars, metavar="N",
        help=f"characters of one sentence; default: {limits.max_chars:,}",
    )  # fmt: skip
    parser.add_argument(
        "--max_waiting", type=int, default=limits.max_waiting, metavar="N",
        help=f"sentences that may wait, before requests are refused; default: {limits.max_waiting:,}",
    )  # fmt: skip
    return parser
