"""`qlit jobs` on a real cluster: jobs of a folder, and their end."""

import json

import pytest
from commands.runs import SMALL
from commands.slurm_jobs import submitted

from qlit.cli import main


def test_jobs_are_shown_and_cancelled(cluster, tmp_path, monkeypatch, capsys):
    job, folder = submitted(tmp_path, monkeypatch, capsys, "fit", *SMALL, slurm="setup: [sleep 300]\njob_name: long\n")
    other, _ = submitted(tmp_path, monkeypatch, capsys, "fit", *SMALL, slurm="setup: [exit 3]\n")
    assert cluster.wait(other) == "FAILED 3"
    cluster.wait(job, "RUNNING")
    assert main(["jobs"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in lines] == [
        ["job", "name", "state"],
        [job, "long", "RUNNING"],
        [other, "qlit-fit", "FAILED"],
    ]
    assert lines[1][-1] == str(folder.relative_to(tmp_path))
    assert main(["jobs", "--json"]) == 0
    assert [each["job_id"] for each in json.loads(capsys.readouterr().out)] == [job, other]

    assert main(["jobs", "cancel", other, job]) == 1  # one has ended; the other is cancelled nevertheless
    out, err = capsys.readouterr()
    assert (out, err) == (f"Cancelled job {job} (long).\n", f"qlit jobs: Job {other} has ended: FAILED.\n")
    assert cluster.wait(job).startswith("CANCELLED")
    assert main(["jobs"]) == 0
    assert "CANCELLED" in capsys.readouterr().out.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["cancell", "3"], 2, "there is no verb 'cancell'; did you mean 'cancel'?"),
        (["cancel"], 2, "cancel needs the id of a job"),
        (["cancel", "x"], 2, "'x' is no id of a job; ids are numbers such as 12, or 12_3"),
        (["cancel", "12"], 1, "Job 12 is not one of mlruns/jobs (in "),
        (["--foldr", "x"], 2, "there is no option --foldr; did you mean '--folder'?"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, status, message):
    monkeypatch.chdir(tmp_path)
    assert main(["jobs", *arguments]) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_without_jobs_there_is_nothing_to_show(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["jobs"]) == 0
    assert capsys.readouterr().out == f"There are no submitted jobs in mlruns/jobs (in {tmp_path}).\n"
