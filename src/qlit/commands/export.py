"""`qlit export`: write a checkpoint's head for other programs, as OpenQASM 3 programs or as an ONNX file."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qlit.commands.parsers.export import parser_of
from qlit.data import BodyFolder
from qlit.data.body_settings import BodySettings
from qlit.data.dimensions import embedding_dim_of
from qlit.data.lengths import cut_notice
from qlit.data.pairs import paired, shown
from qlit.data.sentences import check_is_text
from qlit.heads import Head, HybridHead
from qlit.heads.programs import HeadPrograms, Program, programs_of
from qlit.jobs.config.checkpoints import load_checkpoint, load_module_weights, read_checkpoint
from qlit.jobs.config.trained_models import trained_model_of
from qlit.jobs.notices import print_notices
from qlit.jobs.terminal import quieten
from qlit.runtime.output_files import check_new_folder
from qlit.serving.onnx_file import onnx_bytes
from qlit.training.checkpoints.notes import check_label_names
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.sentence_model import Classifies

_README = """\
# A quantum head on one sentence

Sentence: {sentence}

Written by qlit from a checkpoint. All angles are bound; `programs.json` has the same numbers as below, all digits.

1. Run each of {encoders} and compute <Z>, (frequency of 0) - (frequency of 1), of every bit of `c`. The values below
   are exact; values from S shots have a standard error of at most 1 / sqrt(S).
2. Angle k of `pqc.qasm` is a scale times one of these <Z> (`pqc.angles` in `programs.json`: program, bit, scale). The
   program contains the exact angles, in the lines that end with `// angle k`; replace them to continue from your own
   measurements.
3. Run `pqc.qasm` and compute <Z> of its bits.
4. {logits}

{table}
Logits: {values}. {labels}
"""

_ONNX_README = """\
# A head as an ONNX file

`head.onnx` is a {head}, written by qlit from a checkpoint.

- Input `embeddings`: float32, (batch, {num_features}), of {body}{halves}.
- Output `probabilities`: float32, one column per label: {labels}. Output `logits`: before sigmoid or softmax.
- The metadata `qlit.labels` have the labels as a JSON list.

