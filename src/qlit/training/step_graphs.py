"""A training step recorded in CUDA graphs, one per batch size, and what such a step must not do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from qlit.training.turns import turns_of_thread

_WARM_UP = 3  # steps before a recording, in which libraries and caches allocate what they keep; as torch advises

# Operations whose results have a shape, or a place, that depends on numbers of the device.
_READS = (
    *("_local_scalar_dense", "is_nonzero", "equal", "allclose"),
    *("nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount"),
    *("lift_fresh", "lift_fresh_copy"),  # a tensor of Python's numbers, which a recording would repeat
)


class NotReplayableError(RuntimeError):
    """A step does something that a CUDA graph cannot repeat."""


@final
class ReplayableOnly(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Context in which an operation that a CUDA graph cannot repeat raises a `NotReplayableError`.

    `inputs` are the tensors that operations read but none returned, which must stay alive as long as the graph does.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inputs: list[Tensor] = []
        self.operations: list[tuple[str, tuple[torch.Size, ...]]] = []
        """Name of every operation and shapes of its results: equal for all steps of a batch size."""
        # Storages seen. Results are not held, so that their memory is used again as in a step without this context: a
        # storage in place of a freed result is a result, too.
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = func.overloadpacket.__name__, _tensors((args, list((kwargs or {}).values())))
        if name in _READS or (name == "repeat_interleave" and func._overloadname == "Tensor"):
            raise NotReplayableError(f"the step reads numbers on the host ({name})")
        if name.startswith("index") and any(each.dtype in (torch.bool, torch.uint8) for each in given[1:]):
            raise NotReplayableError(f"the step selects by a mask ({name})")
        results = func(*args, **(kwargs or {}))
        returned = _tensors(results)
        if len({each.device for each in (*given, *returned)}) > 1:
            raise NotReplayableError(f"the step copies between devices ({name})")
        for each in given:
            if self._is_new(each):
                self.inputs.append(each)
        for each in returned:
            self._is_new(each)
        self.operations.append((str(func), tuple(each.shape for each in returned)))
        return results

    def _is_new(self, tensor: Tensor) -> bool:
        key = tensor.untyped_storage()._cdata
        if key in self._known:
            return False
        self._known.add(key)
        return True


def _tensors(nested: Any) -> list[Tensor]:
    if isinstance(nested, Tensor):
        return [nested]
    return [each for part in nested for each in _tensors(part)] if isinstance(nested, list | tuple) else []


@final
class StepGraphs:
    """Runs steps, by CUDA graphs once they have been recorded.

    The first steps of a batch size run as they are. Then one is recorded, and later ones repeat the recording. A step
    that cannot be recorded runs as it is, and `failure` has the reason. Unverified on a GPU.

    Args:
        step: Runs a step of a batch size, by the same operations on the same tensors every time.
        device: The GPU; on a CPU, all steps run as they are.
    """

    def __init__(self, step: Callable[[int], None], device: torch.device) -> None:
        self._step, self._device = step, device
        self._num_run: dict[int, int] = {}
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Sequence[Tensor]]] = {}
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None
        self.failure: str | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Context for `run`: steps follow earlier work of the device, and later work follows them."""
        if self._stream is None:
            yield
            return
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outside.wait_stream(self._stream)

    def run(self, size: int) -> None:
        """Run a step of a batch size."""
        if size not in self._graphs and self._can_record(size):
            self._record(size)
        if size in self._graphs:
            self._graphs[size][0].replay()
            return
        self._step(size)
        if self._stream is not None and turns_of_thread() is not None:
            self.wait()  # other threads may read what a first step caches, in other streams
        self._num_run[size] = self._num_run.get(size, 0) + 1

    def wait(self) -> None:
        """Return when the device has finished all steps."""
        if self._stream is not None:
            self._stream.synchronize()

    def _can_record(self, size: int) -> bool:
        return self._stream is not None and self.failure is None and self._num_run.get(size, 0) >= _WARM_UP

    def _record(self, size: int) -> None:
        graph, guard = torch.cuda.CUDAGraph(), ReplayableOnly()
        # By thread, because other threads may use the GPU meanwhile.
        context = torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local")
        try:
            with context, guard:
                self._step(size)
        except (RuntimeError, ValueError) as error:
            # The end of a recording that has failed raises an error of its own.
            self.failure = " ".join(str(error.__context__ or error).split())[:300]
            return
        self._graphs[size] = (graph, guard.inputs)
