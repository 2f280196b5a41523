from functools import partial

import pytest
import torch
from reading_openqasm import expectation_values

from qlit.heads import Encoder, Head, HybridHead, ParallelEncoders, ReuploadingPQC, SimulatedQuantumEncoder
from qlit.heads.programs import Angle, programs_of

EMBEDDING = torch.linspace(-1, 2, 7)


def hybrid(*, encoder=None, shots=None, **kwargs):
    torch.manual_seed(0)
    encoder = encoder or partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=2, init_std=1.0)
    measured = kwargs.pop("measured_wires", (1,))
    pqc = ReuploadingPQC(4, num_reuploads=2, init_std=1.0, shots=shots, measured_wires=measured)
    return HybridHead(encoder, pqc, **kwargs)


@pytest.mark.parametrize("kwargs", [
    {},
    {"final_linear": False},
    {"num_classes": 3, "measured_wires": (2, 0)},
    {"num_classes": 3, "measured_wires": (2, 0, 1), "final_linear": False},
    {"encoder": partial(ParallelEncoders, encoder=partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1))},
    {"encoder": partial(SimulatedQuantumEncoder, num_qubits=5, connectivity=2, pad_with=0.3, center=True)},
])  # fmt: skip
def test_programs_read_back_give_what_the_head_gives(kwargs):
    head = hybrid(**kwargs)
    head.fit_preprocessing(torch.ones(1, 7))
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    found = programs_of(head, EMBEDDING)
    for program in (*found.encoders, found.pqc):
        assert expectation_values(program.openqasm("")) == pytest.approx(program.expectations, rel=0, abs=1e-10)
    assert all(torch.equal(before[name], tensor) for name, tensor in head.state_dict().items())
    with torch.no_grad():
        exact = head.double()(EMBEDDING.double().unsqueeze(0))[0]
        angles = head.encoder(head.preprocessed(EMBEDDING.double().unsqueeze(0)))[0]
    assert found.logits == pytest.approx(exact.tolist(), rel=0, abs=1e-10)
    assert [angle.value for angle in found.angles] == pytest.approx(angles.tolist(), rel=0, abs=1e-10)
    by_name = {program.name: program.expectations for program in found.encoders}
    assert [angle.scale * by_name[angle.program][angle.bit] for angle in found.angles] == pytest.approx(angles.tolist())


def test_shots_are_left_out():
    assert programs_of(hybrid(shots=10), EMBEDDING).logits == programs_of(hybrid(), EMBEDDING).logits


def test_an_encoder_that_is_no_circuit_gives_its_angles_alone():
    class First(Encoder):
        def __init__(self, num_outputs):
            super().__init__()
            self.num_outputs = num_outputs

        def forward(self, embeddings_BD):
            return embeddings_BD[:, : self.num_outputs]

        def check_features(self, num_features):
            pass

    found = programs_of(hybrid(encoder=First), EMBEDDING)
    assert found.encoders == []
    assert found.angles == [Angle(value) for value in EMBEDDING[:4].double().tolist()]


def test_what_cannot_be_exported_is_refused():
    class Other(Head):
        def forward(self, embeddings_BD):
            return embeddings_BD

        def check_features(self, num_features):
            pass

    with pytest.raises(
        ValueError, match=r"\(HybridHead\) have OpenQASM programs, but this one is a Other: export it as"
    ):
        programs_of(Other(), EMBEDDING)
    with pytest.raises(ValueError, match="17 features needs num_qubits >= 5"):
        programs_of(hybrid(), torch.ones(17))
