"""Downloads that are complete and verified, or did not happen."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

_MD5_LENGTH = 32  # in hexadecimal digits
_TIMEOUT = 30.0  # seconds without an answer


class ChecksumError(ValueError):
    """The bytes that came are not the file that was asked for."""


def fetch(urls: Sequence[str], target: Path, digest: str) -> None:
    """Download `target` from the first of `urls` that gives the file with this checksum.

    The file appears under its name only when it is whole and verified. The checksum is a SHA-256, or an MD5, by its
    length.

    Raises:
        ConnectionError: if none does, with the reason for each.
    """
    failures = []
    for url in urls:
        try:
            _fetch_from(url, target, digest)
        except HTTPError as error:
            failures.append(f"{url}: {error}")
            error.close()  # it holds the connection
        except (OSError, HTTPException, ChecksumError) as error:
            failures.append(f"{url}: {error}")
        else:
            return
    raise ConnectionError("\n".join(failures))


def _fetch_from(url: str, target: Path, expected: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the rename stays on one file system and is atomic.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        part = Path(folder) / target.name
        algorithm = "md5" if len(expected) == _MD5_LENGTH else "sha256"
        found = _copy(url, part, algorithm)
        if found != expected:
            raise ChecksumError(f"expected a file with {algorithm} {expected}. Received: {found}")
        part.replace(target)


def _copy(url: str, path: Path, algorithm: str) -> str:
    """Write what `url` gives to `path`; return its checksum."""
    digest = hashlib.new(algorithm)
    with urlopen(url, timeout=_TIMEOUT) as response, path.open("wb") as file:
        while chunk := response.read(1 << 16):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
