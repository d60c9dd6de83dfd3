"""Scripts written for Keras, run on gpunet without a change: `python -m gpunet.as_keras script.py`.

Inside a program, `gpunet.install_as_keras()` does it before the first `import keras`. Nothing happens unasked.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_TENSORFLOW = "tensorflow"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `keras.x` as `gpunet.x`: the same module objects, under another name."""

    def __init__(self, roots: dict[str, str]):
        self.roots = roots

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        root = next((r for r in self.roots if fullname == r or fullname.startswith(f"{r}.")), None)
        if root is None:
            return None
        if self.roots[root] != "gpunet":
            return ModuleSpec(fullname, self, is_package=True) if fullname == root else None
        name = "gpunet" + fullname.removeprefix(root)
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {fullname!r}: gpunet, which stands for it, has no {name}")
        return ModuleSpec(fullname, self, origin=name, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if spec.origin is None:
            return _OnlyKeras(spec.name)
        module = importlib.import_module(spec.origin)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.loader_state is not None:
            module.__spec__ = spec.loader_state  # the import just replaced it by the alias's


class _OnlyKeras(ModuleType):
    """`tensorflow` where it is not installed: it has `keras`, and says so about all else."""

    def __getattr__(self, name: str) -> Any:
        if name == "keras":
            return importlib.import_module(f"{self.__name__}.keras")
        raise AttributeError(
            f"module 'tensorflow' has no attribute {name!r}: it is not installed, and gpunet stands for "
            f"tensorflow.keras only"
        )


def install_as_keras() -> None:
    """Let `import keras`, `from keras import layers` and the same of `tensorflow.keras` find gpunet in this process.

    Call it before anything imports Keras. Where TensorFlow is not installed, `import tensorflow as tf` gives a module
    that has `tf.keras` and nothing else; where it is, only `tensorflow.keras` is another.

    Raises:
        RuntimeError: if Keras is imported already.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    imported = [name for name in ("keras", "tensorflow.keras", _TENSORFLOW) if name in sys.modules]
    if imported:
        raise RuntimeError(f"install_as_keras() must be called before Keras is imported. Received: {imported} imported")
    roots = {"keras": "gpunet", "tensorflow.keras": "gpunet"}
    if importlib.util.find_spec(_TENSORFLOW) is None:
        roots[_TENSORFLOW] = ""
    sys.meta_path.insert(0, _Finder(roots))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a script, or with `-m` a module, whose `keras` is gpunet."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help") or given == ["-m"]:
        print(
            "usage: python -m gpunet.as_keras script.py [arguments]\n"
            "       python -m gpunet.as_keras -m module [arguments]"
        )
        raise SystemExit(0 if given and given[0] in ("-h", "--help") else 2)
    install_as_keras()
    if given[0] == "-m":
        sys.argv = given[1:]
        runpy.run_module(given[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = given
    sys.path[0] = str(Path(given[0]).resolve().parent)
    runpy.run_path(given[0], run_name="__main__")


if __name__ == "__main__":
    main()
