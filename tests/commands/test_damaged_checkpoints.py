"""Truncated, changed and foreign checkpoints: an error of one sentence, or the results of the intact one."""

import copy
import random
from pathlib import Path

import pytest
import torch
import yaml
from checkpoint_models import model_of_config
from commands.runs import tiny_head
from tiny_body import make_tiny_body

from qlit.cli import main
from qlit.jobs.config.checkpoints import read_checkpoint
from qlit.training.checkpoints.checkpoint_io import AtomicCheckpointIO
from qlit.training.checkpoints.files import write_checkpoint

HEAD = tiny_head(init_std=1.0)
SCORES = {"val/accuracy": 0.5, "val/loss": 0.7, "val/selection": 0.6}
EVALUATION = {"epoch": 1, "position": 1, "step": 8, "num_seen": 16, "scores": SCORES}
COUNTS = {name: {"ready": 2, "started": 2, "processed": 2, "completed": 2} for name in ("current", "total")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The content of a checkpoint, with what a training of two epochs leaves in it."""
    torch.manual_seed(0)
    body = make_tiny_body(tmp_path_factory.mktemp("damaged") / "body")
    config = yaml.safe_dump({"model": {"head": HEAD}, "data": {"body": str(body)}})
    module, _ = model_of_config(config)
    adam = torch.optim.Adam(module.parameters(), lr=0.1)
    sum(each.sum() for each in module.parameters()).backward()
    adam.step()
    notes = {
        "config": config,
        "label_names": ["bad", "good"],
        "dataset": "tiny",
        "note": "",
        "split_fingerprint": "0" * 16,
        "training_hash": "1" * 16,
        "run_id": "2" * 32,
        "contents": {"data": "3" * 16, "body": "4" * 16},
        "sentences": {"trained": "a" * 32, "validated": "b" * 16, "digest": "c" * 16},
        "history": {"val/loss": [(0, 0.8), (1, 0.7)]},
        "validation": EVALUATION,
    }
    best = {"best": EVALUATION, "best_model_path": "/gone/best.ckpt", "best_model_score": torch.tensor(0.6)}
    loop = {"epoch_progress": COUNTS, "epoch_loop.batch_progress": {**COUNTS, "is_last_batch": True}}
    return {
        "epoch": 1,
        "global_step": 8,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": module.state_dict(),
        "loops": {name: {**loop, "state_dict": {}} for name in ("fit_loop", "validate_loop", "test_loop")},
        "callbacks": {"BestAndLast": best},
        "optimizer_states": [adam.state_dict()],
        "lr_schedulers": [],
        "qlit": notes,
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.ckpt"


def are_equal(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(are_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(are_equal, one, other))
    return one == other


def damaged(content: bytes, draw: random.Random):
    """Some hundred damaged forms of a file: cut short, one bit flipped, a block of zeros, something appended."""
    yield from (content[: draw.randrange(len(content))] for _ in range(60))
    bits = [draw.randrange(8 * len(content)) for _ in range(200)]
    # Records of the archive itself, in which torch notices least.
    bits += [8 * len(content) - draw.randrange(8 * 2500) - 1 for _ in range(200)]
    for bit in bits:
        yield content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]
    for start in (draw.randrange(len(content)) for _ in range(20)):
        yield content[:start] + bytes(min(512, len(content) - start)) + content[start + 512 :]
    yield content + bytes(512)


def answer_of(read, path):
    """What a reader returns, or why it refuses."""
    try:
        return read(path), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize("read", [read_checkpoint, AtomicCheckpointIO().load_checkpoint])
def test_a_damaged_checkpoint_is_refused_or_read_as_it_was_written(whole, path, read):
    write_checkpoint(whole, path)
    num_refused = 0
    for content in damaged(path.read_bytes(), random.Random(0)):
        path.write_bytes(content)
        found, refusal = answer_of(read, path)
        if refusal:
            assert str(path) in refusal
            assert len(refusal.replace(str(path), "")) <= 300
            num_refused += 1
        else:
            assert are_equal(found, whole)
    assert num_refused > 200


def test_a_record_that_is_marked_as_a_folder_is_not_read_from_uninitialised_memory(whole, path):
    write_checkpoint(whole, path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02", content.rindex(b"/data/0") - 60)
    content[entry + 38] |= 0x10  # the attribute of a folder, which no checksum covers
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: it was truncated or changed after it was written"):
        read_checkpoint(path)


WRONG = [None, True, -1, 7, 3.5, float("nan"), 2**70, "x", "", [], {}, [1], {"a": 1}, (1, 2, 3), torch.zeros(2)]
WRONG += ["x" * 100_000, "../../x", b"\0\xff"]
MISSING = object()


def places(value, place=()):
    """Places of all parts of a nested value, those in lists up to the second."""
    yield place
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:2] if isinstance(value, list | tuple) else ())
    )
    for key, each in items:
        yield from places(each, (*place, key))


def with_wrong(value, place, wrong):
    """A nested value with something else at a place, or with nothing there."""
    if not place:
        return wrong
    changed = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    changed[place[0]] = with_wrong(value[place[0]], place[1:], wrong)
    changed = {key: each for key, each in changed.items() if each is not MISSING}
    return changed if isinstance(value, dict) else type(value)(changed.values())


def test_a_malformed_checkpoint_is_refused_in_one_sentence_or_gives_the_same_answer(whole, path, capsys):
    draw = random.Random(0)
    torch.save(whole, path)
    assert main(["predict", str(path), "good film", "--format", "csv"]) == 0
    answer = capsys.readouterr().out
    notes = [("qlit", *place) for place in places(whole["qlit"]) if place[:1] != ("label_names",)]
    cases = [(place, wrong) for place in notes + list(places(whole))[1:] for wrong in (*WRONG, MISSING)]
    for place, wrong in draw.sample(cases, 100):
        torch.save(with_wrong(whole, place, wrong), path)
        status = main(["predict", str(path), "good film", "--format", "csv"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err, (place, wrong)
        if status:
            assert len(err.replace(str(path), "")) <= 330, err
            assert out == ""
        elif place[0] != "state_dict" and place[:2] != ("qlit", "config"):
            assert out == answer, (place, wrong)


@pytest.mark.parametrize(
    ("place", "wrong", "text"),
    [
        (("qlit", "label_names"), ["good"], "its `qlit.label_names` must be a list of two names or more"),
        (("qlit", "label_names"), ["a", "b", "c"], "a label name for each of the 2 classes of its head, but has 3"),
        (("qlit", "label_names"), MISSING, "a label name for each of the 2 classes of its head, but has none"),
        (("qlit", "history"), 7, "its `qlit.history` must be lists of .epoch, score. by name, but is 7"),
        (("qlit", "run_id"), "../../x", "its `qlit.run_id` must be an id of letters and digits, but is '../../x'"),
        (("epoch",), -1, "its `epoch` must be a number of epochs, but is -1"),
        (("state_dict",), MISSING, "it has no `state_dict`"),
        (("loops",), {}, "its `loops` must be Lightning's counts of epochs and batches"),
    ],
)
def test_a_malformed_part_is_named(whole, path, capsys, place, wrong, text):
    torch.save(with_wrong(copy.deepcopy(whole), place, wrong), path)
    assert main(["predict", str(path), "good film"]) == 1
    err = capsys.readouterr().err
    assert text.replace(".epoch, score.", "(epoch, score)") in err
    assert Path(path).name in err or "label name" in err
