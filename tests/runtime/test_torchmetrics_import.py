"""torchmetrics is imported without the libraries that few of its metrics need, and finds them when it needs them."""

import subprocess
import sys
import textwrap

IMPORTS = """
    import sys
    from importlib.machinery import SourceFileLoader

    from qlit.runtime.torchmetrics_import import postpone_imports_of_torchmetrics

    number = len(sys.meta_path)
    for _ in range(2):
        postpone_imports_of_torchmetrics()
    assert len(sys.meta_path) == number + 1
    ours = sys.meta_path[0]
    import torchmetrics
    assert ours not in sys.meta_path
    assert isinstance(torchmetrics.__spec__.loader, SourceFileLoader), torchmetrics.__spec__
    assert not {"transformers", "scipy.signal"} & sys.modules.keys()

    from torchmetrics.functional.text.bert import AutoModel, AutoTokenizer
    assert not isinstance(torchmetrics, AutoModel) and not issubclass(int, AutoModel)
    assert "transformers" not in sys.modules

    import transformers
    assert AutoModel.from_pretrained == transformers.AutoModel.from_pretrained
    assert issubclass(transformers.AutoModel, AutoModel) and not issubclass(int, AutoModel)
    assert not isinstance(transformers, AutoModel)
    try:
        AutoTokenizer()
    except OSError as error:  # of transformers
        assert "from_pretrained" in str(error)
    else:
        raise AssertionError("the stand-in was called")

    import scipy
    assert len(scipy.signal.find_peaks([0, 1, 0])[0]) == 1
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300, check=False
    )


def test_large_libraries_are_imported_when_they_are_used():
    done = run(IMPORTS)
    assert done.returncode == 0, done.stderr[-2000:]


def test_where_torchmetrics_is_here_already_nothing_changes():
    done = run("""
        import sys
        from qlit.runtime.torchmetrics_import import postpone_imports_of_torchmetrics

        sys.modules["torchmetrics"] = sys
        finders = list(sys.meta_path)
        postpone_imports_of_torchmetrics()
        assert sys.meta_path == finders
    """)
    assert done.returncode == 0, done.stderr[-2000:]
