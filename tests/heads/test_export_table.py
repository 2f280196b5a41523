"""The table of docs/export.md: every cell is checked, and every head and engine has a row."""

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from packaging.version import Version

from qlit import engines, heads
from qlit.heads import HybridHead, LinearHead, LogisticRegressionHead, MLPHead, ReuploadingPQC, SVCHead
from qlit.heads.base import Head
from qlit.heads.programs import programs_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "export.md"
WAYS = ("torch.compile", "torch.jit.script", "torch.jit.trace", "torch.export", "ONNX", "OpenQASM")
pytestmark = [
    pytest.mark.skipif(Version(torch.__version__) < Version("2.13"), reason="the table is about torch 2.13"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*not supported.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # about the check that a head was fitted
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),  # torch's own
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]


def table():
    (rows,) = re.findall(r"^\| head \| engine \|.*\n\|[ -|]+\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    for row in rows.splitlines():
        head, engine, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        assert len(cells) == len(WAYS)
        for way, cell in zip(WAYS, cells, strict=True):
            yield head, engine, way, cell


def fitted(head):
    torch.manual_seed(1)
    head.fit(torch.randn(60, 8), torch.arange(60) % head.num_classes)
    return head


def make(name, engine, num_classes):
    """A head with random or fitted weights."""
    torch.manual_seed(0)
    if name == "HybridHead":
        encoder = partial(heads.SimulatedQuantumEncoder, num_qubits=3, connectivity=1, engine=engine)
        pqc = ReuploadingPQC(2, num_reuploads=1, measured_wires=(0, 1), shots=None, engine=engine)
        return HybridHead(encoder, pqc, num_classes=num_classes)
    return {
        "LinearHead": lambda: LinearHead(num_features=8, num_classes=num_classes),
        "MLPHead": lambda: MLPHead(num_features=8, hidden_dim=4, batch_norm=True, num_classes=num_classes),
        "LogisticRegressionHead": lambda: fitted(LogisticRegressionHead(num_features=8, num_classes=num_classes)),
        "SVCHead": lambda: fitted(SVCHead(num_classes=num_classes)),
    }[name]()


def rows(count, seed=2):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def converted(head, way):
    """A function from embeddings to logits, made of a head in one of the ways that are not torch.compile."""
    example, batch = rows(4), torch.export.Dim("batch")
    if way == "torch.jit.script":
        return torch.jit.script(head)
    if way == "torch.jit.trace":
        return torch.jit.trace(head, example)
    if way == "torch.export":
        return torch.export.export(head, (example,), dynamic_shapes=({0: batch},)).module()
    assert way == "ONNX"
    runtime = pytest.importorskip("onnxruntime")
    from qlit.serving.onnx_file import onnx_bytes

    content = onnx_bytes(head, num_features=8, label_names=["a"] * head.num_classes)
    session = runtime.InferenceSession(content)
    return lambda embeddings: torch.from_numpy(session.run(["logits"], {"embeddings": embeddings.numpy()})[0])


def test_every_head_and_engine_has_a_row():
    found = {(head, engine) for head, engine, _, _ in table()}
    classes = {name: getattr(heads, name) for name in heads.__all__}
    concrete = {name for name, each in classes.items() if issubclass(each, Head) and not each.__abstractmethods__}
    assert {head for head, _ in found} == concrete
    assert {engine for head, engine in found if head == "HybridHead"} == {*engines._ENGINES, "pennylane"}


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize(("name", "engine", "way", "cell"), list(table()))
def test_the_cell_is_true(name, engine, way, cell, num_classes):
    if engine == "torchquantum" and find_spec("torchquantum") is None:
        pytest.skip("TorchQuantum is not installed")
    if engine == "native" and find_spec("qlit.engines._native") is None:
        pytest.skip("the native engine is not built")
    if engine == "cuda" and way in ("torch.compile", "OpenQASM") and (missing := engines.CudaEngine().missing()):
        pytest.skip(missing)
    if engine == "pennylane":
        pytest.importorskip("pennylane")
        engine = "pennylane:default.qubit"
    head = make(name, engine, num_classes).eval()
    if way == "OpenQASM":
        check_openqasm(head, cell)
    elif way == "torch.compile":
        check_compiled(head, cell)
    elif cell == "no":
        with pytest.raises((RuntimeError, ValueError), match=r"export(ed)? .*OpenQASM programs"):
            converted(head, way)
    else:
        assert cell == "yes"
        with torch.no_grad():
            other = converted(head, way)
            for count in (1, 7):
                embeddings = rows(count, seed=3)
                torch.testing.assert_close(other(embeddings), head(embeddings), check_dtype=False, rtol=1e-5, atol=1e-5)


def check_openqasm(head, cell):
    if cell == "no":
        with pytest.raises(ValueError, match="ONNX"):
            programs_of(head, rows(1)[0])
        return
    found = programs_of(head, rows(1)[0])
    assert all("OPENQASM 3" in program.openqasm("") for program in (*found.encoders, found.pqc))
    expected = head(rows(1))[0].detach()
    torch.testing.assert_close(torch.tensor(found.logits), expected, check_dtype=False, rtol=1e-4, atol=1e-4)


def check_compiled(head, cell):
    torch._dynamo.reset()
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), head)
    for parameter in model.parameters():
        parameter.grad = None
    expected = model(rows(5))
    is_trained = any(parameter.requires_grad for parameter in head.parameters())
    wanted = gradients(model, expected) if is_trained else []
    compiled = torch.compile(model, fullgraph=cell == "whole", backend="aot_eager")
    found = compiled(rows(5))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(gradients(model, found) if is_trained else [], wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    if cell == "around":
        torch._dynamo.reset()
        with pytest.raises(torch._dynamo.exc.Unsupported):
            torch.compile(model, fullgraph=True, backend="aot_eager")(rows(5))
    torch._dynamo.reset()


def gradients(model, logits):
    return torch.autograd.grad(logits.square().sum(), [each for each in model.parameters() if each.requires_grad])
