"""A head without a quantum circuit as an ONNX file.

Shapes: B rows, D features, k classes.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from qlit.data.quoting import error_text
from qlit.heads import Head, HybridHead
from qlit.training.logits import probabilities_of

_MISSING = "An ONNX file needs onnx and onnxscript: run `pip install 'onnx>=1.20,<2' 'onnxscript>=0.6'`."


def onnx_bytes(head: Head, *, num_features: int, label_names: Sequence[str]) -> bytes:
    """Content of an ONNX file with a head.

    Its input is `embeddings`, float32 of shape (B, D) for any B >= 1. Its outputs are `logits`, (B, 1) or (B, k), and
    `probabilities`, float32 of shape (B, k). The metadata have the labels as a JSON list, `qlit.labels`.

    Args:
        head: A fitted head in evaluation mode, on the CPU.
        num_features: D.
        label_names: Names of the k classes.
    Raises:
        ValueError: If the head has a quantum circuit or cannot be written, or a package is missing.
    """
    if isinstance(head, HybridHead):
        raise ValueError(
            "A head with a PQC (HybridHead) is exported as OpenQASM programs, not as an ONNX file: give `qlit export` "
            "a sentence."
        )
    if find_spec("onnx") is None or find_spec("onnxscript") is None:
        raise ValueError(_MISSING)
    batch = torch.export.Dim("batch")
    example = torch.full((2, num_features), 0.5)
    try:
        with _silence():
            program = torch.onnx.export(
                _WithProbabilities(head).eval(),
                (example,),
                input_names=["embeddings"],
                output_names=["logits", "probabilities"],
                dynamic_shapes=({0: batch},),
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        raise ValueError(f"{type(head).__name__} cannot be written as ONNX: {error_text(error)}") from error
    assert program is not None
    program.model.metadata_props["qlit.labels"] = json.dumps(list(label_names), ensure_ascii=False)
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextmanager
def _silence() -> Iterator[None]:
    """Context without the exporter's messages about its own code, and about torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _WithProbabilities(nn.Module):
    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self._dtype = next(iter([*head.parameters(), *head.buffers()])).dtype

    def forward(self, embeddings_BD: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.head(embeddings_BD.to(self._dtype)).float()
        return logits, probabilities_of(logits).float()
