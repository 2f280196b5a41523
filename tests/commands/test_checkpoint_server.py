"""A checkpoint chooses neither the server of a run nor a device that charges."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
import yaml
from checkpoint_models import model_of_config
from commands.runs import tiny_head
from tiny_body import make_tiny_body, write_tiny_data

from qlit.cli import main
from qlit.jobs.config.checkpoint_config import check_remote_devices, config_to_use, remote_devices
from qlit.runtime.allowed import allowing

HEAD = tiny_head()


def kept(text):
    return yaml.safe_load(text).get("tracking")


@pytest.fixture
def server():
    """A server of an attacker; the headers of the requests that it received."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"OK")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_): ...

    made = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}", seen
    made.shutdown()
    made.server_close()


def checkpoint(folder, **tracking):
    torch.manual_seed(0)
    body, data = make_tiny_body(folder / "body"), write_tiny_data(folder / "data.tsv", 60)
    config = {
        "model": {"head": HEAD},
        "data": {"source": str(data), "body": str(body), "num_per_label": 10, "train_fraction": 0.8},
        "trainer": {"accelerator": "cpu"},
        "tracking": tracking,
    }
    text = yaml.safe_dump(config)
    module, _ = model_of_config(text)
    # Without label names and sentences: a checkpoint of an older version, which is scored on any data.
    notes = {"config": text, "dataset": "tiny", "run_id": "0" * 32}
    path = folder / "x.ckpt"
    state = {"epoch": 0, "global_step": 1, "pytorch-lightning_version": "2.6.6", "state_dict": module.state_dict()}
    torch.save({**state, "qlit": notes}, path)
    return path


def test_a_checkpoint_sends_neither_credentials_nor_results_to_its_server(tmp_path, monkeypatch, server, capsys):
    uri, seen = server
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wallaby")
    path = checkpoint(tmp_path, experiment="theirs", tracking_uri=uri, run_id="1" * 32, parent_run_id="2" * 32)
    status = main(["test", "--ckpt_path", str(path)])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert seen == []
    assert f"note: The checkpoint names the MLflow store {uri}, which is not used; choose" in err
    assert f"sqlite:///{tmp_path}/mlruns/mlflow.db" in out
    # Whoever types the command may choose it.
    assert main(["test", "--ckpt_path", str(path), "--tracking.tracking_uri", uri]) == 1
    assert {each["Authorization"] for each in seen} == {"Basic bWU6d2FsbGFieQ=="}


def test_a_run_s_name_and_tags_are_kept_and_its_server_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracking = {"experiment": "e", "run_name": "r", "tags": {"a": "b"}, "run_id": "x", "parent_run_id": "y"}
    text, notices = config_to_use(yaml.safe_dump({"model": {}, "tracking": {**tracking, "tracking_uri": None}}), [])
    assert (kept(text), notices) == ({"experiment": "e", "run_name": "r", "tags": {"a": "b"}}, [])
    assert config_to_use("model: {lr: 1e-3}\nseed_everything: 1\n", []) == (
        "model:\n  lr: 1e-3\nseed_everything: 1\n",
        [],
    )


@pytest.mark.parametrize(
    ("named", "own"),
    [
        ("sqlite:///mlruns/mlflow.db", None),
        ("sqlite:///other/m.db", "sqlite:///other/m.db"),
        ("http://host:5000", "http://host:5000"),
        ("http://***@host:5000", "http://me:wallaby@host:5000"),
    ],
)
def test_the_default_store_needs_no_notice(tmp_path, monkeypatch, named, own):
    monkeypatch.chdir(tmp_path)
    if own is None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    text = yaml.safe_dump({"tracking": {"tracking_uri": named}})
    assert config_to_use(text, []) == ("tracking: {}\n", [])
    (notice,) = config_to_use(yaml.safe_dump({"tracking": {"tracking_uri": "http://me:kangaroo@x\n"}}), [])[1]
    assert "kangaroo" not in notice.text
    assert "\n" not in notice.text
    assert config_to_use(text.replace("host", "x"), ["--tracking.tracking_uri", "http://y"])[1] == []


@pytest.mark.parametrize("text", ["7", "[1]", "x"])
def test_a_file_that_is_not_a_config_is_refused(text):
    with pytest.raises(ValueError, match="must be keys with values"):
        config_to_use(text, [])


def head_on(engine):
    pqc = {"num_qubits": 2, "num_reuploads": 1, "engine": engine, "sampler": "device", "shots": 10}
    head = {**HEAD, "init_args": {**HEAD["init_args"], "pqc": pqc}}
    return model_of_config(yaml.safe_dump({"model": {"head": head}, "data": {}}))[0].head


def test_a_device_that_may_charge_is_used_only_if_the_command_names_it():
    head = head_on("pennylane:ionq.qpu,backend=aria-1")
    assert remote_devices(head) == ["ionq.qpu"]
    with pytest.raises(ValueError, match=r"device ionq.qpu, which may charge .* add --allow ionq.qpu"):
        check_remote_devices(head)
    with pytest.raises(ValueError, match="may charge"):
        check_remote_devices(head, ["--model.head.encoder.engine", "native"])
    check_remote_devices(head, ["--model.head.pqc.engine", "pennylane:ionq.qpu,backend=aria-1"])
    check_remote_devices(head, ["--model.head.pqc.engine=pennylane:ionq.qpu,backend=aria-1"])
    with allowing(["ionq.qpu"]):
        check_remote_devices(head)
    check_remote_devices(head_on("pennylane:default.qubit"))
