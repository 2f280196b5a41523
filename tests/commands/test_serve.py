"""`qlit serve`: a real process on this machine."""

import json
import re
import signal
import urllib.request

import pytest
from commands.runs import finish, start_new
from servers import free_port

from qlit.cli import main


@pytest.fixture
def checkpoint(tmp_path, body):
    import torch
    import yaml
    from checkpoint_models import model_of_config

    head = {"class_path": "qlit.heads.LinearHead", "init_args": {"num_features": 8, "num_classes": 2}}
    config = yaml.safe_dump({"model": {"head": head}, "data": {"body": str(body)}})
    module, _ = model_of_config(config)
    notes = {"config": config, "label_names": ["bad", "good"], "dataset": "few", "note": "", "run_id": None}
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": module.state_dict(), "qlit": {**notes, "history": {}}, "epoch": 0}, path)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_answers_until_a_signal(tmp_path, checkpoint, number):
    process = start_new(tmp_path, "serve", str(checkpoint), "--port", "0")
    line = process.stdout.readline()
    address = re.fullmatch(r"serving bad, good on (http://127\.0\.0\.1:\d+)\n", line)[1]
    request = urllib.request.Request(
        f"{address}/predict", json.dumps({"sentences": ["good film"]}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)["predictions"]
    process.send_signal(number)
    status, _, err = finish(process)
    assert status == 128 + number
    assert f"stopped by {number.name}" in err
    assert "Traceback" not in err
    assert [each["label"] for each in found] in (["bad"], ["good"])


def test_a_port_in_use_and_a_wrong_limit_are_refused_before_the_body_is_loaded(checkpoint, capsys, monkeypatch):
    import socket

    monkeypatch.setattr("qlit.serving.predictor.read_checkpoint", lambda *_: pytest.fail("loaded"))
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        assert main(["serve", str(checkpoint), "--port", str(taken.getsockname()[1])]) == 2
    assert "choose another --host or --port" in capsys.readouterr().err
    assert main(["serve", str(checkpoint), "--max_chars", "0"]) == 1
    assert "`max_chars >= 1` must hold" in capsys.readouterr().err
