"""Every command without streams, folders, a home folder or disk space: it works, or prints one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commands.runs import QUICKSTART, ROOT
from data.helpers import environment
from tiny_body import make_tiny_body, write_tiny_data

OPTIONS = {
    "trainer.max_epochs": 1, "data.num_per_label": 12, "data.max_test": 8, "model.head.encoder.connectivity": 1,
    "model.head.encoder.num_layers": 0, "model.head.encoder.num_qubits": 3, "model.head.pqc.num_qubits": 2,
    "model.head.pqc.num_reuploads": 1, "data.source": "{base}/data.tsv", "data.body": "{base}/body",
}  # fmt: skip
FIT = ["fit", "--config", str(QUICKSTART), *(f"--{name}={value}" for name, value in OPTIONS.items())]
CHECKPOINT = "mlruns/runs/{0}/best.ckpt"
STUDY = ["--config", "{base}/tiny.yaml"]
COMMANDS = {
    "fit": FIT,
    "test": ["test", "--ckpt_path", CHECKPOINT],
    "predict": ["predict", CHECKPOINT, "good film"],
    "predict to a file": ["predict", CHECKPOINT, "good film", "--output", "out.txt"],
    "export": ["export", CHECKPOINT, "good film", "--out", "qasm"],
    "compare": ["compare", "{0}", "{1}"],
    "describe": ["describe", *FIT[1:]],
    "finetune": ["finetune", *FIT[1:3], *FIT[-2:], "--data.num_per_label=12", "--output", "tuned"],
    "table": ["table", "{base}/table.yaml", "--no_training"],
    "run": ["study", "run", *STUDY],
    "worker": ["study", "worker", *STUDY],
    "status": ["study", "status", *STUDY],
    "study export": ["study", "export", *STUDY],
    "reap": ["study", "reap", *STUDY],
    "new worker": ["study", "worker", "--config", "{base}/new.yaml"],
}
READERS = ["predict", "export", "compare", "describe", "table", "status", "study export", "reap"]
NO_SPACE = "No space left on device: standard output; free space there."
NO_FOLDER = "the current folder was deleted; change to an existing folder (cd), and run the command again."
READ_ONLY = "Read-only file system"
NO_HOME = "MLflow needs a home folder, but HOME is not set"
CASES: dict[tuple[str, str], tuple[int, str]] = {
    **{("predict", place): (0, "") for place in (
        "plain", "no stdin", "no stdout", "no stderr", "no streams", "read-only", "no home", "unwritable home",
        "few files", "small files", "no shared memory", "no TMPDIR",
    )},
    **{(command, "full stdout"): (1, NO_SPACE) for command in READERS},
    **{(command, "no reader"): (141, "") for command in ("predict", "compare", "describe", "status")},
    **{(command, "no streams"): (0, "") for command in ("test", "export", "compare", "finetune", "table", "status")},
    **{(command, "read-only"): (1, READ_ONLY) for command in COMMANDS if command not in ("predict", "describe")},
    **{(command, "deleted"): (1, NO_FOLDER) for command in ("fit", "compare", "export", "worker", "status")},
    **{(command, "no home"): (1, NO_HOME) for command in ("fit", "compare", "new worker")},
    ("describe", "read-only"): (0, ""),
    ("fit", "no streams"): (0, ""),
    ("fit", "full streams"): (1, ""),
    ("fit", "no readers"): (141, ""),
    ("fit", "small files"): (1, "SQLite says `disk I/O error` about a database"),
    ("fit", "unwritable home"): (0, ""),
    ("fit", "no TMPDIR"): (1, "no folder for temporary files is writable"),
    ("export", "small files"): (0, ""),
    ("new worker", "no streams"): (0, ""),
}  # fmt: skip
"""Exit status and sentence by command and place."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    folder.chmod(0o755)
    make_tiny_body(folder / "body")
    write_tiny_data(folder / "data.tsv", 80)
    options = {key: value.format(base=folder) if isinstance(value, str) else value for key, value in OPTIONS.items()}
    study = {"base": str(QUICKSTART), "overrides": options, "factors": {"model.lr": [0.01]}, "name": "tiny"}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(study))
    (folder / "new.yaml").write_text(yaml.safe_dump({**study, "name": "new"}))
    row = {"name": "a", "config": str(QUICKSTART), "seeds": 1, "options": options, "published": 90, "parameters": 9}
    table = {"title": "Table", "rows": [row]}
    (folder / "table.yaml").write_text(yaml.safe_dump(table))
    (folder / "origin").mkdir()
    told = {
        "prepare": [FIT, [*FIT, "--model.lr=0.02"], COMMANDS["worker"]],
        "cases": [[f"{command} | {place}", COMMANDS[command], place] for command, place in CASES],
    }
    (folder / "cases.json").write_text(json.dumps(told))
    variables = {**environment(), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"}
    script = Path(ROOT) / "tests" / "environments.py"
    subprocess.run([sys.executable, str(script), str(folder)], env=variables, check=True, timeout=600)
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize(("command", "place"), CASES)
def test_a_command_works_or_prints_one_sentence(results, command, place):
    status, sentence = CASES[command, place]
    found = results[f"{command} | {place}"]
    if found["status"] == 77:
        pytest.skip("needs root and name spaces of mounts")
    assert (found["status"], "Traceback" in found["err"], "ignored" in found["err"]) == (status, False, False), found
    lines = [line for line in found["err"].splitlines() if line.startswith("qlit") and "was moved" not in line]
    if sentence:
        assert sentence in lines[-1]
        assert len(lines[-1]) <= 300
    if status == 1 and sentence != NO_SPACE:
        assert found["out"] == ""
    assert set(found["runs"]) <= {"FINISHED"}, found
    if command == "predict" and status == 0 and place not in ("no stdout", "no streams"):
        assert found["out"] == results["predict | plain"]["out"] != ""
