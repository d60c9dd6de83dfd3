"""The rules of docs/architecture.md: imports point down, CuPy is imported once, providers have equal signatures."""

import ast
import functools
import importlib
import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import gpunet
import gpunet.ops
import gpunet.random
from gpunet.backend.cpu import cpu
from gpunet.backend.cuda import load
from gpunet.backend.numba_cpu import numba
from gpunet.backend.onednn import onednn
from gpunet.backend.portable import portable
from gpunet.backend.primitive import PRIMITIVES
from gpunet.backend.primitives import update

PACKAGE = Path(gpunet.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
NEEDS = {"gpunet.wrappers.estimators": "sklearn"}
# Each line may import from itself and from the lines below it.
LAYERS = [
    "cli demo as_keras",
    "distillation wrappers visualize",
    "models saving",
    "callbacks data utils preprocessing",
    "layers losses metrics optimizers initializers regularizers constraints activations",
    "serialization function_code dtype_policies mixed_precision",
    "random",
    "ops",
    "symbolic",
    "autograd",
    "backend",
    "config tree",
]
# Beside the stack, with the rooms that they use; of those in the stack, only the first line may use `datasets`.
ASIDE = {
    "datasets": {"config", "backend"},
    "testing": {"ops", "symbolic", "autograd", "backend", "config", "tree"},
}
RANK = {name: len(LAYERS) - i for i, names in enumerate(LAYERS) for name in names.split()}
HEAVY = (
    "cupy",
    "h5py",
    "safetensors",
    "matplotlib",
    "numba",
    "onnx",
    "torch",
    "tensorflow",
    "keras",
    "jax",
    "scipy",
    "sklearn",
)


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    """The first part of a module's name below `gpunet`."""
    return [*module.split("."), ""][1]


@functools.cache
def imports(path: Path) -> list[tuple[str, ast.stmt]]:
    """The modules that a file imports, also inside functions; not those for type checkers only."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name if node.module == "gpunet" else node.module, node) for name in whole]
    return found


def test_every_room_has_its_place():
    rooms = {room(module_of(path)) for path in FILES} - {""}
    assert rooms == set(RANK) | set(ASIDE)


def allowed(here: str) -> set[str]:
    """The rooms that a room may import from."""
    if here in ASIDE:
        return {here} | ASIDE[here]
    below = {there for there, rank in RANK.items() if rank <= RANK[here]}
    return below | ({"datasets"} if here in LAYERS[0].split() else set())


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != PACKAGE or p.name != "__init__.py"], ids=module_of)
def test_imports_only_point_down(path):
    here = room(module_of(path))
    for name, node in imports(path):
        there = room(name)
        if name.startswith("gpunet.") and there in {room(module_of(p)) for p in FILES}:
            assert there in allowed(here), f"line {node.lineno}: {here} imports {there}"


def test_cupy_is_imported_in_one_place():
    importers = {module_of(path) for path in FILES for name, _ in imports(path) if name.split(".")[0] == "cupy"}
    assert importers == {"gpunet.backend.cupy_gate"}


def test_nothing_shipped_imports_testing():
    importers = {module_of(p) for p in FILES for name, _ in imports(p) if name.startswith("gpunet.testing")}
    assert {name for name in importers if not name.startswith("gpunet.testing")} == set()


def test_the_tape_knows_no_op_and_ops_know_no_layer():
    """Also through strings: the room below never names the one above."""
    for path in (PACKAGE / "autograd").glob("*.py"):
        assert not any(name.startswith("gpunet.ops") for name, _ in imports(path)), path
    for path in (PACKAGE / "ops").glob("*.py"):
        assert not any(name.startswith(("gpunet.layers", "gpunet.models")) for name, _ in imports(path)), path


def test_architecture_lists_every_room():
    document = PACKAGE.parent / "docs" / "architecture.md"
    if not document.exists():
        pytest.skip("an installed package has no docs folder beside it")
    text = document.read_text()
    for name in sorted(set(RANK) | set(ASIDE)):
        assert f"{name}/" in text or f"{name}.py" in text, f"docs/architecture.md does not mention {name}"


@pytest.mark.parametrize("provider", [cpu, onednn, numba, load()], ids=lambda p: p.name)
def test_providers_have_the_signature_of_the_portable_implementation(provider):
    for name in provider.implementations:
        primitive = PRIMITIVES[name]
        own, common = provider.signature(primitive), portable.signature(primitive)
        if own is None or common is None:
            continue
        assert _interface(own) == _interface(common), f"{provider.name}: {name}{own}, portable: {name}{common}"


def _interface(signature):
    """The number of arrays, which come by position, and the attributes with their defaults."""
    parameters = list(signature.parameters.values())
    attributes = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return len(parameters) - len(attributes), attributes


def test_portable_implements_every_primitive():
    assert set(portable.implementations) == set(PRIMITIVES)


def test_implementations_take_out_and_residuals_as_their_primitive_says():
    for name, primitive in PRIMITIVES.items():
        signature = portable.signature(primitive)
        if signature is None or name in _IN_PLACE:
            continue
        assert "out" in signature.parameters, f"{name} takes no out="
        assert ("residuals" in signature.parameters) == primitive.has_residuals, name


_IN_PLACE = {name for name, p in PRIMITIVES.items() if getattr(update, name, None) is p} | {"check_labels"}


def test_every_primitive_with_a_float_result_has_a_gradient():
    without = {name for name, primitive in PRIMITIVES.items() if primitive.gradient is None}
    bools = {"isfinite", "isnan", "isinf", "logical_not", "logical_and", "logical_or", "logical_xor"}
    bools |= {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "any", "all"}
    integers = {"argmax", "argmin", "argsort", "one_hot"}
    integers |= {"bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "next_state"}
    constants = {"zeros_like", "ones_like", "random_bits", "random_uniform", "random_normal"}
    # Backwards of fused primitives: their derivative goes through the decomposition.
    backwards = {name for name in PRIMITIVES if name.endswith("_grad")}
    assert without <= bools | integers | constants | backwards | _IN_PLACE


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(run.stdout.split())


def test_importing_gpunet_loads_little():
    loaded = _loaded_by("import gpunet")
    assert {name for name in loaded if name.startswith("gpunet.")} == set()
    assert "numpy" not in loaded


@pytest.mark.parametrize("statement", ["import gpunet.ops", "from gpunet import layers, models, optimizers, random"])
def test_using_gpunet_loads_no_heavy_package(statement):
    loaded = _loaded_by(statement)
    assert loaded.isdisjoint(HEAVY), loaded.intersection(HEAVY)
    assert "gpunet.testing" not in loaded


def test_names_of_ops_are_functions_with_docstrings():
    for name in gpunet.ops.__all__:
        op = getattr(gpunet.ops, name)
        assert callable(op), name
        assert not inspect.isclass(op), name
        assert inspect.getdoc(op), f"{name} has no docstring"


def test_every_name_of_the_package_can_be_loaded():
    for name in dir(gpunet):
        assert getattr(gpunet, name) is not None
    with pytest.raises(AttributeError, match="module 'gpunet' has no attribute 'nothing'"):
        _ = gpunet.nothing
    for path in FILES:
        name = module_of(path)
        if path.name != "__main__.py" and find_spec(NEEDS.get(name, "gpunet")):
            importlib.import_module(name)
