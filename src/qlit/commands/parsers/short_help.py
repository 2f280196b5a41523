"""Short help of the commands whose complete help has hundreds of lines. Importing this loads no library."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_LEAST, _MOST = 60, 100  # columns
_INDENT = 32


class Option(NamedTuple):
    """One option of a short help.

    Args:
        name: The option as it is typed.
        value: Placeholder of its value; "" for a switch.
        text: Its meaning.
        default: Its default as in a config; None if the option must be given or `text` says what happens without it.
    """

    name: str
    value: str
    text: str
    default: str | None = None


_CONFIG = Option("-c, --config", "FILE", "file, or a name from `qlit config list`")
_SOURCE = Option("--data.source", "NAME", "sample, file, folder, hub data set", "SetFit/sst2")
_COLUMNS = (
    Option("--data.text_column", "NAME", "column of the sentences", "text"),
    Option("--data.label_column", "NAME", "column of the labels", "label"),
    Option("--data.second_text_column", "NAME", "column of the second sentences of pairs"),
)
_SPLIT = (
    Option("--data.splits", "WORD", "few_shot or given (the source's own)", "few_shot"),
    Option("--data.test_source", "NAME", "file, folder, hub data set to test on"),
    Option("--data.embeddings", "FILE", "embeddings in place of source and body"),
    Option("--data.num_per_label", "N", "sentences per label: few_shot 256, given all"),
    Option("--data.seed", "N", "seed of the split and the order of batches", "0"),
)
_BODY = Option(
    "--data.body",
    "NAME",
    "sentence transformer: hub name, folder, package",
    "sentence-transformers/paraphrase-mpnet-base-v2",
)
_BATCH = Option("--data.batch_size", "N", "sentences per training step", "16")
_HEADS = (
    Option("--model.head", "CLASS", "HybridHead (quantum), LinearHead, MLPHead, ..."),
    Option("--model.head.help", "CLASS", "list the options of a head and exit"),
)
_SHOTS = Option("--model.head.pqc.shots", "N", "measurements per sentence; null: exact", "8192")
_HYBRID = (
    Option("--model.head.num_classes", "N", "number of labels; default: that of the data"),
    Option("--model.head.encoder", "CLASS", "SimulatedQuantumEncoder, NeuralEncoder, ..."),
    Option("--model.head.encoder.num_qubits", "N", "qubits of the encoder", "10"),
    Option("--model.head.pqc.num_qubits", "N", "qubits of the circuit (PQC)"),
    _SHOTS,
)
_ENGINE = Option("--model.head.pqc.engine", "NAME", "simulator or device of the circuit", "auto")
_ACCELERATOR = Option("--trainer.accelerator", "NAME", "cpu, gpu or auto", "auto")
_EXPERIMENT = Option("--tracking.experiment", "NAME", "experiment of the run in MLflow", "qlit")
_STORE = Option("--tracking.tracking_uri", "URI", "default: MLFLOW_TRACKING_URI, or mlruns/ here")
_JSON = Option("--json", "", "print the result as JSON")
_REST = (
    Option("--print_config", "", "print the config with all keys and exit"),
    Option("--help-all", "", "list all options"),
)

_SCORING = {
    "": (
        Option("--ckpt_path", "FILE", "checkpoint, which contains its config"),
        Option("-c, --config", "FILE", "config to use instead of the checkpoint's"),
    ),
    "data": (
        Option("--data.source", "NAME", "file, folder, hub data set"),
        Option("--data.test_source", "NAME", "labelled file to score, without the training data"),
        Option("--data.text_column", "NAME", "column of the sentences"),
        Option("--data.label_column", "NAME", "column of the labels"),
        Option("--data.unseen_only", "BOOL", "leave out sentences that trained the model"),
        Option("--data.body", "NAME", "sentence transformer, if it has moved"),
        Option("--data.eval_batch_size", "N", "sentences per batch"),
    ),
    "model": (
        Option("--model.head.pqc.shots", "N", "measurements per sentence; null: exact"),
        Option("--model.head.pqc.engine", "NAME", "simulator or device of the circuit"),
        Option("--model.head.pqc.noise.p1", "P", "error probability of one-qubit gates"),
        Option("--model.head.pqc.noise.p2", "P", "error probability of two-qubit gates"),
        Option("--seed_everything", "N", "seed of shots and gate noise"),
    ),
    "run": (
        Option("--trainer.accelerator", "NAME", "cpu, gpu or auto"),
        Option("--tracking.experiment", "NAME", "experiment of the run in MLflow"),
        Option("--tracking.tracking_uri", "URI", "MLflow's server or database"),
    ),
    "more": (_JSON, *_REST),
}

SECTIONS: Mapping[str, Mapping[str, Sequence[Option]]] = {
    "fit": {
        "": (_CONFIG, Option("--ckpt_path", "FILE", "checkpoint to resume; it contains its config")),
        "data": (_SOURCE, *_COLUMNS, *_SPLIT, _BODY, _BATCH),
        "model": (*_HEADS, Option("--model.lr", "LR", "learning rate", "0.0025")),
        "model, with HybridHead": _HYBRID,
        "training": (
            Option("--trainer.max_epochs", "N", "epochs; default: 1000"),
            _ACCELERATOR,
            Option("--seed_everything", "N", "seed of parameters, shots and noise", "42"),
            _EXPERIMENT,
            _STORE,
        ),
        "more": (_JSON, *_REST),
    },
    "validate": _SCORING,
    "test": _SCORING,
    "finetune": {
        "": (_CONFIG, Option("--output", "FOLDER", "folder to create")),
        "data": (_SOURCE, *_COLUMNS, *_SPLIT, _BODY),
        "fine-tuning": (
            Option("--contrastive.pairs_per_sentence", "N", "partners with the same and another label", "20"),
            Option("--contrastive.num_epochs", "N", "passes over all pairs", "1"),
            Option("--contrastive.batch_size", "N", "pairs in a batch", "16"),
            Option("--contrastive.lr", "LR", "initial learning rate", "2e-05"),
            Option("--contrastive.seed", "N", "seed of the pairs and their order", "0"),
        ),
        "more": _REST,
    },
    "describe": {
        "": (
            _CONFIG,
            Option("--json", "", "print JSON; times in seconds, memory in bytes"),
            Option("--draw", "", "draw the circuits as well"),
            Option("--no_timing", "", "run nothing and show no times"),
        ),
        "data": (_BATCH,),
        "model": _HEADS,
        "model, with HybridHead": (*_HYBRID, _ENGINE),
        "training": (
            Option("--trainer.max_epochs", "N", "epochs to compute the time of"),
            _ACCELERATOR,
        ),
        "more": _REST,
    },
}
"""Sections of every short help, in the order of printing."""

_DESCRIPTIONS = {
    "fit": ("--config FILE", "Train a head on the embeddings of a frozen body, and test its best checkpoint."),
    "validate": ("--ckpt_path FILE", "Score a checkpoint on the validation split."),
    "test": ("--ckpt_path FILE", "Score a checkpoint on the test split."),
    "finetune": (
        "--config FILE --output FOLDER",
        "Fine-tune the body of a config on its training split (SetFit); `--data.body FOLDER` uses it in a fit.",
    ),
    "describe": (
        "--config FILE",
        "Show parameters, gates, memory and time of a config's model. Time is measured in about 2 seconds; no body is "
        "loaded.",
    ),
}
_EXAMPLES = {
    "fit": "qlit fit --config quickstart --model.lr 0.01",
    "finetune": "qlit finetune --config quickstart --output tuned",
    "describe": "qlit describe --config quickstart --draw",
}
"""Examples of the commands that take a config."""


def short_help(command: str, columns: int | None = None) -> str:
    """The options of a command that people change most.

    Args:
        command: A key of `SECTIONS`.
        columns: Width of the text; None for that of the terminal, within limits.
    """
    width = min(max(columns or shutil.get_terminal_size().columns, _LEAST), _MOST)
    needed, description = _DESCRIPTIONS[command]
    parts = [f"usage: qlit {command} {needed} [--KEY VALUE ...]\n\n{_wrapped(description, width)}\n"]
    for heading, options in SECTIONS[command].items():
        parts.append(f"{heading}:\n" if heading else "")
        parts += [_shown(option, width) for option in options]
    if (example := _EXAMPLES.get(command)) is not None:
        ending = (
            f"{_wrapped('Defaults are in brackets. docs/config.md describes every key. Example:', width)}  {example}\n"
        )
    else:
        ending = _wrapped(
            "The checkpoint's config decides about the others. docs/config.md describes every key.", width
        )
    return "".join([*parts, "\n", ending])


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width) + "\n"


def _shown(option: Option, width: int) -> str:
    name = f"  {option.name} {option.value}".rstrip()
    default = "" if option.default is None else f" [{option.default}]"
    lines = textwrap.wrap(option.text + default, width - _INDENT, break_on_hyphens=False)
    if len(name) >= _INDENT:
        return "\n".join([name, *(f"{'':{_INDENT}}{line}" for line in lines), ""])
    indents = [f"{name:<{_INDENT}}", *[" " * _INDENT] * len(lines)]
    return "".join(f"{indent}{line}\n" for indent, line in zip(indents, lines, strict=False))
