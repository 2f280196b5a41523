"""`qlit submit`: job scripts, real submissions, and what is refused before and by Slurm."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from commands.runs import QUICKSTART, SMALL
from commands.slurm_jobs import submitted

from qlit.cli import main
from qlit.runtime.yaml_text import read_yaml

ROOT = QUICKSTART.parents[1]
EXAMPLE = str(ROOT / "configs" / "slurm" / "example.yaml")


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """Run `qlit submit` in a folder of its own; its status and what it wrote."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = main(["submit", *arguments])
        return status, *capsys.readouterr()

    return run


def test_a_dry_run_prints_the_script_and_leaves_nothing(said, tmp_path):
    status, out, err = said("fit", *SMALL, "--slurm", EXAMPLE, "--dry-run")
    assert (status, err) == (0, "")
    assert out.startswith("#!/bin/bash\n#SBATCH --job-name=qlit-fit\n")
    assert "#SBATCH --time=1:00:00\n" in out
    assert " -m qlit fit --config " in out
    assert subprocess.run(["bash", "-n"], input=out, text=True).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_job_tells_what_runs(cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a-secret-of-mine")
    job, folder = submitted(
        tmp_path, monkeypatch, capsys, "fit", *SMALL, "--data.seed", "7", slurm="setup: [exit 5]\ntasks_per_node: 2\n"
    )
    assert cluster.wait(job) == "FAILED 5"
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "job.json", "job.log", "job.sh"]
    config = read_yaml(folder / "config.yaml", "it")
    trainer = config["trainer"]
    assert (config["data"]["seed"], str(trainer["devices"]), trainer["strategy"]) == (7, "2", "ddp")
    record = json.loads((folder / "job.json").read_text())
    assert record["job_id"] == job
    assert record["command"] == f"qlit fit --config {folder}/config.yaml"
    assert record["directory"] == str(tmp_path)
    assert record["settings"]["tasks_per_node"] == 2
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    if commit:
        assert record["environment"]["git.commit"] == commit
    assert record["environment"]["python"] == sys.executable
    assert {"torch.version", "host", "qlit.version"} <= record["environment"].keys()
    assert "a-secret-of-mine" not in "".join(path.read_text() for path in folder.iterdir())


