"""Which changes of a config, of what it names and of the rules make another training of it."""

import copy
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file
from tiny_body import make_tiny_body

from qlit.data.contents import Contents, contents_of
from qlit.engines.numerics import NUMERICS
from qlit.tracking.config_hash import BODY, DATA, HASH, HASH_WITHOUT_SEEDS, identity_tags

CONFIG = {
    "seed_everything": 42,
    "model": {"head": {"class_path": "x.Head", "init_args": {"num_qubits": 10}}, "lr": 0.1},
    "data": {"source": "d.tsv", "label_column": "label", "body": "b", "max_test": None, "seed": 0, "cache_dir": None},
    "trainer": {"max_epochs": 5, "logger": None},
    "tracking": {"experiment": "a"},
}
CONTENTS = Contents("d" * 16, "b" * 16)


def tags(*changes, contents=CONTENTS):
    config = copy.deepcopy(CONFIG)
    for path, value in changes:
        *groups, key = path.split(".")
        section = config
        for group in groups:
            section = section[group]
        section[key] = value
    return identity_tags(config, contents)


@pytest.mark.parametrize(
    "change",
    [
        ("model.lr", 0.2),
        ("model.head.init_args.num_qubits", 12),
        ("data.max_test", 100),
        ("data.a_later_option", True),
        ("trainer.max_epochs", 6),
        ("trainer.precision", "64-true"),
    ],
)
def test_what_numbers_depend_on_changes_both_hashes(change):
    assert tags(change)[HASH] != tags()[HASH]
    assert tags(change)[HASH_WITHOUT_SEEDS] != tags()[HASH_WITHOUT_SEEDS]


@pytest.mark.parametrize("change", [("seed_everything", 1), ("data.seed", 1)])
def test_seeds_change_one_hash_alone(change):
    assert tags(change)[HASH] != tags()[HASH]
    assert tags(change)[HASH_WITHOUT_SEEDS] == tags()[HASH_WITHOUT_SEEDS]


@pytest.mark.parametrize(
    "change",
    [
        ("data.source", "./d.tsv"),
        ("data.test_source", "t.tsv"),
        ("data.label_column", "sentiment"),
        ("data.body", "/bodies/b"),
        ("data.cache_dir", "x"),
        ("tracking.experiment", "b"),
        ("trainer.enable_progress_bar", False),
    ],
)
def test_names_and_places_change_nothing(change):
    assert tags(change) == tags()


def test_keys_that_came_later_change_nothing_at_the_value_of_earlier_runs():
    assert tags(("data.splits", "few_shot")) == tags(("data.test_source", None)) == tags()
    assert tags(("model.select_by", "accuracy")) == tags()
    for key, value in (("data.splits", "given"), ("model.select_by", "loss")):
        assert tags((key, value))[HASH] != tags()[HASH]
        assert tags((key, value))[HASH_WITHOUT_SEEDS] != tags()[HASH_WITHOUT_SEEDS]


ENCODER = {"class_path": "qlit.heads.SimulatedQuantumEncoder", "init_args": {"num_qubits": 5, "center": False}}
PAIR = {"class_path": "qlit.heads.ParallelEncoders", "init_args": {"num_encoders": 2, "encoder": ENCODER}}
CENTERING = {"class_path": "qlit.heads.Centering"}


def of_encoder(encoder, **settings):
    return tags(("model.head.init_args", {"encoder": encoder, "num_classes": 2, **settings}))


def centred(encoder):
    changed = copy.deepcopy(encoder)
    (changed["init_args"].get("encoder") or changed)["init_args"]["center"] = True
    return changed


@pytest.mark.parametrize("encoder", [ENCODER, PAIR], ids=["one", "two"])
def test_preprocessing_keeps_the_hashes_of_runs_before_it(encoder):
    assert of_encoder(encoder, preprocessing=None) == of_encoder(encoder)
    assert of_encoder(encoder, preprocessing=CENTERING) == of_encoder(centred(encoder))
    assert of_encoder(encoder, preprocessing=CENTERING)[HASH] != of_encoder(encoder)[HASH]
    others = [
        {"class_path": "qlit.heads.PrincipalComponents", "init_args": {"num_components": number}} for number in (3, 4)
    ]
    assert len({of_encoder(encoder, preprocessing=each)[HASH] for each in (None, CENTERING, *others)}) == 4


def test_centring_in_front_of_another_encoder_has_a_hash_of_its_own():
    other = {"class_path": "qlit.heads.NeuralEncoder", "init_args": {"num_features": 8}}
    assert of_encoder(other, preprocessing=CENTERING)[HASH] != of_encoder(other)[HASH]


@pytest.mark.parametrize("contents", [Contents("e" * 16, "b" * 16), Contents("d" * 16, "c" * 16)])
def test_contents_change_both_hashes(contents):
    found = tags(contents=contents)
    assert (found[DATA], found[BODY]) == (contents.data, contents.body)
    assert found[HASH] != tags()[HASH]
    assert found[HASH_WITHOUT_SEEDS] != tags()[HASH_WITHOUT_SEEDS]


def test_the_order_of_keys_and_the_version_of_qlit_change_nothing_and_the_numerics_do(monkeypatch):
    before = tags()
    assert identity_tags(dict(reversed(CONFIG.items())), CONTENTS) == before
    monkeypatch.setattr("qlit.__version__", "0.0.0")
    assert tags() == before
    monkeypatch.setattr("qlit.engines.numerics.NUMERICS", -1)
    assert tags()[HASH] != before[HASH]


def test_reading_tags_imports_no_torch():
    code = "import sys, qlit.tracking.config_hash; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_one_label_one_weight_and_the_numerics_change_the_hash_of_an_equal_config(tmp_path, monkeypatch):
    data, body = tmp_path / "d.tsv", make_tiny_body(tmp_path / "body")
    data.write_text("text\tlabel\ngood\t1\nbad\t0\nfine\t1\n")
    section = {"source": str(data), "text_column": "text", "label_column": "label", "body": str(body)}
    config = {**CONFIG, "data": {**section, "trust_remote_code": False, "cache_dir": str(tmp_path / "cache")}}

    def found():
        return identity_tags(config, contents_of(config["data"]))[HASH]

    hashes = [found(), found()]
    data.write_text(data.read_text().replace("fine\t1", "fine\t0"))
    hashes.append(found())
    (path,) = body.rglob("model.safetensors")
    weights = load_file(path)
    name = min(weights)
    save_file({**weights, name: weights[name] + 1}, path, metadata={"format": "pt"})
    hashes.append(found())
    monkeypatch.setattr("qlit.engines.numerics.NUMERICS", NUMERICS + 1)
    hashes.append(found())
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4
