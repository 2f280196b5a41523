from types import SimpleNamespace

import pytest
import torch
from full_disk import files_of_at_most

from qlit.training.checkpoints import files
from qlit.training.checkpoints.checkpoint_io import AtomicCheckpointIO


class Unwritable:
    """Breaks a checkpoint off in the middle, as a full disk would."""

    def __reduce__(self):
        raise OSError("disk full")


def test_a_checkpoint_is_read_as_it_was_written_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "runs" / "last.ckpt"
    for epoch in (1, 2):
        AtomicCheckpointIO().save_checkpoint({"epoch": epoch, "weights": torch.arange(3)}, path)
        assert torch.load(path, weights_only=True)["epoch"] == epoch
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


def test_one_that_cannot_be_written_leaves_the_previous_one(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    with pytest.raises(OSError, match="disk full"):
        AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1000), "broken": Unwritable()}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_is_waited_for(tmp_path, monkeypatch, capsys):
    path, free = tmp_path / "last.ckpt", iter([0, 10**9])
    monkeypatch.setattr(files, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    # Torch fails twice: for want of space, which is waited for, and for another reason.
    with files_of_at_most(100_000), pytest.raises(RuntimeError, match="unexpected pos"):
        AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(100_000)}, path)
    assert "The disk is full (OSError: [Errno 28] No space left on device" in capsys.readouterr().err
    assert next(free, None) is None
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]
