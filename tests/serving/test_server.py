"""The HTTP server: answers, refusals, and many requests together."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
import uvicorn

from qlit.runtime.errors import UsageError
from qlit.serving.batcher import Batcher, OverloadedError
from qlit.serving.limits import Limits
from qlit.serving.predictor import Predictor
from qlit.serving.server import listen, make_app

LIMITS = Limits(max_sentences=4, max_chars=50)


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return Predictor.from_checkpoint(checkpoint)


@contextmanager
def running(predictor, limits=None) -> Iterator[str]:
    """Address of a real server on this machine."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(predictor, limits), log_level="error"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Client:
    """Requests to one server."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path):
        return requests.get(self.address + path, timeout=60)

    def post(self, path, **content):
        return requests.post(self.address + path, timeout=60, **content)


@pytest.fixture(scope="module")
def client(predictor):
    with running(predictor, LIMITS) as address:
        yield Client(address)


def test_sentences_are_labelled(client, predictor):
    sentences = ["good film", "a dull film"]
    answer = client.post("/predict", json={"sentences": sentences})
    assert answer.status_code == 200
    expected = predictor.predict(sentences)
    assert answer.json()["predictions"] == [
        {"label": each.label, "probability": each.probability, "probabilities": each.probabilities} for each in expected
    ]


def test_the_server_describes_itself(client, predictor):
    assert client.get("/health").json() == {"status": "ok"}
    found = client.get("/model").json()
    assert found["labels"] == ["bad", "good"]
    assert found["body"] == predictor.body.name
    assert found["limits"] == {"max_sentences": 4, "max_chars": 50, "max_waiting": 10_000}


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        ('{"sentences": []}', 422, "1 to 4 sentences, but got 0"),
        ('{"sentences": ["a", "a", "a", "a", "a"]}', 422, "1 to 4 sentences, but got 5"),
        ('{"sentences": ["a", " "]}', 422, "Sentence 2 is blank"),
        ('{"sentences": ["\\ud800"]}', 422, "must be UTF-8 text, but sentence 1"),
        ('{"sentences": ["%s"]}' % ("x" * 51), 422, "at most 50 characters, but sentence 1 has 51"),
        ('{"sentences": "good film"}', 422, "sentences: Input should be a valid list"),
        ('{"sentences": [5]}', 422, "sentences.0: Input should be a valid string"),
        ('{"texts": ["good film"]}', 422, "sentences: Field required"),
        ('{"sentences": ["a"], "more": 1}', 422, "more: Extra inputs are not permitted"),
        ("sentences", 422, "JSON decode error"),
        ('{"sentences": ["%s"]}' % ("x" * 1_000_000), 413, "at most 6,496 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_gets_one_sentence(client, content, status, reason):
    answer = client.post("/predict", data=content.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert reason in answer.json()["error"]
    assert client.get("/health").status_code == 200


def test_an_unknown_address_is_named_with_the_known_ones(client):
    answer = client.get("/label")
    assert answer.status_code == 404
    assert "use POST /predict" in answer.json()["error"]
    assert client.get("/predict").status_code == 405


def test_a_request_without_a_length_is_limited_too(client):
    def parts():
        for _ in range(100):
            yield b"x" * 1000

    assert client.post("/predict", data=parts()).status_code == 413


def test_an_unexpected_failure_tells_the_client_nothing_of_the_server(client, predictor, monkeypatch, capsys):
    def fail(_):
        raise RuntimeError("/home/me/secret is broken")

    monkeypatch.setattr(predictor, "prepared", fail)
    answer = client.post("/predict", json={"sentences": ["good film"]})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError: /home/me/secret is broken" in capsys.readouterr().err


def test_200_requests_together_get_their_own_answers(predictor, monkeypatch):
    sizes, prepared = [], predictor.prepared

    def counted(sentences):
        sizes.append(len(sentences))
        return prepared(sentences)

    words = ("good", "bad", "dull", "fine", "very")
    groups = [[f"{words[n % 5]} film", f"a {words[n // 5 % 5]} {words[n // 25 % 5]} film"] for n in range(200)]
    expected = [[each.probabilities for each in predictor.predict(group)] for group in groups]
    monkeypatch.setattr(predictor, "prepared", counted)

    with running(predictor) as address, ThreadPoolExecutor(200) as pool:

        def ask(sentences):
            answer = Client(address).post("/predict", json={"sentences": sentences})
            assert answer.status_code == 200
            return [each["probabilities"] for each in answer.json()["predictions"]]

        answers = list(pool.map(ask, groups))
    for answer, wanted in zip(answers, expected, strict=True):
        assert [each["good"] for each in answer] == pytest.approx([each["good"] for each in wanted], abs=1e-6)
    assert sum(sizes) == 400
    assert len(sizes) < 200  # requests that wait are embedded together


def test_a_request_that_fails_does_not_fail_those_beside_it(predictor, monkeypatch):
    prepared = predictor.prepared

    def refuses_one(sentences):
        if "bad film" in sentences:
            raise ValueError("the body fails")
        return prepared(sentences)

    monkeypatch.setattr(predictor, "prepared", refuses_one)

    async def ask():
        batcher = Batcher(predictor, max_waiting=100)
        texts = [["good film"], ["bad film"], ["a film"]]
        return await asyncio.gather(*(batcher.predict(each) for each in texts), return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert first == predictor.predict(["good film"])
    assert str(second) == "the body fails"
    assert third == predictor.predict(["a film"])


def test_what_waits_is_limited(predictor):
    async def ask():
        batcher = Batcher(predictor, max_waiting=3)
        texts = [["good film"] * 2, ["a film"] * 2]
        return await asyncio.gather(*(batcher.predict(each) for each in texts), return_exceptions=True)

    first, second = asyncio.run(ask())
    assert len(first) == 2
    assert isinstance(second, OverloadedError)
    assert "2 sentences wait already" in str(second)


def test_limits_and_addresses_are_checked():
    with pytest.raises(ValueError, match="`max_chars >= 1` must hold, but got 0"):
        Limits(max_chars=0)
    with listen("127.0.0.1", 0) as taken, pytest.raises(UsageError, match=r"cannot listen on 127.0.0.1:\d+ \(.*in use"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UsageError, match="a port must be from 0 to 65535, but got 70000; choose another --port"):
        listen("127.0.0.1", 70_000)
