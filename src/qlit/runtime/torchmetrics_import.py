"""Import torchmetrics, which Lightning needs, without libraries that few of its metrics need.

torchmetrics imports transformers for metrics of texts and images, and scipy.signal for one of audio. This is a third
of the time that the imports of a training take. While torchmetrics is imported, stand-ins take their places. They
import the library when one of its classes is used.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_POSTPONED = ("scipy.signal", "transformers")
# torchmetrics gives scipy.signal a function that this library, of one of its metrics of audio, expects there.
_CHANGED_FOR = {"scipy.signal": "gammatone"}


def postpone_imports_of_torchmetrics() -> None:
    """Let stand-ins take the places of large libraries when torchmetrics is imported for the first time."""
    if "torchmetrics" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds torchmetrics, with a loader that postpones imports."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torchmetrics":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        stand_ins = {name: _StandIn(name) for name in _POSTPONED if _can_wait(name)}
        sys.modules.update(stand_ins)
        try:
            self._loader.exec_module(module)
        finally:
            for name, stand_in in stand_ins.items():
                if sys.modules.get(name) is stand_in:
                    del sys.modules[name]
                parent, _, child = name.rpartition(".")
                if parent in sys.modules and vars(sys.modules[parent]).get(child) is stand_in:
                    delattr(sys.modules[parent], child)


def _can_wait(name: str) -> bool:
    needed_by = _CHANGED_FOR.get(name)
    return name not in sys.modules and _exists(name) and (needed_by is None or not _exists(needed_by))


def _exists(name: str) -> bool:
    return PathFinder.find_spec(name.partition(".")[0]) is not None


class _StandIn(ModuleType):
    """A module whose names are classes that import the module when they are used."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # it is a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _PostponedClass(name, (), {"__module__": self.__name__})


class _PostponedClass(type):
    """Stands for a class of a module that is imported when the class is used."""

    def _found(cls) -> Any:
        return getattr(import_module(cls.__module__), cls.__name__)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._found(), name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._found()(*args, **kwargs)

    def __instancecheck__(cls, instance: object) -> bool:
        return cls.__module__ in sys.modules and isinstance(instance, cls._found())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return cls.__module__ in sys.modules and issubclass(subclass, cls._found())
