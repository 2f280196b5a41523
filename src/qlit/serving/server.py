"""A model behind an HTTP server: JSON in, JSON out."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, final

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import qlit
from qlit.data.pairs import paired
from qlit.data.sentences import check_is_text
from qlit.runtime.errors import UsageError
from qlit.runtime.retry import first_line, say
from qlit.serving.batcher import Batcher, OverloadedError
from qlit.serving.limits import Limits
from qlit.serving.predictor import Predictor

_READ_ON = 4  # times the limit, of a request that is too large


class Sentences(BaseModel):
    """Body of a request."""

    model_config = ConfigDict(extra="forbid", strict=True)
    sentences: list[str]


class Pairs(BaseModel):
    """Body of a request to a model of pairs."""

    model_config = ConfigDict(extra="forbid", strict=True)
    pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


def make_app(predictor: Predictor, limits: Limits | None = None) -> FastAPI:
    """The server's application: POST /predict, GET /health and GET /model.

    Errors are answered as {"error": "one sentence"}: 413 for a request that is too large, 422 for one that is
    malformed, 503 while too many sentences wait.

    Args:
        predictor: The model.
        limits: Limits of requests.
    """
    limits = limits or Limits()
    batcher = Batcher(predictor, max_waiting=limits.max_waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        batcher.close()

    app = FastAPI(title="qlit", version=qlit.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(_SizeLimit, max_bytes=limits.max_bytes * (2 if predictor.are_pairs else 1))

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        form = '{"pairs": [["...", "..."]]}' if predictor.are_pairs else '{"sentences": ["..."]}'
        return _refusal(422, f"The request must be JSON like {form}: {_in_words(error)}.")

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        return _refusal(error.status_code, f"{error.detail}: use POST /predict, GET /health or GET /model.")

    @app.exception_handler(OverloadedError)
    async def overloaded(_: Request, error: OverloadedError) -> Response:
        return _refusal(503, str(error), {"Retry-After": "1"})

    @app.exception_handler(ValueError)
    async def refused(_: Request, error: ValueError) -> Response:
        return _refusal(422, str(error))

    @app.middleware("http")
    async def without_traceback(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            return await call(request)
        except Exception as error:
            say(f"a request failed: {first_line(error)}")
            return _refusal(500, "The model failed on this request; the server's log has the reason.")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        return {
            "labels": list(predictor.label_names),
            "takes": "pairs" if predictor.are_pairs else "sentences",
            "body": predictor.body.name,
            "dataset": predictor.notes.get("dataset"),
            "run_id": predictor.notes.get("run_id"),
            "limits": asdict(limits),
        }

    async def answer(texts: list[str]) -> dict[str, Any]:
        return {"predictions": [asdict(found) for found in await batcher.predict(texts)]}

    if predictor.are_pairs:

        @app.post("/predict")
        async def predict_pairs(given: Pairs) -> dict[str, Any]:
            _check_number(len(given.pairs), "pairs", limits)
            for number, pair in enumerate(given.pairs, 1):
                for place, sentence in zip(("first", "second"), pair, strict=True):
                    _check(sentence, f"the {place} sentence of pair {number}", limits)
            return await answer([paired(first, second) for first, second in given.pairs])
    else:

        @app.post("/predict")
        async def predict(given: Sentences) -> dict[str, Any]:
            _check_number(len(given.sentences), "sentences", limits)
            for number, sentence in enumerate(given.sentences, 1):
                _check(sentence, f"sentence {number}", limits)
            return await answer(given.sentences)

    return app


def _check_number(number: int, noun: str, limits: Limits) -> None:
    if not 1 <= number <= limits.max_sentences:
        raise ValueError(f"A request must have 1 to {limits.max_sentences:,} {noun}, but got {number:,}.")


def _check(sentence: str, name: str, limits: Limits) -> None:
    if len(sentence) > limits.max_chars:
        raise ValueError(
            f"A sentence must have at most {limits.max_chars:,} characters, but {name} has {len(sentence):,}."
        )
    if not sentence.strip():
        raise ValueError(f"{name[0].upper()}{name[1:]} is blank.")
    check_is_text(sentence, name)


def _refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers)


def _in_words(error: RequestValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


@final
class _SizeLimit:
    """Refuse a request with more than `max_bytes` without storing it, whatever its headers say."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []
        size, is_complete = 0, False
        while not is_complete:
            message = await receive()
            if message["type"] != "http.request":  # the client has gone
                return
            size += len(message.get("body", b""))
            if size > self._max_bytes:
                # Without reading on, the client would often see a broken connection instead of the answer.
                while message.get("more_body", False) and size <= _READ_ON * self._max_bytes:
                    message = await receive()
                    size += len(message.get("body", b""))
                text = f"A request must have at most {self._max_bytes:,} bytes."
                await _refusal(413, text, {"Connection": "close"})(scope, receive, send)
                return
            parts.append(message.get("body", b""))
            is_complete = not message.get("more_body", False)
        messages: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UsageError: If the address cannot be used.
    """
    if not 0 <= port < 65_536:
        raise UsageError(f"a port must be from 0 to 65535, but got {port}; choose another --port.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot listen on {host}:{port} ({reason}); choose another --host or --port.") from error


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests on a socket until SIGINT or SIGTERM; open requests are answered first."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
