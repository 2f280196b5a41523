"""A changed label, body file or version of the numerics: equal configs reuse no run."""

from functools import partial

import pytest
import yaml
from commands.runs import all_runs, client
from commands.test_changed_contents import CONFIG, HEAD, STUDY, write_data
from safetensors.torch import load_file, save_file
from tiny_body import make_tiny_body

from qlit.cli import main
from qlit.tracking.config_hash import HASH, RULES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

TABLE = {"title": "T", "rows": [{"name": "r", "config": "a.yaml", "published": 90.0, "seeds": 1, "epochs": 1}]}
LINEAR = {**CONFIG, "model": {"head": {**HEAD, "class_path": "qlit.heads.LinearHead"}}}


def flip_a_label(folder, _):
    path = folder / "d.tsv"
    *rows, last = path.read_text().splitlines()
    text, label = last.split("\t")
    path.write_text("\n".join([*rows, f"{text}\t{1 - int(label)}"]) + "\n")


def change_a_weight(folder, _):
    (path,) = (folder / "tiny").rglob("model.safetensors")
    weights = load_file(path)
    name = min(weights)
    save_file({**weights, name: weights[name] + 1}, path, metadata={"format": "pt"})


def raise_numerics(_, monkeypatch):
    monkeypatch.setattr("qlit.engines.numerics.NUMERICS", 1000)


CHANGES = (flip_a_label, change_a_weight, raise_numerics)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a config, a table, a study, data and a body."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "cache"))
    for name, content in {"a": CONFIG, "t": TABLE, "s": STUDY, "linear": LINEAR}.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    write_data(tmp_path / "d.tsv")
    make_tiny_body(tmp_path / "tiny")
    return tmp_path


def test_a_table_reuses_no_finished_run(folder, monkeypatch, capsys):
    assert main(["table", "t.yaml"]) == 0
    capsys.readouterr()
    assert main(["table", "t.yaml"]) == 0
    assert "training 1 of 1" not in capsys.readouterr().err
    for change in CHANGES:
        change(folder, monkeypatch)
        assert main(["table", "t.yaml"]) == 0
        assert "training 1 of 1" in capsys.readouterr().err, change.__name__
    assert len({run.data.tags[HASH] for run in all_runs(folder, "e")}) == 1 + len(CHANGES)


def test_a_table_resumes_no_stopped_run(folder, monkeypatch):
    (folder / "t.yaml").write_text((folder / "t.yaml").read_text().replace("a.yaml", "linear.yaml"))
    assert main(["table", "t.yaml"]) == 0
    stopped = set()
    for change in CHANGES:
        (run,) = (run for run in all_runs(folder, "e") if run.info.status == "FINISHED")
        client(folder).set_terminated(run.info.run_id, "KILLED")
        stopped.add(run.info.run_id)
        change(folder, monkeypatch)
        assert main(["table", "t.yaml"]) == 0
    killed = {run.info.run_id for run in all_runs(folder, "e") if run.info.status == "KILLED"}
    assert killed == stopped  # a run that goes on becomes FINISHED


def test_a_comparison_reuses_no_run_of_other_numerics(folder, monkeypatch, capsys):
    arguments = ["compare", "--config", "a.yaml", "--config", "a.yaml --model.head.init_args.C 0.1", "--seeds", "1"]
    assert main(arguments) == 0
    capsys.readouterr()
    with monkeypatch.context() as changed:
        raise_numerics(folder, changed)
        assert main(arguments) == 0
    assert "training 1 of 2" in capsys.readouterr().err
    assert main(arguments) == 0
    assert "training" not in capsys.readouterr().err


def test_a_study_does_not_continue_with_another_body_or_numerics(folder, monkeypatch, said):
    study = partial(said, folder)
    assert study("worker", "--config", "s.yaml")[0] == 0
    steps = {change_a_weight: "the body has", raise_numerics: "the body and the way in which qlit computes have"}
    for change, what in steps.items():
        change(folder, monkeypatch)
        status, out, err = study("worker", "--config", "s.yaml")
        assert (status, out) == (1, "")
        assert err.splitlines()[-1].startswith(
            f"qlit study: Study 's' cannot continue: {what} changed since it started"
        )


def test_a_resume_under_other_numerics_is_marked_and_never_reused(folder, monkeypatch, capsys):
    (folder / "t.yaml").write_text((folder / "t.yaml").read_text().replace("a.yaml", "linear.yaml"))
    assert main(["fit", "--config", "linear.yaml"]) == 0
    (run,) = all_runs(folder, "e")
    last = str(folder / "mlruns" / "runs" / run.info.run_id / "last.ckpt")
    raise_numerics(folder, monkeypatch)
    assert main(["fit", "--ckpt_path", last, "--trainer.max_epochs", "2"]) == 0
    tags = client(folder).get_run(run.info.run_id).data.tags
    assert (tags[RULES], tags[f"resumed.{RULES}"]) == (run.data.tags[RULES], "1000")
    assert tags[f"resumed.{HASH}"] != tags[HASH]
    (folder / "t.yaml").write_text((folder / "t.yaml").read_text().replace("epochs: 1", "epochs: 2"))
    capsys.readouterr()
    assert main(["table", "t.yaml"]) == 0
    assert "training 1 of 1" in capsys.readouterr().err
