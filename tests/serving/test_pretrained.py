"""Models in folders and on the Hugging Face hub: saved without secrets, loaded safely, uploaded by the real client."""

import json
import os
import subprocess
import sys

import pytest
from data.helpers import FakeHub
from serving.hub_server import UploadHub

from qlit.serving.predictor import Predictor
from qlit.serving.pretrained import from_pretrained, save_pretrained

SENTENCES = ["good film", "a dull film", "it was not very good"]


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return Predictor.from_checkpoint(checkpoint)


@pytest.fixture
def saved(predictor, tmp_path):
    save_pretrained(predictor, tmp_path / "model", scores={"test/accuracy": 0.7069})
    return tmp_path / "model"


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_a_saved_model_gives_the_same_answers(saved, predictor):
    loaded = from_pretrained(saved)
    assert loaded.predict(SENTENCES) == predictor.predict(SENTENCES)
    assert loaded.label_names == ("bad", "good")


def test_a_loaded_model_can_be_saved_again(saved, tmp_path):
    save_pretrained(from_pretrained(saved), tmp_path / "again")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert again == json.loads((saved / "config.json").read_text())


def test_a_trained_body_and_many_classes(save_checkpoint, tmp_path):
    for name, labels, is_trained in (("body", ("bad", "good"), True), ("many", ("a", "b", "c"), False)):
        model = Predictor.from_checkpoint(save_checkpoint(f"p_{name}", labels, trainable_body=is_trained))
        save_pretrained(model, tmp_path / name)
        assert from_pretrained(tmp_path / name).predict(SENTENCES) == model.predict(SENTENCES)


def test_the_folder_has_weights_config_and_card_and_no_secret(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    content = b"".join(path.read_bytes() for path in saved.iterdir())
    assert b"secretsecret" not in content  # hashes of the sentences
    assert oct((saved / "model.safetensors").stat().st_mode & 0o777) == oct(0o666 & ~_umask())
    card = (saved / "README.md").read_text()
    assert "0.750 (95 % interval 0.598 to 0.858, 40 sentences)" in card
    assert "| test accuracy | 0.707 |" in card
    assert "Data set: few. Split: 0123456789abcdef" in card
    assert "| encoder | 3 |" in card
    assert "| pqc | 2 |" in card
    assert card.startswith("---\nlibrary_name: qlit\n")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_nothing_is_overwritten(saved, predictor):
    with pytest.raises(ValueError, match="is not empty; name another"):
        save_pretrained(predictor, saved)


@pytest.mark.parametrize("name", ["subprocess.Popen", "os.system", "my_heads.Own", "qlit.serving.predictor.Predictor"])
def test_a_hostile_class_is_refused_before_it_is_imported(saved, name):
    model = json.loads((saved / "config.json").read_text())["model"]
    change(saved, model={**model, "head": {**model["head"], "class_path": name}})
    with pytest.raises(ValueError, match=f"names the class '{name}', which a checkpoint may not name"):
        from_pretrained(saved)


def test_a_class_of_ones_own_can_be_allowed(saved, tmp_path, monkeypatch):
    (tmp_path / "own_heads_of_test.py").write_text("from qlit.heads import LinearHead\n\nclass Own(LinearHead): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    change(saved, model={"head": {"class_path": "own_heads_of_test.Own", "init_args": {"num_features": 8}}})
    with pytest.raises(ValueError, match="may not name"):
        from_pretrained(saved)
    with pytest.raises(ValueError, match="differs from the config"):  # the class was made, for other weights
        from_pretrained(saved, allow=["own_heads_of_test"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", "is not JSON"),
        ("config.json", "[]", "its format is None, not 1"),
        ("config.json", '{"format": 2}', "its format is 2, not 1"),
        ("config.json", '{"format": 1}', "must have `model`, `data` and `label_names`"),
        ("config.json", None, "is not a model of qlit: it has no config.json"),
        ("model.safetensors", "PK pickled", "model.safetensors cannot be read"),
        ("model.safetensors", None, "model.safetensors cannot be read"),
    ],
)
def test_damaged_files_are_named(saved, name, content, message):
    (saved / name).unlink()
    if content is not None:
        (saved / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        from_pretrained(saved)


def test_labels_that_do_not_fit_are_refused(saved):
    change(saved, label_names=["one"])
    with pytest.raises(ValueError, match="a label name for each of the 2 classes of its head, but has 1"):
        from_pretrained(saved)


# --- the hub: its address is read once in a process ---


def python(code, *, hub, home, token=""):
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_TOKEN": token}
    environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=240)
    return done.returncode, done.stdout, done.stderr


_LOAD = """
from qlit.serving.pretrained import from_pretrained
print(from_pretrained("someone/films").predict(["good film"])[0].label)
"""


def test_a_model_is_downloaded_and_found_again_without_the_hub(saved, predictor, tmp_path):
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    hub = FakeHub({"models/someone/films": {**files, "evil.py": b"raise SystemExit"}})
    label = predictor.predict(["good film"])[0].label
    status, out, err = python(_LOAD, hub=hub.url, home=tmp_path / "hf")
    assert (status, out) == (0, f"{label}\n"), err
    assert not [request for request in hub.requests if "evil.py" in request or "README" in request]
    hub.server.shutdown()
    hub.server.server_close()
    assert python(_LOAD, hub=hub.url, home=tmp_path / "hf")[:2] == (0, f"{label}\n")
    status, _, err = python(_LOAD, hub=hub.url, home=tmp_path / "empty")
    assert status == 1
    assert "ConnectionError: The Hugging Face hub" in err
    assert "give a local folder" in err


def test_the_real_client_uploads_a_model(checkpoint, predictor, tmp_path):
    hub = UploadHub("hf_right")
    code = f"""
from qlit.serving.predictor import Predictor
from qlit.serving.pretrained import push_to_hub
print(push_to_hub(Predictor.from_checkpoint({str(checkpoint)!r}), "someone/films", private=True))
"""
    try:
        status, out, err = python(code, hub=hub.url, home=tmp_path / "hf", token="hf_right")
        assert status == 0, err
        assert out == f"{hub.url}/someone/films/commit/{'1' * 40}\n"
        assert hub.created[0]["visibility"] == "private"
        assert sorted(hub.files["someone/films"]) == ["README.md", "config.json", "model.safetensors"]
        (folder := tmp_path / "back").mkdir()
        for name, content in hub.files["someone/films"].items():
            (folder / name).write_bytes(content)
        assert from_pretrained(folder).predict(SENTENCES) == predictor.predict(SENTENCES)
        status, _, err = python(code, hub=hub.url, home=tmp_path / "hf", token="hf_wrong")
        assert status == 1
        assert "ValueError: The hub refuses the upload to someone/films" in err
        assert "set HF_TOKEN to a token that may write" in err
        assert "hf_wrong" not in err
    finally:
        hub.stop()
