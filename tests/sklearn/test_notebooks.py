"""The notebooks of the docs run from the first cell to the last, in a kernel of their own."""

from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("onnxruntime")

if Version(version("torch")) < Version("2.13"):
    pytest.skip("the notebook exports an ONNX file, which needs torch 2.13", allow_module_level=True)

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):  # nothing in the home folder
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "a notebook is kept without its outputs"
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs if output.output_type == "stream")
    complaints = [output.text for output in outputs if output.get("name") == "stderr"]
    # tqdm asks for a widget for its progress bars, and draws them as text without it.
    assert [text for text in complaints if "TqdmWarning: IProgress not found" not in text] == []
    assert "best epoch" in said
    assert "OPENQASM 3.0;" in said
    assert not list(tmp_path.glob("mlruns*"))


def test_there_is_a_notebook():
    assert NOTEBOOKS
