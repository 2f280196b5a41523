"""CUDA graphs on the CPU: operations are recorded with their tensors, and repeated on the same memory.

As with a CUDA graph, a recording changes no tensor, a repetition calls no Python of the step, and numbers that the step
gave as Python's own are repeated as they were.
"""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def _tensors(nested):
    if isinstance(nested, torch.Tensor):
        return [nested]
    return [each for part in nested for each in _tensors(part)] if isinstance(nested, list | tuple) else []


class CpuGraph(TorchDispatchMode):
    """Stands in for `torch.cuda.CUDAGraph`."""

    made: list["CpuGraph"] = []  # noqa: RUF012 - of a test, which clears it

    def __init__(self):
        super().__init__()
        self.calls, self.num_replays, self._before, self._own = [], 0, {}, set()
        self.made.append(self)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in _tensors((args, list(kwargs.values()))):
            key = tensor.untyped_storage().data_ptr()
            if key not in self._own and key not in self._before:
                self._before[key] = (tensor.untyped_storage(), tensor.untyped_storage().clone())
        results = func(*args, **kwargs)
        for tensor in _tensors(results):
            if tensor.untyped_storage().data_ptr() not in self._before:
                self._own.add(tensor.untyped_storage().data_ptr())
        self.calls.append((func, args, kwargs, results))  # keeps all tensors, so that no memory is used twice
        return results

    def undo(self):
        for storage, before in self._before.values():
            storage.copy_(before)

    def replay(self):
        self.num_replays += 1
        with torch.no_grad():
            for func, args, kwargs, results in self.calls:
                again = func(*args, **kwargs)
                for old, new in zip(_tensors(results), _tensors(again), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Stream:
    """Stands in for `torch.cuda.Stream`."""

    def __init__(self, device=None):
        pass

    def wait_stream(self, stream):
        pass

    def synchronize(self):
        pass


@contextmanager
def _graph(graph, pool=None, stream=None, capture_error_mode="global"):  # noqa: ARG001
    assert capture_error_mode == "thread_local"
    try:
        with graph:
            yield
    finally:
        graph.undo()


@contextmanager
def _stream(stream):  # noqa: ARG001
    yield


def install(monkeypatch):
    """Have `torch.cuda` record on the CPU; returns the graphs that it makes."""
    monkeypatch.setattr(CpuGraph, "made", [])
    replacements = {"CUDAGraph": CpuGraph, "graph": _graph, "Stream": Stream, "stream": _stream}
    for name, replacement in replacements.items():
        monkeypatch.setattr(torch.cuda, name, replacement)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _device: Stream())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    return CpuGraph.made
