"""The jobs of a folder, with their states in a real queue, or without one."""

import json

import pytest

from qlit.jobs.slurm import queue
from qlit.jobs.slurm.queue import cancel, submitted_jobs


@pytest.fixture
def place(tmp_path):
    return tmp_path / "jobs"


@pytest.fixture
def job(place):
    """Make the folder of a job."""

    def make(job_id, *, workers=None, submitted="2026-01-01T10:00:00+0000", **files):
        folder = place / f"job-{job_id}"
        folder.mkdir(parents=True)
        record = {
            "job_id": job_id, "name": "x", "command": "qlit fit", "submitted": submitted,
            "is_array": workers is not None, "settings": {"workers": workers or 1},
        }  # fmt: skip
        for name, text in {"job.json": json.dumps(record), **files}.items():
            (folder / name.replace("_", "-")).write_text(text)
        return folder

    return make


@pytest.fixture
def slurm_says(monkeypatch):
    """Answers of squeue, in place of a cluster that knows these jobs."""

    def say(*lines, status=0, error=""):
        done = queue.subprocess.CompletedProcess([], status, "\n".join(lines), error)
        monkeypatch.setattr(queue, "_ran", lambda *_: done)

    return say


def test_a_folder_without_jobs_needs_no_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "jobs" / "refused").mkdir(parents=True)
    (tmp_path / "jobs" / "broken").mkdir()
    (tmp_path / "jobs" / "broken" / "job.json").write_text('{"job_id": 3')
    assert submitted_jobs(tmp_path / "jobs") == []
    assert submitted_jobs(tmp_path / "nowhere") == []


def test_states_are_slurms_and_workers_are_counted(place, job, slurm_says):
    job("7", submitted="2026-01-02T10:00:00+0000", run="/somewhere/mlruns/runs/abc\n")
    job("5", workers=3, exit_1="143\n")
    slurm_says(
        "7|7|N/A|PENDING|Resources", "9|5|1|CANCELLED|None", "10|5|0|RUNNING|None", "5|5|2|PENDING|JobArrayTaskLimit"
    )
    first, second = submitted_jobs(place)
    assert (first.job_id, first.state, first.has_ended) == ("5", "1 RUNNING, 1 CANCELLED, 1 PENDING", False)
    assert [(task.number, task.note) for task in first.tasks] == [
        (0, ""), (1, "exit status 143"), (2, "JobArrayTaskLimit"),
    ]  # fmt: skip
    assert (second.job_id, second.state, second.run_id) == ("7", "PENDING (Resources)", "abc")


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"exit": "0\n"}, "COMPLETED"),
        ({"exit": "1\n"}, "FAILED (exit status 1)"),
        ({}, "UNKNOWN (Slurm has forgotten it)"),
    ],
)
def test_a_job_that_slurm_has_forgotten_is_known_by_its_exit_status(place, job, slurm_says, files, state):
    job("7", **files)
    slurm_says()
    (found,) = submitted_jobs(place)
    assert (found.state, found.has_ended) == (state, True)
    with pytest.raises(ValueError, match=r"Job 7 has ended: "):
        cancel(found)


def test_a_worker_that_is_not_there_is_named(place, job, slurm_says):
    job("7", workers=2)
    slurm_says("7|7|0|RUNNING|None", "8|7|1|RUNNING|None")
    (found,) = submitted_jobs(place)
    with pytest.raises(ValueError, match="Job 7 has no worker 2: its workers have 0 to 1"):
        cancel(found, 2)


def test_slurms_own_message_is_told(place, job, slurm_says):
    job("7")
    slurm_says(status=1, error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
    with pytest.raises(ConnectionError, match=r"Slurm does not answer: slurm_load_jobs error: Unable to contact"):
        submitted_jobs(place)
    slurm_says("7|7|N/A|RUNNING|None")
    (found,) = submitted_jobs(place)
    slurm_says(status=1, error="scancel: error: Kill job error on job id 7: Access/permission denied")
    with pytest.raises(ValueError, match=r"Slurm did not cancel job 7: scancel: error: Kill job error .* denied"):
        cancel(found)
