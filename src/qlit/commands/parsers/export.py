"""Options of `qlit export`."""

from qlit.jobs.config.arguments import CommandParser


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        dash_hint="A sentence that begins with a dash can follow a single --.",
        description="Write the circuits of a checkpoint's head on one sentence as OpenQASM 3 programs, with a README "
        "that explains how their results give the logit. Exact values: no shots, no gate noise. Without a sentence, "
        "write a head that has no circuit as an ONNX file.",
    )
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`")
    parser.add_argument("sentence", nargs="?", help="the sentence to encode; none for a head without a circuit")
    parser.add_argument(
        "--pair", nargs=2, metavar=("FIRST", "SECOND"),
        help="the pair to encode, for a checkpoint that was trained on pairs of sentences",
    )  # fmt: skip
    parser.add_argument("--out", required=True, help="output folder; it must not exist or be empty")
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument("--trust_remote_code", action="store_true", help="run Python code of the body; read it first")
    return parser
