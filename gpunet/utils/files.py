"""`get_file`: a file from the net, in the cache, whole and verified."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

_ALGORITHMS = {32: "md5", 64: "sha256"}


def get_file(
    fname: Any = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """The path of a file, downloaded if it is not in the cache yet or its hash is another.

    It appears under its name only when it is whole and, where a hash is given, verified.

    Args:
        fname: its name in the cache; the last part of `origin` where None.
        origin: the address, which may be `file://…`.
        untar, extract: unpack it, and return the folder it was unpacked in.
        file_hash: the expected SHA-256 or MD5; `md5_hash` is an older name.
        cache_dir: the cache: `$GPUNET_HOME`, else `~/.cache/gpunet` where None.
        hash_algorithm: "sha256", "md5" or "auto", by the length.
        archive_format: "tar", "zip", "auto" or a list of them.
        force_download: download it anew.

    Raises:
        ValueError: without an origin, or if what came has another hash.
        ConnectionError: if it cannot be downloaded.
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    name = Path(os.fspath(fname)).name if fname else origin.split("?")[0].rstrip("/").rpartition("/")[2]
    home = cache_dir or os.environ.get("GPUNET_HOME") or Path.home() / ".cache" / "gpunet"
    folder = Path(home).expanduser() / cache_subdir
    target, expected = folder / name, file_hash or md5_hash
    stale = expected is not None and target.exists() and not _matches(target, expected, hash_algorithm)
    if force_download or stale or not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(origin, target, expected, hash_algorithm)
    if untar or extract:
        return str(_unpacked(target, "tar" if untar and not extract else archive_format))
    return str(target)


def _matches(path: Path, expected: str, algorithm: str) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _algorithm(expected, algorithm)).hexdigest() == expected.lower()


def _algorithm(expected: str, algorithm: str) -> str:
    found = _ALGORITHMS.get(len(expected), "unknown") if algorithm == "auto" else algorithm
    if found not in _ALGORITHMS.values():
        raise ValueError(f"the hash must be a SHA-256 or an MD5. Received: {expected!r}, hash_algorithm={algorithm!r}")
    return found


def _download(origin: str, target: Path, expected: str | None, algorithm: str) -> None:
    from urllib.request import urlopen  # here, because it is slow to import

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        part = Path(folder) / target.name
        try:
            with urlopen(origin, timeout=30) as response, part.open("wb") as file:
                shutil.copyfileobj(response, file)
        except OSError as error:
            raise ConnectionError(
                f"could not download {origin}: {error}. If this machine has no network, put the file at {target}"
            ) from error
        if expected is not None and not _matches(part, expected, algorithm):
            raise ValueError(
                f"Incomplete or corrupted file detected: {origin} does not have the {_algorithm(expected, algorithm)} "
                f"hash {expected}"
            )
        part.replace(target)


def _unpacked(path: Path, archive_format: Any) -> Path:
    """The folder beside an archive with what is in it, made if it is not there; nothing is written elsewhere."""
    folder = path.with_name(f"{path.stem.removesuffix('.tar')}_extracted")
    if folder.exists():
        return folder
    listed = [archive_format] if isinstance(archive_format, str) else list(archive_format)
    kinds = ["tar", "zip"] if listed == ["auto"] else listed
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".extract-") as name:
        inside = Path(name) / "files"
        inside.mkdir()
        if "tar" in kinds and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                archive.extractall(inside, filter="data")
        elif "zip" in kinds and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(inside)
        else:
            raise ValueError(f"{path} is not an archive of these formats. Received: archive_format={archive_format!r}")
        inside.replace(folder)
    return folder
