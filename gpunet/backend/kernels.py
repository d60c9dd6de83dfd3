"""Where the CUDA sources are: inside an installed package, or beside it in a source tree."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def kernel_folder() -> Path:
    """The folder that holds the CUDA sources.

    Raises:
        FileNotFoundError: if the installation is incomplete, with the places that were looked at.
    """
    places = (_PACKAGE / "cuda_kernels", _PACKAGE.parent / "cuda_kernels")
    for folder in places:
        if folder.is_dir():
            return folder
    looked = " and ".join(map(str, places))
    raise FileNotFoundError(f"gpunet's CUDA sources are missing: looked in {looked}. Install gpunet again.")


def kernel_source(name: str) -> str:
    """The text of one CUDA source, such as "conv.cu".

    Raises:
        FileNotFoundError: if there is none of that name, with the names that exist.
    """
    folder = kernel_folder()
    path = folder / name
    if not path.is_file():
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.cu*"))
        raise FileNotFoundError(f"kernel_source expected one of {names} in {folder}. Received: name={name!r}")
    return path.read_text(encoding="utf-8")
