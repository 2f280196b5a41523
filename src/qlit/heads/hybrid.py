"""The hybrid head: encoder(s), re-uploading PQC and an optional linear layer, from embedding to logits."""

from collections.abc import Callable, Sequence
from typing import Self, final

import torch
from torch import Tensor, nn

from qlit.heads.base import NUM_CLASSES, Head, check_classes
from qlit.heads.encoders import Encoder
from qlit.heads.pqc import ReuploadingPQC

# Without a linear layer the probability (1 + <Z>) / 2 may be 0 or 1, whose logit is infinite.
_LARGEST_Z = 1 - 1e-6

_NO_GRAPH = (
    "The circuits of a HybridHead run in an engine, which TorchScript, torch.export and ONNX cannot record: export "
    "them as OpenQASM programs with `qlit export`, or use torch.compile."
)


@final
class HybridHead(Head):
    """Embedding (B, D) -> logits: (B, 1) for two classes, (B, k) for k > 2.

    Args:
        encoder: Encoder class, called with the number of angles of the PQC.
        pqc: The re-uploading PQC.
        final_linear: Whether a linear layer computes the logits from the measured <Z>. Without it, the probability of
            class 1 is (1 + <Z>) / 2 of the one measured wire; for k > 2 classes the logits are the <Z> of k wires.
        num_classes: k, at least 2; null for the number of labels in the data, or 2 without data.

    Raises:
        ValueError: If the number of measured wires does not match the classes.
    Source: arXiv:2504.08732, Fig. 4, sec. III; without the linear layer Table IV.
    """

    def __init__(
        self,
        encoder: Callable[[int], Encoder],
        pqc: ReuploadingPQC,
        *,
        final_linear: bool = True,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        num_classes = NUM_CLASSES if num_classes is None else num_classes
        self.num_classes = check_classes(num_classes)
        self.num_logits = 1 if num_classes == 2 else num_classes
        num_measured = len(pqc.measured_wires)
        if not final_linear and num_measured != self.num_logits:
            raise ValueError(
                f"Without a final linear layer {num_classes} classes need {self.num_logits} measured wires, but got "
                f"{num_measured}. Set the PQC's `measured_wires`, or `final_linear: true`."
            )
        self.encoder = encoder(pqc.num_qubits)
        self.pqc = pqc
        self.linear = nn.Linear(num_measured, self.num_logits) if final_linear else None

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        if torch._C._get_tracing_state() is not None or torch.compiler.is_exporting():
            raise RuntimeError(_NO_GRAPH)
        if torch.compiler.is_compiling():  # engines are no torch code that a compiler could read
            run: Callable[[Tensor], Tensor] = torch.compiler.disable(self._logits)  # type: ignore[no-untyped-call]
            return run(embeddings_BD)
        return self._logits(embeddings_BD)

    def __prepare_scriptable__(self) -> Self:
        raise RuntimeError(_NO_GRAPH)

    def _logits(self, embeddings_BD: Tensor) -> Tensor:
        device_type = embeddings_BD.device.type
        if not torch.is_autocast_enabled(device_type):
            return self.logits(self._measured(embeddings_BD))
        # Amplitudes and angles need full precision, also the angles of learned encoders.
        with torch.autocast(device_type, enabled=False):
            z_BW = self._measured(embeddings_BD.to(self.pqc.theta.dtype))
        return self.logits(z_BW)

    def _measured(self, embeddings_BD: Tensor) -> Tensor:
        return self.pqc(self.encoder.angles_for(self.pqc.engine, embeddings_BD))  # type: ignore[no-any-return]

    def logits(self, z_BW: Tensor) -> Tensor:
        """Logits, shape (B, 1) or (B, k), of the measured <Z>, shape (B, W)."""
        if self.linear is not None:
            logits: Tensor = self.linear(z_BW)
            return logits
        if self.num_classes > 2:
            return z_BW
        return 2 * torch.atanh(z_BW.clamp(-_LARGEST_Z, _LARGEST_Z))  # the logit of (1 + z) / 2

    def check_features(self, num_features: int) -> None:
        self.encoder.check_features(num_features)

    @property
    def needs(self) -> str:
        return self.encoder.needs

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        return self.encoder.unusable(embeddings_BD)

    def fit_center(self, embeddings_BD: Tensor) -> None:
        self.encoder.fit_center(embeddings_BD)

    def seed_shots(self, seed: int, first_row: int, num_rows: int) -> None:
        self.pqc.seed_shots(seed, first_row, num_rows)

    def seed_rows(self, seeds: Sequence[int]) -> None:
        self.pqc.seed_rows(seeds)

    @property
    def randomness(self) -> str:
        return self.pqc.randomness

    def make_exact(self) -> None:
        self.pqc.make_exact()
