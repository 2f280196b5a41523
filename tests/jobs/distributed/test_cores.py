"""Number of processes of a study's training, and the placement of its workers."""

import pytest

from qlit.jobs.distributed.cores import Placement, num_processes, placement_of

CPU = {"accelerator": "cpu"}


@pytest.fixture
def gpus(monkeypatch):
    def have(count):
        monkeypatch.setattr("torch.cuda.device_count", lambda: count)

    have(0)
    return have


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        ({}, None),
        ({"devices": "1"}, None),
        ({"devices": 2}, 2),
        ({"devices": "3", "strategy": "ddp"}, 3),
        ({"strategy": "ddp"}, 1),
    ],
)
def test_strategy_and_devices_determine_the_number_of_processes(gpus, trainer, count):
    assert num_processes("tiny", {**CPU, **trainer}) == count
    gpus(4)
    assert num_processes("tiny", {**CPU, **trainer}) == count


@pytest.mark.parametrize(
    ("trainer", "there", "sentence"),
    [
        ({"num_nodes": 2}, 0, "A study trains each trial on one machine, but tiny has num_nodes 2"),
        ({"strategy": "ddp_spawn"}, 0, r"in one process a trial \(strategy 'auto'\) or several \(strategy 'ddp'\)"),
        ({"devices": [0, 1]}, 4, r"tiny has devices \[0, 1\], and 4 GPUs are here; give a number"),
        ({"devices": "auto"}, 2, "tiny has devices 'auto', and 2 GPUs are here; give a number"),
        ({"devices": -1}, 2, "give a number"),
        ({"devices": 8}, 4, r"tiny has devices 8, but 4 GPU\(s\) are here"),
        ({"logger": False}, 0, "A study needs the runs of its trainings"),
        ({"fast_dev_run": True}, 0, "A study needs the runs of its trainings"),
    ],
)
def test_a_training_that_a_study_cannot_run_is_refused(gpus, trainer, there, sentence):
    gpus(there)
    with pytest.raises(ValueError, match=sentence):
        num_processes("tiny", trainer)


def test_the_processes_of_a_training_share_the_cores_of_a_worker():
    places = Placement(2, (0, 1, 2, 3, 6))
    assert places.num_workers == 2
    assert [places.cores_of(worker, 2) for worker in range(2)] == [[0, 2, 6], [1, 3]]
    assert places.environment_of(0, 2) == {"OMP_NUM_THREADS": "3"}
    assert [places.num_threads(workers) for workers in (1, 2, 5)] == [2, 1, 1]
    assert Placement(2, (5,)).num_workers == 1
    assert [Placement(1, (4, 5)).cores_of(worker, 3) for worker in range(3)] == [[4], [5], [4]]


def test_workers_get_groups_of_gpus_that_do_not_overlap():
    def seen(places, workers):
        return [places.environment_of(worker, workers)["CUDA_VISIBLE_DEVICES"] for worker in range(workers)]

    places = Placement(2, (0, 1), gpus=5)
    assert places.num_workers == 2  # the fifth is of no use
    assert seen(places, 3) == ["0,1", "2,3", "0,1"]
    assert seen(Placement(2, (0,), gpus=4, visible="7,3,5,1"), 2) == ["7,3", "5,1"]
    assert seen(Placement(1, (0,), gpus=2, visible="GPU-a,GPU-b"), 2) == ["GPU-a", "GPU-b"]


def test_the_largest_training_counts(gpus, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 1, 0})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    gpus(2)
    assert placement_of("tiny", [{"devices": 1}, {"devices": 2}]) == Placement(2, (0, 1, 3), 2, "4,6")
    assert placement_of("tiny", [{**CPU, "devices": 4}]).gpus == 0
    assert placement_of("tiny", [CPU]).num_workers == 3
