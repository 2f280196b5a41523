"""A body whose transformer is an ONNX file: a table of word vectors, whose means are computed here."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from data.helpers import FakeHub, Run
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qlit.data import BodyFolder, EmbeddingCache, load_body, resolve_body
from qlit.data.dimensions import embedding_dim_of
from qlit.data.embedder import BodyEmbedder
from qlit.data.fingerprints import body_fingerprint
from qlit.data.lengths import is_cut
from qlit.data.trainable import TrainableBody

WORDS = ("[PAD]", "[UNK]", "good", "bad", "film")
VECTORS = np.random.default_rng(0).standard_normal((len(WORDS), 6)).astype(np.float32)


def write_model(file: Path, *, output: str = "last_hidden_state", also: tuple[str, ...] = ()) -> None:
    """Write an ONNX file that looks tokens up in `VECTORS`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = ["input_ids", "attention_mask", *also]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["vectors", "input_ids"], [output])],
        "words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"]) for name in names],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["B", "T", 6])],
        [numpy_helper.from_array(VECTORS, "vectors")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, str(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "words"
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(made)
    (made / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 6}))
    (made / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 3, "do_lower_case": True}))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": k, "name": str(k), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for k, (path, kind) in enumerate(kinds.items())
    ]
    (made / "modules.json").write_text(json.dumps(modules))
    (made / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 6, "pooling_mode_mean_tokens": True}
    (made / "1_Pooling/config.json").write_text(json.dumps(pooling))
    write_model(made / "onnx/model.onnx")
    return made


def mean_of(*words: str) -> np.ndarray:
    return np.asarray(VECTORS[[WORDS.index(word) for word in words]].mean(axis=0))


def test_embeddings_are_those_of_the_file_with_the_pooling_of_the_folder(folder: Path, tmp_path: Path) -> None:
    body = resolve_body(str(folder))
    assert embedding_dim_of(body.path) == 6
    found = EmbeddingCache(tmp_path / "cache").embed(["Good film", "bad", "good bad film film"], body)
    wanted = np.stack([mean_of("good", "film"), mean_of("bad"), mean_of("good", "bad", "film")])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, wanted, atol=1e-6)
    assert is_cut(found.lengths).tolist() == [False, False, True]
    np.testing.assert_allclose(BodyEmbedder(body).embed(["bad", "Good film"]).vectors, wanted[[1, 0]], atol=1e-6)


def test_without_modules_token_embeddings_are_averaged(folder: Path) -> None:
    (folder / "modules.json").unlink()
    vectors = load_body(resolve_body(str(folder))).encode(["good film", "bad"])
    np.testing.assert_allclose(vectors, [mean_of("good", "film"), mean_of("bad")], atol=1e-6)


def test_saving_copies_the_file(folder: Path, tmp_path: Path) -> None:
    model = load_body(resolve_body(str(folder)))
    model.save(str(tmp_path / "copy"), create_model_card=False)
    assert (tmp_path / "copy/model.onnx").read_bytes() == (folder / "onnx/model.onnx").read_bytes()


def test_its_weights_count_for_its_fingerprint_and_those_beside_torch_weights_do_not(folder: Path) -> None:
    before = body_fingerprint(folder)
    with (folder / "onnx/model.onnx").open("ab") as file:
        file.write(b" ")
    assert body_fingerprint(folder) != before
    (folder / "model.safetensors").write_bytes(b"weights")
    before = body_fingerprint(folder)
    (folder / "onnx/model.onnx").unlink()
    assert body_fingerprint(folder) == before


def test_it_cannot_be_trained(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"words is the ONNX file .*model\.onnx, which can only be used frozen"):
        TrainableBody(BodyFolder("words", folder))


def test_files_that_cannot_be_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, file = resolve_body(str(folder)), folder / "onnx/model.onnx"
    write_model(file, also=("pixel_values",))
    with pytest.raises(ValueError, match=r"model\.onnx reads pixel_values, which a text encoder does not"):
        load_body(body)
    file.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"^ONNX Runtime cannot load .*model\.onnx: "):
        load_body(body)
    shutil.move(file, file.with_name("first.onnx"))
    (folder / "second.onnx").touch()
    with pytest.raises(ValueError, match=r"has several ONNX files \(onnx/first\.onnx, second\.onnx\): keep one"):
        load_body(body)
    (folder / "second.onnx").unlink()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"needs onnxruntime: install it \(pip install 'qlit-heads\[onnx-body\]'\)"):
        load_body(body)


def test_the_hub_is_asked_for_the_file_only_without_weights_for_torch(python: Run, fake_hub: type[FakeHub]) -> None:
    files = {"config.json": b"{}", "modules.json": b"[]", "onnx/model.onnx": b"weights", "onnx/model_O4.onnx": b"more"}
    hub = fake_hub({"models/someone/exported": files})
    show = (
        "from qlit.data import resolve_body; f = resolve_body('someone/exported').path; "
        "print(*sorted(str(p.relative_to(f)) for p in f.rglob('*') if p.is_file()), f)"
    )
    first = python(show, HF_ENDPOINT=hub.url)
    assert first.stdout.split()[:-1] == ["config.json", "modules.json", "onnx/model.onnx"], first.stderr
    assert python(show, HF_ENDPOINT="http://127.0.0.1:9").stdout == first.stdout
