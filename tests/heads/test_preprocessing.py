"""Preprocessing: fitted values, what heads make of its outputs, and what cannot be fitted."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from qlit.heads import (
    Centering,
    HybridHead,
    LinearHead,
    LogisticRegressionHead,
    MLPHead,
    NeuralEncoder,
    ParallelEncoders,
    Preprocessing,
    PrincipalComponents,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
    SVCHead,
)

_N, _D, _K = 40, 12, 3
_SQE = partial(SimulatedQuantumEncoder, num_qubits=4, connectivity=1, pad_with=1.0)


def _embeddings(num_rows=_N, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scales = torch.linspace(1, 0.2, _D)
    return torch.randn(num_rows, _D, generator=generator) * scales + 3.0


def _labels():
    return (_embeddings()[:, 0] > 3).long()


def _components(**settings):
    return PrincipalComponents(_K, **settings)


HEADS = {
    "linear": lambda made: LinearHead(num_features=_D, preprocessing=made),
    "mlp": lambda made: MLPHead(num_features=_D, hidden_dim=2, preprocessing=made),
    "logistic": lambda made: LogisticRegressionHead(num_features=_D, preprocessing=made),
    "svc": lambda made: SVCHead(preprocessing=made),
    "quantum": lambda made: HybridHead(_SQE, ReuploadingPQC(2, shots=None), preprocessing=made),
    "neural encoder": lambda made: HybridHead(
        partial(NeuralEncoder, num_features=_K, hidden_dim=2), ReuploadingPQC(2, shots=None), preprocessing=made
    ),
}


def _fitted(name, made):
    torch.manual_seed(0)
    head = HEADS[name](made)
    head.fit_preprocessing(_embeddings())
    if hasattr(head, "fit"):
        head.fit(_embeddings(), _labels())
    return head


@pytest.mark.parametrize("whiten", [False, True])
def test_components_are_those_of_sklearn_with_signs_of_the_largest_entry(whiten):
    made = _components(whiten=whiten)
    made.fit(_embeddings())
    x = _embeddings(5, seed=1)
    twin = PCA(_K, svd_solver="full", whiten=whiten).fit(_embeddings().double().numpy())
    signs = np.sign(np.take_along_axis(twin.components_, np.abs(twin.components_).argmax(1)[:, None], axis=1)[:, 0])
    expected = torch.from_numpy(twin.transform(x.double().numpy()) * signs)
    torch.testing.assert_close(made(x).double(), expected, rtol=1e-5, atol=1e-5)
    variances = made(_embeddings()).var(dim=0)
    assert (variances[:-1] >= variances[1:] - 1e-5).all()
    if whiten:
        torch.testing.assert_close(variances, torch.ones(_K))
    assert made.num_outputs(_D) == _K
    assert made.num_fitted(_D) == sum(each.numel() for each in made.buffers()) == (_K + 1) * _D


def test_the_order_of_the_rows_changes_no_component():
    made, other = _components(), _components()
    made.fit(_embeddings())
    other.fit(_embeddings().flip(0))
    torch.testing.assert_close(made.components, other.components)


def test_centring_subtracts_the_mean():
    made = Centering()
    made.fit(_embeddings())
    torch.testing.assert_close(made(_embeddings()).mean(dim=0), torch.zeros(_D), rtol=0, atol=1e-5)
    assert made.num_outputs(_D) == made.num_fitted(_D) == _D


@pytest.mark.parametrize("make", [Centering, _components])
def test_an_unfitted_preprocessing_is_refused(make):
    with pytest.raises(ValueError, match=rf"^{type(make()).__name__} has not been fitted: call `fit` first\."):
        make()(_embeddings())


@pytest.mark.parametrize("name", HEADS)
def test_a_head_runs_on_the_outputs_and_its_state_has_what_was_fitted(name):
    head = _fitted(name, _components())
    x = _embeddings(5, seed=1)
    head.check_features(_D)
    outputs = head(x)
    assert outputs.shape == (5, 1)
    # The same head without preprocessing, given the outputs.
    bare = copy.deepcopy(head)
    bare.preprocessing = None
    torch.testing.assert_close(bare(head.preprocessing(x)), outputs, rtol=0, atol=1e-6, check_dtype=False)
    fresh = HEADS[name](_components())
    fresh.load_state_dict(head.state_dict())
    assert torch.equal(fresh(x), outputs)
    assert not any("preprocessing" in parameter for parameter, _ in head.named_parameters())
    assert not head.unusable(x).any()
    assert head.unusable(torch.full((1, _D), torch.nan)).all()
    with pytest.raises(ValueError, match=r"13 features"):
        head.check_features(_D + 1)


def test_parameters_are_those_of_the_outputs():
    assert LogisticRegressionHead(num_features=_D, preprocessing=_components()).num_parameters == _K + 1
    assert sum(each.numel() for each in HEADS["linear"](_components()).parameters()) == _K + 1


def test_logistic_regression_is_that_of_sklearn_on_components():
    head = _fitted("logistic", _components())
    x = _embeddings().double().numpy()
    twin = LogisticRegression().fit(PCA(_K).fit_transform(x), _labels().numpy())
    expected = twin.decision_function(PCA(_K).fit(x).transform(x))
    torch.testing.assert_close(head(_embeddings())[:, 0], torch.from_numpy(expected), rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ["linear", "mlp", "logistic", "svc"])
@pytest.mark.parametrize("make", [Centering, partial(_components, whiten=True)])
def test_torchscript_records_it(name, make):
    head = _fitted(name, make()).eval()
    x = _embeddings(4, seed=2)
    dtype = torch.float64 if name in ("logistic", "svc") else torch.float32
    torch.testing.assert_close(torch.jit.script(head)(x.to(dtype)), head(x.to(dtype)))


@pytest.mark.parametrize("parallel", [False, True])
def test_states_of_earlier_versions_keep_their_mean(parallel):
    encoder = partial(_SQE, center=True)
    if parallel:
        encoder = partial(ParallelEncoders, num_encoders=2, encoder=encoder)
    head = HybridHead(encoder, ReuploadingPQC(2, shots=None))
    assert isinstance(head.preprocessing, Centering)
    head.fit_preprocessing(_embeddings())
    state = head.state_dict()
    mean = state.pop("preprocessing.mean")
    names = [f"encoder.encoders.{k}.mean" for k in (0, 1)] if parallel else ["encoder.mean"]
    fresh = HybridHead(encoder, ReuploadingPQC(2, shots=None))
    fresh.load_state_dict({**state, **dict.fromkeys(names, mean)})
    assert torch.equal(fresh(_embeddings()), head(_embeddings()))


def test_states_of_earlier_versions_without_centring_load():
    head = HybridHead(_SQE, ReuploadingPQC(2, shots=None))
    head.load_state_dict({**head.state_dict(), "encoder.mean": torch.zeros(0)})
    with pytest.raises(RuntimeError, match=r"encoder\.mean"):  # a mean that the head would not subtract
        head.load_state_dict({**head.state_dict(), "encoder.mean": torch.zeros(_D)})


def test_both_spellings_of_centring_give_equal_numbers_and_are_not_mixed():
    heads = []
    for settings, encoder in (({}, partial(_SQE, center=True)), ({"preprocessing": Centering()}, _SQE)):
        torch.manual_seed(0)
        heads.append(HybridHead(encoder, ReuploadingPQC(2, shots=None), **settings))
        heads[-1].fit_preprocessing(_embeddings())
    assert torch.equal(*(head(_embeddings()) for head in heads))
    with pytest.raises(ValueError, match="but the head has the preprocessing PrincipalComponents: leave `center` out"):
        HybridHead(partial(_SQE, center=True), ReuploadingPQC(2, shots=None), preprocessing=_components())


def test_statistics_of_an_encoder_are_fitted_to_the_outputs():
    class Scaled(NeuralEncoder.__base__):
        def __init__(self, num_outputs):
            super().__init__()
            self.num_outputs, self.scale = num_outputs, None

        def forward(self, features_BO):
            return features_BO[:, : self.num_outputs] / self.scale

        def check_features(self, num_features):
            assert num_features == _K

        def fit_center(self, features_NO):
            self.scale = features_NO.abs().max()

    made = _components()
    head = HybridHead(Scaled, ReuploadingPQC(2, shots=None), preprocessing=made)
    head.check_features(_D)
    head.fit_preprocessing(_embeddings())
    assert head.encoder.scale == made(_embeddings()).abs().max()


def test_a_map_without_fitted_values_needs_two_methods():
    class Squared(Preprocessing):
        def forward(self, embeddings_BD):
            return torch.cat([embeddings_BD, embeddings_BD.square()], dim=1)

        def num_outputs(self, num_features):
            return 2 * num_features

    head = LinearHead(num_features=_D, preprocessing=Squared())
    head.fit_preprocessing(_embeddings())
    assert head.linear.in_features == 2 * _D
    assert head(_embeddings()).shape == (_N, 1)
    assert (head.preprocessing.is_fitted_once(), head.preprocessing.num_fitted(_D)) == (False, 0)


@pytest.mark.parametrize(
    ("num_components", "embeddings", "message"),
    [
        (0, _embeddings(), "`num_components >= 1` must hold, but got num_components=0"),
        (_D + 1, _embeddings(), "12 features have at most 12 principal components, but got num_components=13"),
        (5, _embeddings(5), "5 training sentences determine at most 4 principal components, but got num_components=5"),
        (2, _embeddings(1).expand(9, _D), "vary along 0 directions only, beyond rounding errors"),
        (2, torch.outer(torch.randn(9), torch.ones(_D)) + 100, "of the 9 training sentences vary along 1 directions"),
    ],
)
@pytest.mark.parametrize("whiten", [False, True])
def test_components_that_the_embeddings_do_not_determine_are_refused(num_components, embeddings, message, whiten):
    with pytest.raises(ValueError, match=message):
        PrincipalComponents(num_components, whiten=whiten).fit(embeddings)


def test_a_head_of_too_many_components_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match="at most 12 principal components, but got num_components=31"):
        LinearHead(num_features=_D, preprocessing=PrincipalComponents(31))
