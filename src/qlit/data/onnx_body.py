"""Bodies whose transformer is an ONNX file, run by ONNX Runtime in place of torch.

sentence-transformers has an ONNX backend of its own. It needs optimum-onnx, whose newest version (0.1.0) excludes
transformers 5, so it cannot be installed beside qlit's other dependencies. This module does what that backend does for
embeddings, with the same tokenizer, pooling and normalisation.

Shapes: B sentences, T tokens, H hidden size.
"""

import importlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from qlit.data.dimensions import read_settings
from qlit.data.onnx_files import UnusableOnnxError

try:
    from sentence_transformers.base.modules import InputModule
except ImportError:  # sentence-transformers 5
    from sentence_transformers.models import InputModule

_TOKEN_EMBEDDINGS = ("last_hidden_state", "token_embeddings")  # names that exporters give this output
_NO_LIMIT = 10**6  # tokens; larger limits stand for none


class OnnxTransformer(InputModule):  # type: ignore[misc]
    """First module of a body: texts to token embeddings (B, T, H), by an ONNX file.

    Args:
        file: The ONNX file. It reads int64 `input_ids` and may read `attention_mask` and `token_type_ids`, each (B, T).
        tokenizer: Tokenizer of transformers.
        max_seq_length: Tokens that are read of a sentence; longer ones are truncated.
        do_lower_case: Whether texts are put in lower case first.
    Raises:
        UnusableOnnxError: If the file is no ONNX model that maps tokens to token embeddings, or onnxruntime is not
            installed.
    """

    def __init__(self, file: Path, tokenizer: Any, *, max_seq_length: int, do_lower_case: bool = False) -> None:
        super().__init__()
        try:
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError as error:
            raise UnusableOnnxError(
                f"The body's weights are the ONNX file {file}, which needs onnxruntime: install it (pip install "
                "'qlit-heads[onnx-body]'), or take a body with weights for torch."
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # classes of its own, some derived from RuntimeError
            words = " ".join(str(error).split())[:200]
            raise UnusableOnnxError(f"ONNX Runtime cannot load {file}: {words}") from error
        self._inputs = [each.name for each in self._session.get_inputs()]
        if unknown := sorted({*self._inputs} - {"input_ids", "attention_mask", "token_type_ids"}):
            raise UnusableOnnxError(
                f"The ONNX file {file} reads {', '.join(unknown)}, which a text encoder does not: export the body for "
                "the task `feature-extraction`."
            )
        self._output, self._size = self._token_embeddings(file)
        self._file, self.tokenizer, self.do_lower_case = file, tokenizer, do_lower_case
        self.max_seq_length = max_seq_length

    def _token_embeddings(self, file: Path) -> tuple[str, int]:
        """Name and H of the output (B, T, H) of floats."""
        outputs = self._session.get_outputs()
        fitting = [each for each in outputs if each.type.startswith("tensor(float") and len(each.shape) == 3]
        named = [each for each in fitting if each.name in _TOKEN_EMBEDDINGS] or fitting
        if len(named) != 1 or not isinstance(named[0].shape[2], int):
            shapes = ", ".join(f"{each.name} {each.shape}" for each in outputs)
            raise UnusableOnnxError(
                f"The ONNX file {file} needs one output of token embeddings (sentences, tokens, size), but has "
                f"{shapes}: export the body for the task `feature-extraction`."
            )
        return named[0].name, named[0].shape[2]

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Token features of B texts, padded to the longest: int64, each (B, T)."""
        texts = [f"{prompt or ''}{text}" for text in inputs]
        if self.do_lower_case:
            texts = [text.lower() for text in texts]
        features = self.tokenizer(
            texts, padding=True, truncation="longest_first", max_length=self.max_seq_length, return_tensors="pt"
        )
        return dict(features)

    def tokenize(self, texts: Sequence[str], **_: Any) -> dict[str, Tensor]:
        """As `preprocess`, for sentence-transformers 5."""
        return self.preprocess(texts)

    def forward(self, features: dict[str, Tensor], **_: Any) -> dict[str, Tensor]:
        """Features with `token_embeddings`, float32, (B, T, H), on the device of the features; no gradients."""
        ids_BT = features["input_ids"]
        given = {"token_type_ids": torch.zeros_like(ids_BT), **features}
        feeds = {name: np.ascontiguousarray(given[name].cpu().numpy(), dtype=np.int64) for name in self._inputs}
        (embeddings_BTH,) = self._session.run([self._output], feeds)
        found_BTH = torch.from_numpy(np.asarray(embeddings_BTH, dtype=np.float32)).to(ids_BT.device)
        return {**features, "token_embeddings": found_BTH}

    def get_embedding_dimension(self) -> int:
        """H."""
        return self._size

    get_word_embedding_dimension = get_embedding_dimension  # the name in sentence-transformers 5

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Copy the ONNX file and the tokenizer's files to a folder."""
        shutil.copy2(self._file, Path(output_path) / "model.onnx")
        self.tokenizer.save_pretrained(output_path)

    @classmethod
    def of_folder(cls, folder: Path, file: Path) -> Self:
        """The module of a transformer's folder, with its tokenizer and sentence_bert_config.json.

        Raises:
            UnusableOnnxError: As the class.
            Exception: Whatever transformers raises for files that it cannot read.
        """
        from transformers import AutoTokenizer

        settings = read_settings(folder / "sentence_bert_config.json")
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        positions = read_settings(folder / "config.json").get("max_position_embeddings")
        limits = [settings.get("max_seq_length"), tokenizer.model_max_length, positions]
        known = [int(limit) for limit in limits if limit is not None and 0 < limit < _NO_LIMIT]
        return cls(
            file,
            tokenizer,
            max_seq_length=known[0] if settings.get("max_seq_length") else min(known, default=512),
            do_lower_case=bool(settings.get("do_lower_case")),
        )


def load_onnx_body(folder: Path, file: Path, device: str = "cpu") -> SentenceTransformer:
    """Load a sentence transformer whose first module runs an ONNX file, on the CPU; the others are torch modules.

    Args:
        folder: Folder of the body. Without a modules.json token embeddings are averaged, as in sentence-transformers.
        file: From `onnx_file_of`.
        device: Torch device of the other modules.
    Raises:
        UnusableOnnxError: As `OnnxTransformer`.
    """
    listed = folder / "modules.json"
    entries = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    first = OnnxTransformer.of_folder(folder / entries[0]["path"] if entries else folder, file)
    others: list[Any] = [_class(entry["type"]).load(str(folder / entry["path"])) for entry in entries[1:]]
    if not entries:
        others = [_class("sentence_transformers.models.Pooling")(first.get_embedding_dimension(), "mean")]
    settings = read_settings(folder / "config_sentence_transformers.json")
    return SentenceTransformer(
        modules=[first, *others],
        device=device,
        prompts=settings.get("prompts"),
        default_prompt_name=settings.get("default_prompt_name"),
        truncate_dim=settings.get("truncate_dim"),
    )


def _class(path: str) -> Any:
    """A class of sentence-transformers; `code_needed` has refused all others."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