def test_a_comparison_is_one_job_and_its_result_is_in_the_log(cluster, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    words = ["--config", SMALL[1], "--config", f"{SMALL[1]} --model.lr 0.02", "--seeds", "2", *SMALL[2:]]
    job, own = submitted(
        folder, monkeypatch, capsys, "compare", *words, "--json", "out.json", slurm="tasks_per_node: 2"
    )
    log = own / "job.log"
    assert cluster.wait(job, timeout_s=300) == "COMPLETED 0", log.read_text()
    assert "quickstart lr 0.02" in log.read_text()
    assert len(json.loads((folder / "out.json").read_text())["models"]) == 2
    assert read_yaml(own / "config-2.yaml", "it")["model"]["lr"] == 0.02


def test_a_table_is_checked_before_it_is_submitted(said):
    status, out, err = said(
        "table", str(ROOT / "configs" / "tables" / "table_02.yaml"), "--output", "t.md", "--slurm", EXAMPLE, "--dry-run"
    )
    assert (status, err) == (0, "")
    assert "table_02.yaml --output t.md\n" in out
    status, _, err = said("table", "nowhere.yaml", "--slurm", EXAMPLE, "--dry-run")
    assert (status, err.startswith("qlit submit: There is no table nowhere.yaml")) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["fitt"], 2, "'fitt' cannot be submitted; did you mean 'fit'?"),
        (["fit", *SMALL], 2, "a Slurm file is missing: add --slurm configs/slurm/example.yaml"),
        (["fit", *SMALL, "--slurm", "nowhere.yaml"], 1, "There is no Slurm file nowhere.yaml"),
        (["fit", *SMALL, "--slurm", "wrong.yaml"], 1, "unknown key 'tme'; did you mean 'time'?"),
        (["fit", *SMALL, "--modell.lr", "1", "--slurm", EXAMPLE], 2, "unknown option --modell.lr"),
        (["fit", *SMALL, "--trainer.devices", "3", "--slurm", "two.yaml"], 1, "the config has trainer.devices 3"),
        (["compare", "--config", SMALL[1], "--slurm", EXAMPLE], 2, "a comparison needs two configs at least"),
        (["fit", *SMALL, "--tracking.tracking_uri", "http://me:pass-word@h:1", "--slurm", EXAMPLE], 1,
         "`tracking.tracking_uri` contains a password"),
        (["compare", "r1", "r2", "--tracking.tracking_uri", "http://me:pass-word@h:1", "--slurm", EXAMPLE], 1,
         "The command contains a password or a token"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_leaves_nothing(said, tmp_path, arguments, status, message):
    (tmp_path / "wrong.yaml").write_text("tme: '1:00:00'\n")
    (tmp_path / "two.yaml").write_text("tasks_per_node: 2\n")
    found, out, err = said(*arguments)
    assert (found, out) == (status, "")
    assert err.startswith("qlit submit: ")
    assert message in err
    assert err.count("\n") == 1
    assert "pass-word" not in err
    assert not (tmp_path / "mlruns").exists()


def test_without_sbatch_the_machine_is_named_as_the_reason(said, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, err = said("fit", *SMALL, "--slurm", EXAMPLE)
    assert (status, err.count("\n")) == (1, 1)
    assert "There is no sbatch on this machine (PATH): run this on a login node of the cluster, or add --dry-run" in err
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "partition: nowhere",
            "Slurm refused the job: invalid partition specified: nowhere; Batch job submission failed",
        ),
        (
            "memory: 900G",
            "Slurm refused the job: Memory specification can not be satisfied; Batch job submission failed",
        ),
        ("options: [--no-such-option]", "Slurm refused the job: sbatch: unrecognized option"),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_what_slurm_refuses_is_told_in_its_words_and_leaves_no_folder(said, tmp_path, text, message):
    (tmp_path / "slurm.yaml").write_text(text)
    status, out, err = said("fit", *SMALL, "--slurm", "slurm.yaml")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert list((tmp_path / "mlruns" / "jobs").iterdir()) == []


def test_without_a_controller_slurms_message_is_shown(cluster, said, tmp_path, monkeypatch):
    text = cluster.config.read_text().replace("SlurmctldPort=", "SlurmctldPort=1 #")
    (tmp_path / "slurm.conf").write_text(text)
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    status, _, err = said("fit", *SMALL, "--slurm", EXAMPLE)
    assert (status, err.count("\n")) == (1, 1)
    assert "Unable to contact slurm controller" in err


def test_a_full_queue_is_waited_for_and_told(tmp_path, monkeypatch, capfd):
    """In a cluster that keeps one job, and forgets it two seconds after its end."""
    from slurm_cluster import SlurmCluster

    if reason := SlurmCluster.missing():
        pytest.skip(reason)
    small = SlurmCluster("MaxJobCount=2", "MinJobAge=2")
    try:
        monkeypatch.setenv("SLURM_CONF", str(small.config))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "slurm.yaml").write_text("setup: [exit 0]\n")
        first = small.said("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 300")
        threading.Timer(3, lambda: small.said("scancel", first)).start()
        begun = time.monotonic()
        status = main(["submit", "fit", *SMALL, "--slurm", "slurm.yaml"])
        out, err = capfd.readouterr()
        assert status == 0, err
        assert "Submitted job" in out
        assert "sleeping and retrying" in err
        assert time.monotonic() - begun > 3
    finally:
        small.stop()


@pytest.mark.usefixtures("cluster")
def test_a_folder_that_cannot_be_written_is_named(said, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "slurm.yaml").write_text("folder: file/jobs\n")
    status, _, err = said("fit", *SMALL, "--slurm", "slurm.yaml")
    assert (status, err.count("\n")) == (1, 1)
    assert "Not a directory" in err
    (tmp_path / "slurm.yaml").write_text("folder: /proc/jobs\n")
    status, _, err = said("fit", *SMALL, "--slurm", "slurm.yaml")
    assert (status, err.count("\n")) == (1, 1)
    assert "/proc/jobs" in err


@pytest.mark.parametrize("kind", ["read-only", "full"])
@pytest.mark.usefixtures("cluster")
def test_a_read_only_or_full_disk_is_named(tmp_path, kind):
    """On a disk of its own, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "slurm.yaml").write_text(f"folder: {disk}/jobs\n")
    options = "ro,size=64k" if kind == "read-only" else "size=64k"
    fill = "true" if kind == "read-only" else f"head -c 1M /dev/zero >{disk}/all 2>/dev/null"
    words = " ".join([sys.executable, "-m", "qlit", "submit", "fit", *SMALL, "--slurm", "slurm.yaml"])
    shell = (
        f"mount -t tmpfs -o {options} none {disk} || exit 77; {fill}; {words}; status=$?; ls {disk}/jobs; exit $status"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, env=os.environ
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no mount namespaces here: {done.stderr.strip()}")
    message = {"read-only": "Read-only file system", "full": "No space left on device"}[kind]
    lines = [line for line in done.stderr.splitlines() if line.startswith("qlit submit: ")]
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert f"{message}: {disk}/jobs" in lines[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_names_every_kind(said):
    status, out, _ = said("--help")
    assert status == 0
    assert all(f"  {kind} " in out for kind in ("fit", "compare", "table"))
    assert said()[0] == 2
