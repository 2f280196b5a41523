"""`qlit fit` by hand inside srun, sbatch and salloc of a real cluster."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from commands.runs import SMALL, all_runs, client, only_run

QLIT = shlex.join([sys.executable, "-m", "qlit"])
FIT = f"{QLIT} fit {shlex.join(SMALL)} --trainer.max_epochs 1"

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture
def place(tmp_path, empty_database, monkeypatch):
    """A folder with a store, in which programs of Slurm run."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path


def ran(folder, *words, **environment):
    """Exit status, and everything that was written."""
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_tasks_with_seeds_of_their_own_are_two_tracked_runs(place):
    status, said = ran(place, "srun", "-n2", "bash", "-c", f"{FIT} --data.seed $SLURM_PROCID")
    assert status == 0, said
    assert "rank 1 of 2 that srun started works alone, as its options say" in said
    assert sorted(run.data.params["data.seed"] for run in all_runs(place)) == ["0", "1"]
    assert [run.info.status for run in all_runs(place)] == ["FINISHED", "FINISHED"]


def test_the_status_of_a_task_that_fails_is_that_of_srun(place):
    sources = "$([ $SLURM_PROCID = 1 ] && echo nowhere || echo sample)"
    status, said = ran(place, "srun", "-n2", "bash", "-c", f"{FIT} --data.source {sources}")
    assert status == 1, said
    assert "Traceback" not in said
    assert [run.info.status for run in all_runs(place)] == ["FINISHED"]


def test_two_tasks_that_would_train_the_same_are_refused(place):
    status, said = ran(place, "srun", "-n2", *shlex.split(FIT))
    assert status == 1
    assert said.count("srun started this command 2 times, and every copy would train the same model") == 2
    assert not list(place.glob("mlruns/runs/*"))


@pytest.mark.parametrize("tasks", [["-n2"], ["--ntasks-per-node=2"]], ids=str)
def test_tasks_are_the_processes_of_a_training_that_asks_for_them(place, tasks):
    """Lightning itself refuses a job with --ntasks alone."""
    two = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu"]
    status, said = ran(place, "srun", *tasks, *shlex.split(FIT), *two)
    assert status == 0, said
    assert said.count("test accuracy") == 1
    run = only_run(place)
    assert (run.info.status, run.data.params["trainer.devices"]) == ("FINISHED", "2")


def test_another_number_of_processes_is_refused_by_every_task(place):
    three = ["--trainer.strategy", "ddp", "--trainer.devices", "3", "--trainer.accelerator", "cpu"]
    status, said = ran(place, "srun", "-n2", *shlex.split(FIT), *three)
    assert status == 1
    assert said.count("srun started this command 2 times, but the config asks for 3 processes") == 2


def test_by_hand_in_an_allocation_it_is_one_tracked_run_and_resumes_no_stray_checkpoint(place):
    (place / "hpc_ckpt_1.ckpt").write_bytes(b"of another training")
    status, said = ran(place, "salloc", "-n2", "--quiet", *shlex.split(FIT))
    assert status == 0, said
    assert "hpc_ckpt_1.ckpt was not resumed" in said
    run = only_run(place)
    assert run.info.status == "FINISHED"
    assert {"slurm.job_id", "notice.requeued_checkpoint"} <= run.data.tags.keys()
    assert [point.step for point in client(place).get_metric_history(run.info.run_id, "val/loss")] == [0]
    assert [path.name for path in place.glob("hpc_ckpt_*")] == ["hpc_ckpt_1.ckpt"]


def test_in_a_batch_script_it_is_one_tracked_run(place, cluster):
    (place / "job.sh").write_text(f"#!/bin/bash\n#SBATCH --ntasks=2\n{FIT}\n")
    status, job = ran(place, "sbatch", "--parsable", "--output=log", "job.sh")
    assert status == 0, job
    assert cluster.wait(job.strip()) == "COMPLETED 0", (place / "log").read_text()
    assert only_run(place).info.status == "FINISHED"


def test_sigterm_in_a_task_is_the_status_of_srun_and_the_run_is_killed(place, cluster):
    script = f"{FIT} --trainer.max_epochs 5000"
    process = subprocess.Popen(
        ["srun", "--job-name=long", *shlex.split(script)],
        cwd=place, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        while not list(place.glob("mlruns/runs/*/last.ckpt")):
            assert process.poll() is None, process.communicate()[0]
        (job,) = cluster.said("squeue", "--noheader", "--name=long", "--format=%i").split()
        subprocess.run(["scancel", "--signal=TERM", job], check=True)
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143, said
    assert "stopped by SIGTERM; continue with: qlit fit --ckpt_path" in said
    assert only_run(place).info.status == "KILLED"
