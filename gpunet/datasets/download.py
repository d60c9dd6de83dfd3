"""Downloads that are complete and verified, or did not happen."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

_TIMEOUT = 30.0  # seconds without an answer


class ChecksumError(ValueError):
    """The bytes that came are not the file that was asked for."""


def fetch(urls: Sequence[str], target: Path, sha256: str) -> None:
    """Download `target` from the first of `urls` that gives the file with this checksum.

    The file appears under its name only when it is whole and verified.

    Raises:
        ConnectionError: if none does, with the reason for each.
    """
    failures = []
    for url in urls:
        try:
            _fetch_from(url, target, sha256)
        except HTTPError as error:
            failures.append(f"{url}: {error}")
            error.close()  # it holds the connection
        except (OSError, HTTPException, ChecksumError) as error:
            failures.append(f"{url}: {error}")
        else:
            return
    raise ConnectionError("\n".join(failures))


def _fetch_from(url: str, target: Path, sha256: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the rename stays on one file system and is atomic.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        part = Path(folder) / target.name
        found = _copy(url, part)
        if found != sha256:
            raise ChecksumError(f"expected a file with sha256 {sha256}. Received: {found}")
        part.replace(target)


def _copy(url: str, path: Path) -> str:
    """Write what `url` gives to `path`; return its sha256."""
    digest = hashlib.sha256()
    with urlopen(url, timeout=_TIMEOUT) as response, path.open("wb") as file:
        while chunk := response.read(1 << 16):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
