"""A PQC that is a PennyLane QNode of one's own.

Shapes: B batch, Q input angles, W outputs.
"""

import inspect
import math
import typing
from typing import Any, final

import torch
from torch import Tensor, nn

from qlit.engines import object_at
from qlit.engines.pennylane_devices import Device
from qlit.heads.base import check_finite
from qlit.heads.pqc_protocol import check_outputs, try_pqc

_MAX_WEIGHTS = 2**24


@final
class QNodePQC(nn.Module):
    """A PennyLane QNode: input angles and weights in, expectation values out, differentiated by PennyLane.

    The QNode is called once per batch, as `qnode(angles, **weights)`, with angles of shape (B, Q): circuits take angle
    k as `angles[..., k]`, or all by `qml.AngleEmbedding`. It returns `qml.expval` of W observables, in a list if there
    are several. Before any training the QNode runs once, on angles of zero, if its device is a simulator of PennyLane.

    Args:
        num_qubits: Q, input angles of a sample (radians), at least 1.
        qnode: Import path of the QNode, or of a function without arguments that returns it, annotated so
            (`def mine() -> qml.QNode`).
        weight_shapes: Shape of every other argument of the QNode by its name: {"weights": [2, 6, 3]}, or a number for a
            vector.
        num_outputs: W, number of expectation values, at least 1.
        init_std: Standard deviation of the normal distribution the starting weights are drawn from, radians.

    Raises:
        ValueError: If PennyLane is not installed, the QNode is not found or takes other arguments, it returns another
            number of values than W, or a number is out of range.
    """

    def __init__(
        self,
        num_qubits: int,
        qnode: str,
        weight_shapes: dict[str, int | list[int]],
        *,
        num_outputs: int = 1,
        init_std: float = 0.1,
    ) -> None:
        super().__init__()
        for name, value in (("num_qubits", num_qubits), ("num_outputs", num_outputs)):
            if value < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={value}.")
        check_finite("init_std", init_std, least=0)
        if missing := Device("default.qubit").missing():
            raise ValueError(missing)
        self.num_qubits, self.num_outputs, self.path = num_qubits, num_outputs, qnode
        self._qnode, self._batched = _found(qnode)
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(init_std * torch.randn(shape)) for name, shape in self._shapes(weight_shapes).items()}
        )
        if Device(self._device_name).is_local:
            try_pqc(self)
            self._check_trains()

    def forward(self, angles_BQ: Tensor) -> Tensor:
        """Expectation values of the QNode, of the type of the angles, shape (B, W)."""
        if not len(angles_BQ):
            values: Tensor = angles_BQ.new_zeros(0, self.num_outputs)
            for weight in self.weights.values():
                values = values + 0 * weight.sum()
            return values
        results = self._batched(angles_BQ, **dict(self.weights.items()))
        if isinstance(results, tuple | list):
            results = torch.stack([torch.as_tensor(each) for each in results], dim=-1)
        if isinstance(results, Tensor):
            if results.dim() == 1 and self.num_outputs == 1:
                results = results.unsqueeze(1)
            results = results.to(angles_BQ)
        return check_outputs(
            self,
            angles_BQ,
            results,
            name=f"The QNode {self.path!r}",
            way_out=": set `num_outputs` to the number of measured observables, and read angle k as `angles[..., k]`, "
            "because angles come as a batch",
        )

    @property
    def randomness(self) -> str:
        """What random draws the outputs are estimated from; "" if they are exact."""
        shots = self._qnode.shots.total_shots
        return "" if shots is None else f"{shots:,} shots without a seed"

    def make_exact(self) -> None:
        """Do nothing if outputs are exact.

        Raises:
            ValueError: If the QNode has shots.
        """
        if self.randomness:
            raise ValueError(f"The QNode {self.path!r} measures with shots: leave out --exact, or take its shots out.")

    def _check_trains(self) -> None:
        angles_1Q = torch.zeros(1, self.num_qubits, requires_grad=True)
        with torch.enable_grad():
            if not self(angles_1Q).requires_grad:
                raise ValueError(
                    f"The QNode {self.path!r} gives torch no gradients, so it cannot be trained: leave out its "
                    "`interface`, and let what it measures depend on its angles."
                )

    @property
    def _device_name(self) -> str:
        return str(self._qnode.device.name)

    def _shapes(self, given: dict[str, int | list[int]]) -> dict[str, list[int]]:
        """Shapes of the weights, after checking them against the arguments of the QNode."""
        arguments = list(inspect.signature(self._qnode.func).parameters.values())
        names = [each.name for each in arguments if each.default is inspect.Parameter.empty][1:]
        if not arguments or not set(names) <= given.keys() <= {each.name for each in arguments[1:]}:
            takes = f"({', '.join(each.name for each in arguments)})"
            raise ValueError(
                f"The QNode {self.path!r} takes {takes}: its first argument gets the angles, so `weight_shapes` must "
                f"name {', '.join(names) or 'no other'}, but names {', '.join(given) or 'nothing'}."
            )
        shapes = {name: [shape] if isinstance(shape, int) else list(shape) for name, shape in given.items()}
        for name, shape in shapes.items():
            if any(size < 1 for size in shape) or math.prod(shape) > _MAX_WEIGHTS:
                raise ValueError(
                    f"A shape of weights has sizes of at least 1 and at most {_MAX_WEIGHTS:,} numbers, but {name} has "
                    f"the shape {shape}."
                )
        return shapes

    def __getstate__(self) -> dict[str, Any]:
        return {
            key: value for key, value in self.__dict__.items() if key not in ("_qnode", "_batched")
        }  # devices cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._qnode, self._batched = _found(self.path)


def _found(path: str) -> tuple[Any, Any]:
    """The QNode with an import path, and the QNode for a batch of angles."""
    import pennylane as qml

    node = _node(path)
    by_backprop = node.diff_method in ("best", "backprop") and node.device.name in ("default.qubit", "default.mixed")
    if by_backprop and node.shots.total_shots is None:
        return node, node
    # PennyLane's other gradients take no batches: one circuit per sample.
    return node, qml.transforms.broadcast_expand(node)


def _node(path: str) -> Any:
    import pennylane as qml

    found, kind = object_at(path, "a QNode"), typing.cast(type, qml.QNode)
    if isinstance(found, kind):
        return found
    # Only a function that says so is called: a config of somebody else may name any function.
    try:
        returned = typing.get_type_hints(found).get("return")
    except (NameError, TypeError):
        returned = None
    if returned is not kind:
        raise ValueError(
            f"{path!r} is neither a PennyLane QNode nor a function that is annotated to return one, "
            f"`def {path.rpartition('.')[2]}() -> qml.QNode`."
        )
    try:
        made = found()
    except Exception as error:  # a function of a user may raise anything
        raise ValueError(f"{path!r} could not make its QNode: {type(error).__name__}: {error}") from error
    if not isinstance(made, kind):
        raise ValueError(f"{path!r} must return a PennyLane QNode, but returned a {type(made).__name__}.")
    return made
