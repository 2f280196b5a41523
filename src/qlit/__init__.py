"""qlit: quantum, quantum-inspired and classical heads on sentence embeddings (arXiv:2504.08732)."""

from typing import TYPE_CHECKING

__version__: str  # of the installation; an editable one keeps the version of the commit at which it was installed

if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        """Look the version up when somebody asks for it: importing importlib.metadata takes 30 ms."""
        if name != "__version__":
            raise AttributeError(f"module 'qlit' has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("qlit-heads")
        except PackageNotFoundError:  # the source folder is on the path, and nothing is installed
            found = "0.0"
        globals()["__version__"] = found
        return found
