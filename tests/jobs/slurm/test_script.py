"""Job scripts, and the processes of a fit."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from qlit.jobs.slurm.script import OUT_OF_TIME, Command, job_script, log_of
from qlit.jobs.slurm.settings import SlurmSettings
from qlit.jobs.slurm.tasks import task_options

FIT = Command(("fit", "--config", "a b.yaml"), is_distributed=True)
WORKERS = Command(("study", "worker"), is_array=True)


def directives(script):
    """Options of the #SBATCH lines, by name."""
    lines = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]
    return {name: value for name, _, value in (line.removeprefix("--").partition("=") for line in lines)}


def test_a_fit_asks_for_its_tasks_and_a_signal_before_the_end(tmp_path):
    settings = SlurmSettings(
        partition="gpu", account="physics", time="2:00:00", nodes=2, tasks_per_node=4, gpus_per_node=4, memory="64G",
        cpus_per_task=8, warn_s=120, options=("--qos=short",),
    )  # fmt: skip
    found = directives(job_script(FIT, settings, tmp_path, "paper"))
    assert found == {
        "job-name": "paper", "chdir": str(Path.cwd()), "output": f"{tmp_path}/job.log", "open-mode": "append",
        "partition": "gpu", "account": "physics", "time": "2:00:00", "nodes": "2", "ntasks-per-node": "4",
        "gpus-per-node": "4", "cpus-per-task": "8", "mem": "64G", "signal": "SIGUSR1@120", "requeue": "",
        "qos": "short",
    }  # fmt: skip


def test_workers_are_an_array_of_single_tasks_with_a_cap(tmp_path):
    settings = SlurmSettings(nodes=2, tasks_per_node=4, workers=4, max_running=2)
    found = directives(job_script(WORKERS, settings, tmp_path, "study"))
    assert (found["array"], found["nodes"], found["ntasks-per-node"]) == ("0-3%2", "1", "1")
    assert found["output"] == f"{tmp_path}/worker-%a.log"
    assert log_of(tmp_path, is_array=True).name == "worker-%a.log"
    assert directives(job_script(WORKERS, SlurmSettings(), tmp_path, "s"))["array"] == "0-0"


def test_names_with_spaces_and_percent_signs_are_quoted():
    script = job_script(FIT, SlurmSettings(), Path("/a b/100%"), "x")
    assert '#SBATCH --output="/a b/100%%/job.log"' in script.splitlines()
    assert "export QLIT_JOB='/a b/100%'" in script.splitlines()
    assert f"{shlex.quote(sys.executable)} -m qlit fit --config 'a b.yaml'" in script


def test_modules_and_setup_come_before_qlit_and_a_container_around_it(tmp_path):
    settings = SlurmSettings(modules=("cuda/12.4",), setup=("export A=1",), container="q.sif", gpus_per_node=1)
    lines = job_script(FIT, settings, tmp_path, "x").splitlines()
    places = [next(k for k, line in enumerate(lines) if line.startswith(start))
              for start in ("module load cuda/12.4", "export A=1", "srun ")]  # fmt: skip
    assert places == sorted(places)
    assert f"apptainer exec --nv --bind {Path.cwd()},{tmp_path} --pwd {Path.cwd()} q.sif qlit fit" in lines[places[2]]


@pytest.mark.parametrize(
    ("status", "restarts", "said", "kept"),
    [
        (0, "0", "", "0"),
        (1, "0", "", "1"),
        (OUT_OF_TIME, "0", "requeue 7", None),
        (OUT_OF_TIME, "2", "", str(OUT_OF_TIME)),
    ],
)
def test_only_a_job_that_ran_out_of_time_starts_again_and_not_for_ever(tmp_path, status, restarts, said, kept):
    """Its shell code, with programs in place of Slurm's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("srun", f"exit {status}"), ("scontrol", f'echo "$@" >>{tmp_path}/said')):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    script = tmp_path / "job.sh"
    script.write_text(job_script(FIT, SlurmSettings(max_requeues=2), tmp_path, "x"))
    done = subprocess.run(
        ["bash", str(script)],
        env={"PATH": f"{programs}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": restarts},
    )
    assert done.returncode == status
    assert ((tmp_path / "said").read_text().strip() if (tmp_path / "said").exists() else "") == said
    assert ((tmp_path / "exit").read_text().strip() if (tmp_path / "exit").exists() else None) == kept


def trainer(**options):
    return {"devices": "auto", "num_nodes": 1, "strategy": "auto", **options}


def test_one_task_trains_as_the_config_says():
    assert task_options(trainer(devices=2, strategy="ddp"), SlurmSettings()) == []


@pytest.mark.parametrize("given", [{}, {"devices": 2}, {"devices": "2", "num_nodes": 3}])
def test_several_tasks_are_the_processes_of_a_training(given):
    options = task_options(trainer(**given), SlurmSettings(nodes=3, tasks_per_node=2))
    assert options == ["--trainer.devices=2", "--trainer.num_nodes=3", "--trainer.strategy=ddp"]


def test_a_strategy_of_the_config_stays():
    options = task_options(trainer(strategy="fsdp"), SlurmSettings(tasks_per_node=2))
    assert options == ["--trainer.devices=2", "--trainer.num_nodes=1"]


@pytest.mark.parametrize("given", [{"devices": 3}, {"devices": 1}, {"num_nodes": 2}])
def test_another_number_of_processes_in_the_config_is_refused(given):
    (key,) = given
    with pytest.raises(ValueError, match=rf"starts 2 tasks on each of 1 nodes, but the config has trainer.{key} "):
        task_options(trainer(**given), SlurmSettings(tasks_per_node=2))
