"""Studies as arrays of workers of a real Slurm cluster."""

import re
import time
from collections import Counter

import pytest
from commands.runs import all_runs, write_tiny_study
from commands.slurm_jobs import submitted
from servers import PostgresServer

from qlit.cli import main
from qlit.jobs.study.contents import check_study
from qlit.studies.files.study_file import read_study
from qlit.studies.trials.storage import ENVIRONMENT, location_of
from qlit.studies.trials.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

RATES = [0.001 * k for k in range(1, 9)]


@pytest.fixture
def study(folder):
    """The file of a study of 8 cells; a training takes some seconds."""
    return write_tiny_study(folder, RATES, max_epochs=300)


def worker_logs(own):
    return {int(re.findall(r"\d+", path.name)[0]): path.read_text() for path in own.glob("worker-*.log")}


def test_four_workers_on_postgresql_one_of_them_cancelled_train_every_cell_once(
    cluster, folder, study, monkeypatch, capsys
):
    if reason := PostgresServer.missing():
        pytest.skip(reason)
    server = PostgresServer()
    try:
        monkeypatch.setenv(ENVIRONMENT, server.url)
        job, own = submitted(folder, monkeypatch, capsys, "study", "--config", str(study), slurm="workers: 4\n")
        assert "secret" not in "".join(path.read_text() for path in own.iterdir())
        trials = Trials(read_study(study), location_of(None, "tiny"), create=False)
        # The worker that holds the study's own run, in the middle of a trial.
        deadline, number = time.monotonic() + 200, None
        while number is None:
            assert time.monotonic() < deadline, worker_logs(own)
            time.sleep(0.05)
            pid = (trials.study.user_attrs.get("holder") or {}).get("qlit.pid")
            for worker, log in worker_logs(own).items():
                lines = [line for line in log.splitlines() if line.startswith(f"qlit study [{pid}] ")]
                if lines and re.search(r"\] trial \d+: lr ", lines[-1].replace("model.lr", "lr")):
                    number = worker
        assert main(["jobs", "cancel", f"{job}_{number}"]) == 0
        ends = [cluster.wait(f"{job}_{worker}", timeout_s=300).split()[0] for worker in range(4)]
        logs = worker_logs(own)
        assert Counter(ends) == {"COMPLETED": 3, "CANCELLED": 1}, logs
        assert "stopped by SIGTERM" in logs[number]

        every = trials.all()
        assert Counter(trial.state.name for trial in every) == {"COMPLETE": 8, "FAIL": 1}
        (returned,) = [trial for trial in every if trial.state.name == "FAIL"]
        assert returned.user_attrs["error"] == "stopped by SIGTERM"
        rates = [trial.params["model.lr"] for trial in every if trial.state.name == "COMPLETE"]
        assert sorted(rates) == RATES
        runs = all_runs(folder, "tiny")
        assert Counter(run.info.status for run in runs) == {"FINISHED": 9}  # with the study's own
        assert sorted(run.data.tags.get("study.factor.model.lr") for run in runs if "study.trial" in run.data.tags) == [
            str(rate) for rate in sorted(RATES, key=str)
        ]
        assert (folder / "mlruns" / "studies" / "tiny" / "report" / "report.html").is_file()
        assert trials.study.user_attrs["holder"] is None
        trials.close()
        capsys.readouterr()
        assert main(["jobs"]) == 0
        assert {"3 COMPLETED", "1 CANCELLED"} <= set(re.split(r"  +|, ", capsys.readouterr().out))
    finally:
        server.remove()