```python
import onnxruntime

session = onnxruntime.InferenceSession("head.onnx")
probabilities = session.run(["probabilities"], {{"embeddings": embeddings}})[0]
```
"""


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit export` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    quieten()
    folder = Path(options.out)
    check_new_folder(folder, "name another with --out")
    for sentence in options.pair or filter(None, [options.sentence]):
        if not sentence.strip():
            raise ValueError("The sentence is blank; there is nothing to encode.")
        check_is_text(sentence, "the sentence")
    checkpoint = read_checkpoint(options.checkpoint)
    notes = checkpoint[CHECKPOINT_KEY]
    module, data = trained_model_of(notes["config"])
    label_names = check_label_names(notes, module.head.num_classes)
    text = _text(module.head, options, data)
    if data.embeddings is not None and text is None:
        load_module_weights(module, checkpoint["state_dict"])
        source = f"the model that made the embeddings of {notes.get('dataset')}"
        return _export_onnx(module, label_names, source, notes.get("num_features"), folder)
    body = load_checkpoint(module, data, checkpoint, options.body, trust_remote_code=options.trust_remote_code)
    if text is None:
        known_dim = embedding_dim_of(body.path, of_pairs=data.are_pairs)
        source = f"the sentence transformer {body.name}"
        return _export_onnx(module, label_names, source, known_dim, folder, of_pairs=data.are_pairs)
    found = programs_of(module.head, _embedding(module, data, text, body))
    folder.mkdir(parents=True, exist_ok=True)
    facts = _facts(found, shown(text), label_names)
    for program in (*found.encoders, found.pqc):
        code = program.openqasm(_comment(program))
        (folder / f"{program.name}.qasm").write_text(code, encoding="utf-8")
    (folder / "programs.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(found, facts), encoding="utf-8")
    names = [f"{program.name}.qasm" for program in (*found.encoders, found.pqc)]
    print(f"{folder}: {', '.join(names)}, programs.json, README.md")
    return 0


def _text(head: Head, options: argparse.Namespace, data: BodySettings) -> str | None:
    """The sentence or the pair to encode; None for a head without a circuit.

    Raises:
        ValueError: If a sentence is missing, of the other kind, or given to a head without a circuit.
    """
    if not isinstance(head, HybridHead):
        if options.sentence is not None or options.pair:
            raise ValueError(
                f"{type(head).__name__} has no circuit that encodes a sentence; it is exported as an ONNX file: leave "
                "the sentence out."
            )
        return None
    if data.are_pairs:
        if not options.pair or options.sentence is not None:
            raise ValueError(
                "The checkpoint was trained on pairs of sentences, and its circuits are exported for one pair: give it "
                "as --pair FIRST SECOND."
            )
        return paired(*options.pair)
    if options.sentence is None or options.pair:
        raise ValueError("The circuits of a HybridHead are exported for one sentence: give it after the checkpoint.")
    return str(options.sentence)


def _export_onnx(
    module: Classifies,
    label_names: list[str],
    body: str,
    known_dim: int | None,
    folder: Path,
    *,
    of_pairs: bool = False,
) -> int:
    head = module.head
    if module.body is not None:
        raise ValueError(
            "The body of this checkpoint was trained together with its head, and an ONNX file holds the head alone: "
            "share both with `qlit.save_pretrained`, or train with `trainable_body: false`."
        )
    num_features = known_dim or head.num_features
    if num_features is None:
        raise ValueError(f"The number of features of {body} is unknown: it has no sentence-transformers config.")
    head.check_features(num_features)
    content = onnx_bytes(head, num_features=num_features, label_names=label_names)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.onnx").write_bytes(content)
    halves = ": the embedding of the first sentence of a pair, then that of the second" * of_pairs
    facts = {"head": type(head).__name__, "num_features": num_features, "labels": ", ".join(label_names)}
    readme = _ONNX_README.format(**facts, body=body, halves=halves)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    print(f"{folder}: head.onnx, README.md")
    return 0


@torch.inference_mode()
def _embedding(module: Classifies, data: BodySettings, sentence: str, body: BodyFolder) -> Tensor:
    """Embedding of the sentence, shape (D,), or of the pair, shape (2 D,)."""
    if module.body is None:
        if (dim := embedding_dim_of(body.path, of_pairs=data.are_pairs)) is not None:
            module.head.check_features(dim)  # before the body is loaded
        embeddings, lengths = data.embedding_cache().embed([sentence], body)
    else:
        embeddings, lengths = module.body(module.body.tokenize([sentence])), module.body.lengths([sentence])
    if notice := cut_notice(body.name, {"": lengths}, [sentence]):
        print_notices([notice])
    module.check_usable({"": (embeddings, [shown(sentence)])})
    return embeddings[0]


def _comment(program: Program) -> str:
    return f"qlit: {program.name}; <Z> of bits 0, 1, ..: {', '.join(f'{z:.6f}' for z in program.expectations)}"


def _facts(found: HeadPrograms, sentence: str, label_names: list[str]) -> dict[str, Any]:
    logits = torch.tensor(found.logits, dtype=torch.float64)
    positive = logits[0].sigmoid().item()
    probabilities = [1 - positive, positive] if len(logits) == 1 else logits.softmax(dim=0).tolist()
    return {
        "sentence": sentence,
        "encoders": [_program(program) for program in found.encoders],
        "pqc": {
            **_program(found.pqc),
            "angles": [
                {
                    "radians": angle.value,
                    "program": None if angle.program is None else f"{angle.program}.qasm",
                    "bit": angle.bit,
                    "scale": angle.scale,
                }
                for angle in found.angles
            ],
        },
        "linear": None if found.weight is None else {"weight": found.weight, "bias": found.bias},
        "logits": found.logits,
        "labels": dict(zip(label_names, probabilities, strict=True)),
    }


def _program(program: Program) -> dict[str, Any]:
    return {
        "file": f"{program.name}.qasm",
        "num_qubits": program.circuit.num_qubits,
        "measured_qubits": list(program.wires),
        "expectations": program.expectations,
    }


def _readme(found: HeadPrograms, facts: dict[str, Any]) -> str:
    rows = ["| program | bit | qubit | exact <Z> | becomes |", "| --- | --- | --- | --- | --- |"]
    for program in (*found.encoders, found.pqc):
        for bit, (wire, z) in enumerate(zip(program.wires, program.expectations, strict=True)):
            uses = [k for k, angle in enumerate(found.angles) if (angle.program, angle.bit) == (program.name, bit)]
            use = f"angle {uses[0]} of the PQC" if uses else f"z[{bit}]"
            rows.append(f"| {program.name}.qasm | {bit} | {wire} | {z:.12f} | {use} |")
    if found.weight is not None:
        logits = "Each logit is its row of `linear.weight` times those <Z>, plus its `linear.bias`."
    elif len(found.logits) == 1:
        logits = "The probability of the second label is (1 + <Z>) / 2; the logit is that of this probability."
    else:
        logits = "The logits are those <Z>."
    kind = "sigmoid of the logit" if len(found.logits) == 1 else "softmax of the logits"
    labels = ", ".join(f"{name} {p:.6f}" for name, p in facts["labels"].items())
    return _README.format(
        sentence=facts["sentence"],
        encoders=", ".join(f"`{program.name}.qasm`" for program in found.encoders)
        or "the encoders (none is a circuit)",
        logits=logits,
        table="\n".join(rows),
        values=", ".join(f"{logit:.12f}" for logit in found.logits),
        labels=f"Probabilities ({kind}): {labels}.",
    )
