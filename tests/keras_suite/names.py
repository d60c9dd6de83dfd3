"""Answers the imports of Keras's tests with public names of one library.

A test file says `from keras.src.optimizers.adam import Adam`. Here that is `optimizers.Adam` of the library under test:
the package below `keras.src` is looked up by its public name, and what it lacks in the other public namespaces. A name
that is public nowhere is `Absent`, so that a test fails where it uses one and the rest of its file runs.
"""

import builtins
import importlib
import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.keras_suite.absent import Absent, loading
from tests.keras_suite.case import make_testing

# Where names of a package below keras.src are public, if not in the package of the same name.
_PUBLIC = {
    "backend": ("backend", "ops", "config"),
    "trainers": ("utils",),
    "models": ("models", ""),
    "saving": ("saving", "models"),
    "dtype_policies": ("dtype_policies",),
}
_ELSEWHERE = ("", "ops", "backend", "config", "utils", "saving", "random")
_RENAMED = {"GroupedQueryAttention": "GroupQueryAttention"}  # classes that are public under another name
_NOT_INSTALLED = ("tensorflow", "grain", "tensorflow_io")


def suite_folder() -> Path | None:
    """The folder of Keras's modules and tests, None where Keras is not installed. Imports nothing."""
    found = find_spec("keras")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "src"


class Alias(types.ModuleType):
    """Stands for the module `keras.src.<path>`: its names are the public ones."""

    def __init__(self, adapter: "Adapter", path: tuple[str, ...]):
        super().__init__(".".join(("alias", *path)))
        self.__dict__.update(_adapter=adapter, _path=path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._adapter.find(self._path, name)
        setattr(self, name, value)
        return value


class Adapter:
    """Loads test files of Keras so that they test `library`, "gpunet" or "keras"."""

    def __init__(self, library: str, folder: Path):
        self.root = importlib.import_module(library)
        self.folder = folder
        self._modules: dict[tuple[str, ...], Any] = {("testing",): make_testing(self.root)}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def load(self, path: Path) -> types.ModuleType:
        """Runs a test file, with our answers to its imports."""
        parts = path.relative_to(self.folder).with_suffix("").parts
        if parts not in self._modules:
            module = types.ModuleType(".".join(("keras_tests", *parts)))
            sys.modules[module.__name__] = module  # what is pickled is looked up there
            module.__dict__.update(__file__=str(path), __builtins__=self._builtins)
            with loading():
                exec(compile(path.read_text(), path, "exec"), module.__dict__)
            self._modules[parts] = module
        return self._modules[parts]

    def module(self, path: tuple[str, ...]) -> Any:
        """What stands for `keras.src.<path>`."""
        if path and path[-1].endswith("_test"):
            return self.load(self.folder.joinpath(*path).with_suffix(".py"))
        if path not in self._modules:
            self._modules[path] = self.module(path[:1]) if path[0:1] == ("testing",) else Alias(self, path)
        return self._modules[path]

    def find(self, path: tuple[str, ...], name: str) -> Any:
        """The name of the module at `path`: a module below it, or what is public under that name."""
        if path == () and name == "src":
            return self.module(())
        below = self.folder.joinpath(*path, name)
        if below.is_dir() or below.with_suffix(".py").is_file():
            return self.module((*path, name))
        name = _RENAMED.get(name, name)
        prefixes = [".".join(path[:n]) for n in range(len(path), 0, -1)]
        for place in (*_PUBLIC.get("".join(path[:1]), prefixes), *_ELSEWHERE):
            namespace = self._namespace(place)
            if not name.startswith("_") and hasattr(namespace, name):
                return getattr(namespace, name)
        return Absent(".".join(("keras.src", *path, name)))

    def _namespace(self, place: str) -> Any:
        found = self.root
        for part in place.split(".") if place else ():
            found = getattr(found, part, None)
        return found

    def _import(self, name: str, globals_=None, locals_=None, fromlist=(), level=0) -> Any:
        package, *path = name.split(".")
        if package == "keras":
            path = path[1:] if path[:1] in (["src"], ["api"]) else path
            return self.module(tuple(path)) if fromlist else self.module(())
        if package == "conftest":
            return types.SimpleNamespace(skip_if_backend=self._skip_if_backend)
        if package in _NOT_INSTALLED and find_spec(package) is None:
            return Absent(package)
        return importlib.__import__(name, globals_, locals_, fromlist, level)

    def _skip_if_backend(self, backend: str, reason: str) -> pytest.MarkDecorator:
        return pytest.mark.skipif(self.root.config.backend() == backend, reason=reason)