def test_the_cap_holds_and_a_worker_that_runs_out_of_time_gives_its_trial_back_and_starts_again(
    cluster, folder, study, monkeypatch, capsys
):
    """With a journal, which works on one machine."""
    words = ["study", "--config", str(study), "--trainer.max_epochs", "200"]
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    slurm = "workers: 2\nmax_running: 1\n"
    monkeypatch.chdir(folder)
    (folder / "slurm.yaml").write_text(slurm)
    assert main(["submit", *words, "--slurm", "slurm.yaml"]) == 0
    out, err = capsys.readouterr()
    assert "tiny: 8 trials queued, 8 to train\n" in out
    assert "is for workers on one machine; those on others will refuse it" in err
    job = re.findall(r"Submitted job (\d+)", out)[0]
    (own,) = (folder / "mlruns" / "jobs").iterdir()
    deadline = time.monotonic() + 200
    while not re.search(r"\] trial \d+: lr ", worker_logs(own).get(0, "").replace("model.lr", "lr")):
        assert time.monotonic() < deadline, worker_logs(own)
        time.sleep(0.05)
    shown = cluster.said("squeue", "--noheader", "--array", "--format=%T %r", f"--job={job}").splitlines()
    assert sorted(shown) == ["PENDING JobArrayTaskLimit", "RUNNING None"]
    cluster.said("scancel", "--signal=USR1", f"{job}_0")
    assert [cluster.wait(f"{job}_{worker}", "COMPLETED", "FAILED", timeout_s=400) for worker in (0, 1)] == [
        "COMPLETED 0"
    ] * 2
    assert "stopped by SIGUSR1" in worker_logs(own)[0]
    trials = Trials(read_study(study), location_of(None, "tiny"), create=False)
    found = Counter(trial.state.name for trial in trials.all())
    trials.close()
    assert found == {"COMPLETE": 8, "FAIL": 1}
    assert Counter(run.info.status for run in all_runs(folder, "tiny")) == {"FINISHED": 9}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.yaml"], "There is no study file nowhere.yaml"),
        (["--config", "tiny.yaml", "--model.lr", "0.1"], "--model.lr is a factor of study 'tiny'"),
        (["--config", "tiny.yaml", "--workers", "3"], "there is no option --workers"),
        (["--config", "tiny.yaml", "--data.body", "nowhere"], "nowhere"),
        (["--config", "tiny.yaml", "--storage", "postgresql://me:pass-word@h/x"], "contains a password or a token"),
    ],
)
@pytest.mark.usefixtures("cluster", "study")
def test_a_study_that_cannot_be_trained_is_not_created_or_submitted(folder, capsys, arguments, message):
    (folder / "slurm.yaml").write_text("")
    assert main(["submit", "study", *arguments, "--slurm", "slurm.yaml"]) in (1, 2)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert "pass-word" not in err
    assert not (folder / "mlruns" / "jobs").exists()
    assert not list((folder / "mlruns").glob("studies/*.journal"))


@pytest.mark.usefixtures("cluster")
def test_a_finished_study_is_not_submitted(folder, study, monkeypatch, capsys):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    trials = Trials(read_study(study), location_of(None, "tiny"))
    check_study(trials)
    trials.fill()
    for _ in RATES:
        trials.finish(trials.claim(), [0.5])
    trials.close()
    (folder / "slurm.yaml").write_text("")
    assert main(["submit", "study", "--config", str(study), "--slurm", "slurm.yaml"]) == 1
    assert "qlit submit: Study 'tiny' is finished: `qlit study best` shows its best cell.\n" in capsys.readouterr().err
    assert list((folder / "mlruns" / "jobs").iterdir()) == []


@pytest.mark.usefixtures("study")
def test_a_dry_run_of_a_study_creates_nothing(folder, monkeypatch, capsys):
    (folder / "slurm.yaml").write_text("workers: 4\nmax_running: 2\n")
    monkeypatch.setenv(ENVIRONMENT, "postgresql://qlit:a-password@localhost/none")
    assert main(["submit", "study", "--config", "tiny.yaml", "--slurm", "slurm.yaml", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "#SBATCH --array=0-3%2\n" in out
    assert " study worker --config tiny.yaml --join\n" in out
    assert "a-password" not in out + err
    assert not (folder / "mlruns" / "jobs").exists()
