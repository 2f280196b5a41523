"""Answer many small requests with few calls of the body.

Shapes: N sentences of one request.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import final

import torch
from torch import Tensor

from qlit.serving.predictor import Prediction, Predictor

_MAX_SENTENCES = 256  # of one call of the body


class OverloadedError(RuntimeError):
    """Too many sentences wait already."""


@final
class Batcher:
    """Collects the requests that arrive while the model works, and embeds their sentences together.

    The head runs once per request, so that a request with a sentence that the head refuses does not fail others.

    Args:
        predictor: The model. One thread uses it, because torch uses all cores for one call.
        max_waiting: Number of sentences that may wait; more are refused.
    """

    def __init__(self, predictor: Predictor, *, max_waiting: int) -> None:
        self._predictor, self._max_waiting = predictor, max_waiting
        self._waiting: deque[tuple[list[str], asyncio.Future[list[Prediction]]]] = deque()
        self._num_waiting = 0
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "qlit-model")

    async def predict(self, sentences: list[str]) -> list[Prediction]:
        """Label N >= 1 sentences.

        Raises:
            OverloadedError: If too many sentences wait.
            ValueError: If the model cannot label one of these sentences.
        """
        if self._num_waiting and self._num_waiting + len(sentences) > self._max_waiting:
            raise OverloadedError(f"{self._num_waiting:,} sentences wait already; try again later.")
        answer: asyncio.Future[list[Prediction]] = asyncio.get_running_loop().create_future()
        self._waiting.append((sentences, answer))
        self._num_waiting += len(sentences)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = self._next_batch()
            requests = [sentences for sentences, _ in batch]
            answers = await loop.run_in_executor(self._thread, self._answer, requests)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():  # its client has gone
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _next_batch(self) -> list[tuple[list[str], "asyncio.Future[list[Prediction]]"]]:
        batch: list[tuple[list[str], asyncio.Future[list[Prediction]]]] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0][0]) <= _MAX_SENTENCES):
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0])
        self._num_waiting -= size
        return batch

    def _answer(self, requests: Sequence[list[str]]) -> list[list[Prediction] | Exception]:
        """Predictions for every request, or the exception that it caused."""
        try:
            embeddings, _ = self._predictor.prepared([sentence for request in requests for sentence in request])
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [answer for request in requests for answer in self._answer([request])]  # one of them is the cause
        parts: Sequence[Tensor | None] = [None] * len(requests)
        if embeddings is not None:
            parts = torch.split(embeddings, [len(request) for request in requests])
        return [self._answer_of(part, request) for part, request in zip(parts, requests, strict=True)]

    def _answer_of(self, embeddings: Tensor | None, sentences: list[str]) -> list[Prediction] | Exception:
        try:
            return self._predictor.predictions(self._predictor.logits_of(embeddings, sentences))
        except Exception as error:
            return error

    def close(self) -> None:
        """Wait for the model to finish, and end its thread."""
        self._thread.shutdown()
