"""Options of `qlit predict`."""

from qlit.jobs.config.arguments import CommandParser

FORMATS = ("table", "csv", "tsv", "jsonl")


def parser_of(prog: str) -> CommandParser:
    """The parser; `prog` is the command as it is typed."""
    parser = CommandParser(
        prog=prog,
        dash_hint="A sentence that begins with a dash can follow a single --, or be in a file given by --file.",
        description="Label sentences with a checkpoint; without sentences and --file, the lines of standard input. A "
        "head with shots or gate noise draws random numbers from the seed and the text of the sentence, so that a "
        "sentence gets the same answer wherever it stands. Blank lines are skipped and counted.",
        epilog="The embedding cache keeps the embeddings of the sentences (see docs/runs.md).",
    )
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`, which contains the config")
    parser.add_argument("sentences", nargs="*", default=[], help="sentences to label")
    parser.add_argument(
        "--file",
        help="a table (.csv, .tsv, .jsonl, .json or .parquet), whose columns are written too; or a text file with one "
        "sentence per line (or one pair, with a tab between its sentences); - for standard input",
    )
    parser.add_argument(
        "--embeddings", metavar="FILE",
        help="embeddings to label with a checkpoint that was trained on embeddings of a file: .npy, .npz, "
        ".safetensors, .parquet, .csv or .tsv",
    )  # fmt: skip
    parser.add_argument(
        "--pair", nargs=2, action="append", default=[], metavar=("FIRST", "SECOND"),
        help="a pair to label with a checkpoint that was trained on pairs of sentences; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--text_column", "--text-column", metavar="NAME",
        help="column of the sentences in a table; default: text",
    )  # fmt: skip
    parser.add_argument(
        "--second_text_column", "--second-text-column", metavar="NAME",
        help="column of the second sentences of pairs in a table",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=FORMATS, help="default: by the suffix of --output (.csv, .tsv, .jsonl), otherwise table"
    )
    parser.add_argument("--output", metavar="FILE", help="write to this file instead of standard output")
    parser.add_argument("--all", action="store_true", help="write the probabilities of all labels")
    parser.add_argument(
        "--exact", action="store_true", help="compute exact expectation values: no shots, no random noise"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of shots and gate noise; default: 0")
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument("--trust_remote_code", action="store_true", help="run Python code of the body; read it first")
    parser.add_argument("--device", default="cpu", help="torch device; default: cpu")
    return parser
