"""qlit: quantum, quantum-inspired and classical heads on sentence embeddings (arXiv:2504.08732).

`load` gives a trained model, `from_pretrained`, `save_pretrained` and `push_to_hub` share one, and
`qlit.sklearn.HeadClassifier` trains a head on arrays. `import qlit` imports none of them before it is used.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["__version__", "from_pretrained", "load", "push_to_hub", "save_pretrained", "sklearn"]

__version__: str  # of the installation; an editable one keeps the version of the commit at which it was installed

if TYPE_CHECKING:
    from qlit import sklearn
    from qlit.serving.loading import load
    from qlit.serving.pretrained import from_pretrained, push_to_hub, save_pretrained
else:

    def __getattr__(name: str) -> Any:
        """Import a public name, or look up the version, when somebody asks for it."""
        from importlib import import_module

        if name == "__version__":
            found = _version()
        elif name == "sklearn":
            found = import_module("qlit.sklearn")
        elif name == "load":
            found = import_module("qlit.serving.loading").load
        elif name in __all__:
            found = getattr(import_module("qlit.serving.pretrained"), name)
        else:
            raise AttributeError(f"module 'qlit' has no attribute {name!r}")
        globals()[name] = found
        return found


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # takes 30 ms

    try:
        return version("qlit-heads")
    except PackageNotFoundError:  # the source folder is on the path, and nothing is installed
        return "0.0"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
