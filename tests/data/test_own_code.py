"""Bodies with Python code of their own: found without running it, run only where that was said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from data.helpers import FakeHub, Run
from tiny_body import add_own_code, make_tiny_body

from qlit.data import BodyFolder, EmbeddingCache, body_fingerprint, load_body, resolve_body
from qlit.data.contrastive import ContrastiveSettings, fine_tune
from qlit.data.own_code import code_elsewhere, code_needed, has_code


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    return add_own_code(make_tiny_body(tmp_path / "coded"))


def test_code_is_run_only_where_that_was_said(coded: Path, tmp_path: Path) -> None:
    for refused in (lambda: resolve_body(str(coded)), lambda: load_body(BodyFolder("coded", coded))):
        with pytest.raises(
            ValueError, match=r"code of its own \(scaling\.Scaling in modules\.json\).*trust_remote_code: t"
        ):
            refused()
    body_fingerprint(coded)
    assert not (tmp_path / "code-was-run").exists()
    body = resolve_body(str(coded), trust_remote_code=True)
    assert body.trust_remote_code
    plain = resolve_body(str(make_tiny_body(tmp_path / "plain")), trust_remote_code=True)
    cache = EmbeddingCache(tmp_path / "cache")
    scaled, unscaled = (cache.embed(["a good film"], each, show_progress=False).vectors for each in (body, plain))
    assert (tmp_path / "code-was-run").exists()
    torch.testing.assert_close(scaled, 2 * unscaled, rtol=0, atol=1e-6)


def test_changed_code_has_embeddings_of_its_own(coded: Path, tmp_path: Path) -> None:
    before = body_fingerprint(coded)
    cache = EmbeddingCache(tmp_path / "cache")
    twice = cache.embed(["a good film"], resolve_body(str(coded), trust_remote_code=True), show_progress=False).vectors
    code = (coded / "scaling.py").read_text()
    (coded / "scaling.py").write_text(code.replace("2.0 *", "3.0 *"))
    assert body_fingerprint(coded) != before
    thrice = cache.embed(["a good film"], resolve_body(str(coded), trust_remote_code=True), show_progress=False).vectors
    torch.testing.assert_close(2 * thrice, 3 * twice, rtol=0, atol=1e-6)


def test_python_files_beside_a_body_without_code_of_its_own_are_not_part_of_it(tmp_path: Path) -> None:
    folder = make_tiny_body(tmp_path / "plain")
    before = body_fingerprint(folder)
    (folder / "notes.py").write_text("1 / 0")
    assert body_fingerprint(folder) == before
    assert resolve_body(str(folder)).path == folder.resolve()


def test_a_body_that_was_fine_tuned_brings_the_code_along(coded: Path, tmp_path: Path) -> None:
    settings = ContrastiveSettings(pairs_per_sentence=1)
    texts, labels = ["good film", "fine film", "bad film", "dull film"], [1, 1, 0, 0]
    body = resolve_body(str(coded), trust_remote_code=True)
    fine_tune(body, texts, labels, tmp_path / "tuned", settings)
    with pytest.raises(ValueError, match="code of its own"):
        resolve_body(str(tmp_path / "tuned"))
    shutil.rmtree(coded)
    tuned = load_body(resolve_body(str(tmp_path / "tuned"), trust_remote_code=True))
    assert [type(module).__name__ for module in tuned] == ["StaticEmbedding", "Scaling"]


@pytest.mark.parametrize(
    ("file", "settings", "what"),
    [
        ("1_Dense/config.json", {"activation_function": "mine.Activation"}, "mine.Activation in 1_Dense/config.json"),
        ("wordembedding_config.json", {"tokenizer_class": "mine.Words"}, "mine.Words in wordembedding_config.json"),
        ("router_config.json", {"types": {"q": "mine.Query"}, "structure": {}}, "mine.Query in router_config.json"),
    ],
)
def test_code_that_single_modules_name(file: str, settings: object, what: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps(settings))
    assert code_needed(tmp_path) == [what]
    (tmp_path / file).write_text(json.dumps(settings).replace("mine.", "sentence_transformers.mine."))
    assert code_needed(tmp_path) == []


def test_an_architecture_that_only_an_auto_map_describes(minilm: BodyFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(minilm.path, tmp_path / "mapped"))
    settings = json.loads((folder / "config.json").read_text())
    auto_map = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
    (folder / "config.json").write_text(json.dumps({**settings, "auto_map": auto_map}))
    assert has_code(folder)
    assert load_body(resolve_body(str(folder))).encode(["good"]).shape == (1, 384)  # transformers knows it
    (folder / "config.json").write_text(json.dumps({**settings, "model_type": "unheard-of", "auto_map": auto_map}))
    with pytest.raises(ValueError, match=r"code of its own \(`auto_map` in config\.json\)"):
        load_body(resolve_body(str(folder)))
    auto_map = {"AutoModel": "someone/other--mine.Model", "AutoTokenizer": [None, "someone/other--mine.Words"]}
    (folder / "config.json").write_text(json.dumps({**settings, "auto_map": auto_map}))
    assert code_elsewhere(folder) == ["someone/other"]
    with pytest.raises(
        ValueError, match=r"code of the body .* is in another repository, someone/other: copy its Python"
    ):
        resolve_body(str(folder), trust_remote_code=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"cut off"),
            "cannot load the body broken from .*: Safe",
        ),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            "cannot load the body broken from .*: OSError: .*no file",
        ),
        (
            lambda folder: (folder / "config.json").write_text("{"),
            "cannot load the body broken from .*not a valid JSON",
        ),
        (
            lambda folder: (folder / "modules.json").write_text("{"),
            "modules.json is not a list of sentence-transformers",
        ),
        (lambda folder: (folder / "modules.json").write_text('{"a": 1}'), "modules.json is not a list of sentence-tr"),
        (lambda folder: shutil.rmtree(folder / "1_Pooling"), "cannot load the body broken from .*"),
        (
            lambda folder: [file.unlink() for pattern in ("*token*", "vocab.txt") for file in folder.glob(pattern)],
            "The body broken has no vocabulary: its tokenizer files are missing|cannot load the body broken",
        ),
    ],
    ids=["weights", "no weights", "config", "modules", "no list", "no pooling", "no tokenizer"],
)
def test_a_broken_body_is_refused_in_one_sentence(
    damage: Callable[[Path], object], message: str, minilm: BodyFolder, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(minilm.path, tmp_path / "broken"))
    damage(folder)
    with pytest.raises(ValueError, match=message):
        load_body(BodyFolder("broken", folder))


def test_the_code_of_a_body_of_the_hub_is_downloaded_only_if_it_is_trusted(
    python: Run, fake_hub: Callable[[dict[str, dict[str, bytes]]], FakeHub]
) -> None:
    modules = b'[{"idx": 0, "name": "0", "path": "", "type": "mine.Model"}]'
    files = {"config.json": b"{}", "modules.json": modules, "model.safetensors": b"weights", "mine.py": b"1 / 0"}
    hub = fake_hub({"models/someone/coded": files})
    code = "from qlit.data import resolve_body; body = resolve_body('someone/coded', trust_remote_code={}); "
    result = python(code.format(False), HF_ENDPOINT=hub.url)
    assert "ValueError: The body someone/coded runs Python code of its own" in result.stderr
    assert not [request for request in hub.requests if "mine.py" in request]
    for _ in range(2):  # the second time it is found in the cache
        shown = "print(sorted(file.name for file in body.path.iterdir()))"
        result = python(code.format(True) + shown, HF_ENDPOINT=hub.url)
        assert result.stdout == "['config.json', 'mine.py', 'model.safetensors', 'modules.json']\n", result.stderr
    assert len([request for request in hub.requests if request.startswith("GET") and "mine.py" in request]) == 1
