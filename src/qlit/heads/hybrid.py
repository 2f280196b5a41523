"""The hybrid head: encoder(s), a PQC and an optional linear layer, from embedding to logits."""

from collections.abc import Callable, Sequence
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn

from qlit.heads.base import NUM_CLASSES, Head, check_classes
from qlit.heads.circuit_pqc import CircuitPQC
from qlit.heads.encoders import Encoder, take_centering
from qlit.heads.pqc import ReuploadingPQC
from qlit.heads.pqc_protocol import PQC, check_outputs, checked_pqc, try_pqc
from qlit.heads.preprocessing import Centering, Preprocessing, rename_earlier_means
from qlit.heads.qnode_pqc import QNodePQC

# Without a linear layer the probability (1 + <Z>) / 2 may be 0 or 1, whose logit is infinite.
_LARGEST_Z = 1 - 1e-6
_MOST_ROUNDED_Z = 1 + 1e-4  # float32's rounding, room to spare

_NO_GRAPH = (
    "The circuits of a HybridHead run in an engine, which TorchScript, torch.export and ONNX cannot record: export "
    "them as OpenQASM programs with `qlit export`, or use torch.compile."
)


@final
class HybridHead(Head):
    """Embedding (B, D) -> logits: (B, 1) for two classes, (B, k) for k > 2.

    Args:
        encoder: Encoder class, called with the number of angles of the PQC.
        pqc: The re-uploading PQC; or another one: `AnsatzPQC`, `QNodePQC`, or any torch module that maps angles (B,
            num_qubits) to expectation values (B, num_outputs) and has these two attributes.
        final_linear: Whether a linear layer computes the logits from the measured <Z>. Without it, the probability of
            class 1 is (1 + <Z>) / 2 of the one measured wire; for k > 2 classes the logits are the <Z> of k wires.
        num_classes: k, at least 2; null for the number of labels in the data, or 2 without data.
        preprocessing: Fixed map of the embeddings in front of the encoder, such as `qlit.heads.Centering` or
            `qlit.heads.PrincipalComponents`; null for none, as published.

    Raises:
        ValueError: If the number of measured wires does not match the classes, or the PQC does not do what it should.
    Source: arXiv:2504.08732, Fig. 4, sec. III; without the linear layer Table IV.
    """

    def __init__(
        self,
        encoder: Callable[[int], Encoder],
        pqc: ReuploadingPQC | nn.Module,
        *,
        final_linear: bool = True,
        num_classes: int | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(preprocessing=preprocessing)
        num_classes = NUM_CLASSES if num_classes is None else num_classes
        self.num_classes = check_classes(num_classes)
        self.num_logits = 1 if num_classes == 2 else num_classes
        checked = checked_pqc(pqc)
        if (choose := getattr(pqc, "measure_for", None)) is not None:
            choose(self.num_logits)
        num_measured = checked.num_outputs
        if not final_linear and num_measured != self.num_logits:
            keys = "`measured_wires`" if isinstance(pqc, CircuitPQC) else "`num_outputs`"
            raise ValueError(
                f"Without a final linear layer {num_classes} classes need {self.num_logits} measured wires, but got "
                f"{num_measured}. Set the PQC's {keys}, or `final_linear: true`."
            )
        if not isinstance(pqc, CircuitPQC | QNodePQC):  # these have checked their outputs
            try_pqc(checked)
        self.encoder = encoder(checked.num_qubits)
        if take_centering(self.encoder):
            if preprocessing is not None:
                raise ValueError(
                    "The encoder's `center: true` is an earlier spelling of `preprocessing: qlit.heads.Centering`, but "
                    f"the head has the preprocessing {type(preprocessing).__name__}: leave `center` out."
                )
            self.preprocessing = Centering()
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
            return self.logits(self._measured(self.preprocessed(embeddings_BD)))
        # Amplitudes and angles need full precision, also the angles of learned encoders.
        with torch.autocast(device_type, enabled=False):
            weights = next(self.pqc.parameters(), next(self.parameters(), torch.empty(0)))
            z_BW = self._measured(self.preprocessed(embeddings_BD.to(weights.dtype)))
        return self.logits(z_BW)

    def _measured(self, features_BO: Tensor) -> Tensor:
        if isinstance(self.pqc, CircuitPQC):
            return self.pqc(self.encoder.angles_for(self.pqc.engine, features_BO))  # type: ignore[no-any-return]
        angles_BQ = self.encoder(features_BO)
        z_BW = check_outputs(cast(PQC, self.pqc), angles_BQ, self.pqc(angles_BQ))
        if self.linear is None and len(z_BW) and not z_BW.detach().abs().max() <= _MOST_ROUNDED_Z:
            raise ValueError(
                f"Without a final linear layer a PQC must return expectation values in -1 .. 1, but "
                f"{type(self.pqc).__name__} returned others; set `final_linear: true`."
            )
        return z_BW

    def logits(self, z_BW: Tensor) -> Tensor:
        """Logits, shape (B, 1) or (B, k), of the measured <Z>, shape (B, W)."""
        if self.linear is not None:
            logits: Tensor = self.linear(z_BW)
            return logits
        if self.num_classes > 2:
            return z_BW
        return 2 * torch.atanh(z_BW.clamp(-_LARGEST_Z, _LARGEST_Z))  # the logit of (1 + z) / 2

    def check_features(self, num_features: int) -> None:
        self.encoder.check_features(self.num_inputs(num_features))

    @property
    def needs(self) -> str:
        if self.preprocessing is None:
            return self.encoder.needs
        return f"{self.encoder.needs} (after {type(self.preprocessing).__name__})"

    def unusable(self, embeddings_BD: Tensor) -> Tensor:
        return self.encoder.unusable(self.preprocessed(embeddings_BD))

    def fit_center(self, features_NO: Tensor) -> None:
        self.encoder.fit_center(features_NO)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        rename_earlier_means(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def is_replayable(self, device_type: str) -> bool:
        of_pqc = isinstance(self.pqc, CircuitPQC) and self.pqc.is_replayable(device_type)
        return of_pqc and self.encoder.is_replayable(device_type)

    def normals(self, seed: int, num_rows: int) -> Tensor | None:
        return self.pqc.normals(seed, num_rows) if isinstance(self.pqc, CircuitPQC) else None

    def use_normals(self, normals_BV: Tensor) -> None:
        assert isinstance(self.pqc, CircuitPQC), "other PQCs have no `normals`"
        self.pqc.use_normals(normals_BV)

    def seed_shots(self, seed: int, first_row: int, num_rows: int) -> None:
        if (seed_pqc := getattr(self.pqc, "seed_shots", None)) is not None:
            seed_pqc(seed, first_row, num_rows)

    def seed_rows(self, seeds: Sequence[int]) -> None:
        if (seed_pqc := getattr(self.pqc, "seed_rows", None)) is not None:
            seed_pqc(seeds)

    @property
    def remark(self) -> str:
        num_outputs = cast(PQC, self.pqc).num_outputs
        if num_outputs >= self.num_logits:
            return ""
        way_out = "set the PQC's `measured_wires: auto`" if isinstance(self.pqc, CircuitPQC) else "raise `num_outputs`"
        return (
            f"The logits of {self.num_classes} classes are computed from {num_outputs} expectation "
            f"value{'s' * (num_outputs > 1)}, which separates few of them: to measure one per class, {way_out}."
        )

    @property
    def randomness(self) -> str:
        return getattr(self.pqc, "randomness", "")

    def make_exact(self) -> None:
        """Compute outputs in evaluation exactly from now on.

        Raises:
            ValueError: If the PQC draws random numbers and cannot do without.
        """
        if (make_pqc_exact := getattr(self.pqc, "make_exact", None)) is not None:
            make_pqc_exact()
        elif hasattr(self.pqc, "seed_shots"):
            raise ValueError(
                f"{type(self.pqc).__name__} draws random numbers, but has no `make_exact`: leave out --exact (in "
                "Python `exact`), or add the method to the class."
            )
