"""Every kind of head in every precision that a CPU knows: fit, validate, test, and a prediction of the checkpoint."""

from functools import partial

import pytest
import torch
from tiny_body import EMBEDDING_DIM
from training.small import head, trainer

from qlit.heads import (
    HybridHead,
    LinearHead,
    LogisticRegressionHead,
    MLPHead,
    NeuralEncoder,
    ParallelEncoders,
    PrincipalComponents,
    ProjectedEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
    SVCHead,
)
from qlit.jobs.config.checkpoints import load_weights
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore:.*AMP with fp16 is not supported on CPU.*:UserWarning",
    "ignore:.*lr_scheduler.step.*:UserWarning",
)
LEARNED = partial(NeuralEncoder, num_features=EMBEDDING_DIM, num_hidden_layers=1, hidden_dim=4)
SMALL = partial(SimulatedQuantumEncoder, num_qubits=2, connectivity=1, num_layers=0)
PROJECTED = partial(ProjectedEncoder, num_features=EMBEDDING_DIM, num_projected=4, encoder=SMALL)


def hybrid(encoder, **kwargs):
    torch.manual_seed(0)
    return HybridHead(encoder, ReuploadingPQC(2, num_reuploads=1, shots=64, **kwargs))


HYBRID = {
    "quantum encoder": head,
    "centred": lambda: head(center=True),
    "neural encoder": lambda: hybrid(LEARNED),
    "projected encoder": lambda: hybrid(PROJECTED),
    "two projected encoders": lambda: hybrid(partial(ParallelEncoders, num_encoders=2, encoder=PROJECTED)),
    "neural encoder, torch engine": lambda: hybrid(LEARNED, engine="torch"),
}
CLASSICAL = {
    "linear": lambda: LinearHead(num_features=EMBEDDING_DIM, preprocessing=PrincipalComponents(1, whiten=True)),
    "mlp": lambda: MLPHead(num_features=EMBEDDING_DIM, hidden_dim=4),
}
FITTED = {"logistic": lambda: LogisticRegressionHead(num_features=EMBEDDING_DIM), "svc": SVCHead}
MIXED = ["32-true", "64-true", "bf16-mixed", "16-mixed"]
CASES = [
    *((name, make, precision) for name, make in (HYBRID | CLASSICAL | FITTED).items() for precision in MIXED),
    *((name, make, precision) for name, make in (CLASSICAL | FITTED).items() for precision in ("bf16-true", "16-true")),
]


@pytest.mark.parametrize(
    ("name", "make", "precision"), CASES, ids=[f"{name}, {precision}" for name, _, precision in CASES]
)
def test_a_head_trains_and_its_checkpoint_is_scored(data, tmp_path, name, make, precision):
    settings = {"precision": precision, "enable_checkpointing": True, "default_root_dir": tmp_path}
    running = trainer(max_epochs=1 if name in FITTED else 2, callbacks=[BestAndLast()], **settings)
    running.fit(SentenceClassifier(make()), data())
    best = running.checkpoint_callback.best_model_path
    for fn in ("validate", "test"):
        (scores,) = getattr(running, fn)(SentenceClassifier(make()), data(), ckpt_path=best, verbose=False)
        assert 0 <= scores[f"{'val' if fn == 'validate' else fn}/accuracy"] <= 1
    module, few = SentenceClassifier(make()), data()
    weights = torch.load(best, weights_only=True)["state_dict"]
    load_weights(module, few, weights, few.body_name, trust_remote_code=False)
    with torch.inference_mode():
        assert module(torch.randn(3, EMBEDDING_DIM)).isfinite().all()


@pytest.mark.parametrize("name", HYBRID)
def test_mixed_precision_leaves_circuits_as_they_are(name):
    made, embeddings_BD = HYBRID[name](), torch.randn(5, EMBEDDING_DIM, generator=torch.Generator().manual_seed(0))
    made.fit_preprocessing(embeddings_BD)
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            made.seed_shots(0, 0, 5)
            found.append(made(embeddings_BD).float())
    # The final linear layer alone is in 16 bits: 8 of them are significant.
    torch.testing.assert_close(found[1], found[0], rtol=2**-6, atol=2**-6)
