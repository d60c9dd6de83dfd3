"""What is installed is complete: wheel, sdist and editable, each built and installed without the network."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from gpunet.backend import kernels

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("cupy", "h5py", "matplotlib", "numba", "onnx", "torch")
PARTS_OF_A_CHECKOUT = ("gpunet", "cuda_kernels", "tests", "tools")

in_one_worker = pytest.mark.xdist_group("packaging")


def tree_files(folder):
    """The files below `folder`, relative to the repository."""
    found = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts and not path.name.startswith(".")}


def shipped_files():
    """What a wheel has: every file of gpunet/, and cuda_kernels/ inside it."""
    return tree_files("gpunet") | {f"gpunet/{name}" for name in tree_files("cuda_kernels")}


def run(command, **kwargs):
    """The output of a command; its error output in the failure if it fails."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, **kwargs)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


# Installing


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of the project, so that building leaves nothing in the tree; its path has a space."""
    copy = tmp_path_factory.mktemp("a checkout") / "project"
    copy.mkdir()
    for file in (path for path in ROOT.iterdir() if path.is_file()):
        shutil.copy(file, copy)
    for folder in PARTS_OF_A_CHECKOUT:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build(source, kind):
    """Build "wheel" or "sdist" of `source` with the running interpreter's setuptools."""
    output = source / "dist"
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(output)!r}))"
    output.mkdir(exist_ok=True)
    return output / run([sys.executable, "-c", code], cwd=source).split()[-1]


@pytest.fixture(scope="session")
def wheel(checkout):
    return build(checkout, "wheel")


@pytest.fixture(scope="session")
def sdist(checkout):
    return build(checkout, "sdist")


@pytest.fixture
def environment(tmp_path):
    """The Python of a fresh environment that sees the running one's packages, but not its gpunet."""
    venv.create(tmp_path / "environment", with_pip=False, symlinks=True)
    python = tmp_path / "environment" / "bin" / "python"
    site_packages = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    # .pth files in a folder that is added this way are not read, so an editable gpunet there stays out.
    (Path(site_packages) / "shared.pth").write_text(sysconfig.get_path("purelib"))
    return python


def install(python, *what):
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--no-warn-script-location"]
    run([sys.executable, "-m", "pip", "--python", python, "install", *offline, *what])


_REPORT = """
import json, pathlib, gpunet
from gpunet.backend.kernels import kernel_folder, kernel_source
from gpunet.datasets import digits
package, folder = pathlib.Path(gpunet.__file__).parent, kernel_folder()
print(json.dumps({
    "package": str(package),
    "kernels": sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()),
    "readme": kernel_source("README.md"),
    "typed": (package / "py.typed").is_file(),
    "digits": len(digits.load_data()[0][0]),
}))
"""


def assert_complete(python, tmp_path, package):
    """Import from an unrelated folder, with `package` as the place that gpunet must come from."""
    report = json.loads(run([python, "-I", "-c", _REPORT], cwd=tmp_path))
    assert Path(report["package"]).is_relative_to(package)
    assert {f"cuda_kernels/{name}" for name in report["kernels"]} >= tree_files("cuda_kernels")
    assert report["readme"] == (ROOT / "cuda_kernels" / "README.md").read_text()
    assert report["typed"]
    assert report["digits"] == 1437


@pytest.mark.slow
@in_one_worker
def test_wheel_is_complete_and_has_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == shipped_files()
        assert {"gpunet/py.typed", "gpunet/datasets/data/digits.npz"} < names
        licenses = {name.rpartition("/")[2] for name in archive.namelist() if "/licenses/" in name}
    assert licenses == {"LICENSE", "DIGITS-LICENSE.txt"}


@pytest.mark.slow
@in_one_worker
def test_sdist_is_complete(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = {"pyproject.toml", "setup.py", "Makefile", "LICENSE", "CHANGELOG.md"}
    assert tree_files("gpunet") | tree_files("cuda_kernels") | tree_files("tests") | files <= names


@pytest.mark.slow
@in_one_worker
def test_install_from_wheel(wheel, environment, tmp_path):
    install(environment, wheel)
    assert_complete(environment, tmp_path, tmp_path / "environment")


@pytest.mark.slow
@in_one_worker
def test_install_from_sdist(sdist, environment, tmp_path):
    install(environment, sdist)
    assert_complete(environment, tmp_path, tmp_path / "environment")


@pytest.mark.slow
@in_one_worker
def test_editable_install(checkout, environment, tmp_path):
    install(environment, "--editable", checkout)
    assert_complete(environment, tmp_path, checkout)


@pytest.mark.slow
@in_one_worker
def test_wheel_of_the_sdist_is_the_wheel(wheel, sdist, tmp_path):
    run(["tar", "-xzf", sdist, "-C", tmp_path])
    again = build(next(tmp_path.iterdir()), "wheel")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())


# The kernel folder


def test_kernels_of_an_in_tree_run():
    assert kernels.kernel_folder() == ROOT / "cuda_kernels"
    assert kernels.kernel_source("README.md").startswith("# CUDA kernels")


def test_kernels_inside_the_package_come_first(tmp_path, monkeypatch):
    for folder in (tmp_path / "gpunet" / "cuda_kernels", tmp_path / "cuda_kernels"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path / "gpunet")
    assert kernels.kernel_folder() == tmp_path / "gpunet" / "cuda_kernels"


def test_missing_kernels_say_where_they_were_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path / "gpunet")
    with pytest.raises(FileNotFoundError, match="sources are missing") as caught:
        kernels.kernel_source("conv.cu")
    assert str(tmp_path / "gpunet" / "cuda_kernels") in str(caught.value)
    assert f"and {tmp_path / 'cuda_kernels'}" in str(caught.value)


def test_unknown_kernel_names_those_that_exist(tmp_path, monkeypatch):
    (tmp_path / "cuda_kernels").mkdir()
    (tmp_path / "cuda_kernels" / "gemm.cu").write_text("")
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path / "gpunet")
    with pytest.raises(FileNotFoundError, match=r"\['gemm\.cu'\] in .* Received: name='cnov\.cu'"):
        kernels.kernel_source("cnov.cu")


# Importing


def python_in_tree(code, **variables):
    """The output of `code` in a fresh interpreter that imports gpunet from this tree."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return run([sys.executable, "-c", code], env=environment).strip()


def test_import_loads_no_heavy_package():
    loaded = python_in_tree("import sys, gpunet; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert "gpunet" in loaded
    assert set(HEAVY) & set(loaded) == set()


@pytest.mark.slow
@in_one_worker
def test_import_costs_at_most_three_times_numpy(tmp_path):
    """CPU time of the import alone, from bytecode, wherever and however the tests themselves are run."""

    def seconds(name):
        code = f"import time; t = time.process_time(); import {name}; print(time.process_time() - t)"
        return float(python_in_tree(code, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(tmp_path)))

    pairs = [(seconds("gpunet"), seconds("numpy")) for _ in range(10)][1:]  # the first writes the bytecode
    ours, numpy_alone = map(statistics.median, zip(*pairs))
    assert ours <= 3 * numpy_alone, f"import gpunet {ours:.3f} s, import numpy {numpy_alone:.3f} s"
