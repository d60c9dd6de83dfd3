"""HDF5 files as stores of arrays: written plainly, read with suspicion.

A file from elsewhere may ask to read other files (links, external and virtual data sets) or for more memory than it has
bytes (compressed data sets). Neither is followed.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.backend.dtypes import as_dtype

if TYPE_CHECKING:
    import h5py

LARGE = 1 << 28  # bytes; from here on a data set must not be far larger than what the file holds of it
EXPANSION = 1000


class Writer:
    """An HDF5 file in the making: groups `path/vars` with data sets "0", "1", …"""

    def __init__(self, file: Any):
        import h5py

        self.file = h5py.File(file, "w")

    def write(self, path: str, arrays: dict[str, np.ndarray], name: str | None) -> None:
        """Write the arrays of one object, and its name as an attribute."""
        group = self.file.require_group(f"{path}/vars" if path else "vars")
        if name is not None:
            group.attrs["name"] = name
        for key, array in arrays.items():
            data = group.create_dataset(key, data=array)
            if array.dtype == as_dtype("bfloat16"):
                data.attrs["dtype"] = "bfloat16"

    def close(self) -> None:
        self.file.close()


class Reader:
    """An HDF5 file that somebody else may have written.

    Raises:
        ValueError: if it is no HDF5 file, or a damaged one.
    """

    def __init__(self, content: Any, what: str):
        import h5py

        self.what = what
        try:
            self.file = h5py.File(io.BytesIO(content) if isinstance(content, bytes) else content, "r")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ValueError(f"{what} is not a whole HDF5 file. Received: {error}") from None

    def close(self) -> None:
        self.file.close()

    def arrays(self, path: str) -> dict[str, np.ndarray]:
        """The arrays of one object by their keys; none where the file has nothing under the path.

        Raises:
            ValueError: for links, external or virtual data sets, or ones far larger than the file.
        """
        group = self._group(path)
        if group is None:
            return {}
        return {key: self._array(group, key) for key in group}

    def paths(self) -> set[str]:
        """The paths of all objects that have arrays; links are not followed, and refused by `arrays`."""
        found: set[str] = set()
        stack: list[tuple[str, Any]] = [("", self.file)]
        while stack:
            path, group = stack.pop()
            for key in group:
                self._refuse_link(group, key)
                child = group[key]
                if not hasattr(child, "keys"):
                    continue
                if key == "vars":
                    found |= {path} if len(child) else set()
                else:
                    stack.append((f"{path}/{key}" if path else key, child))
        return found

    def has(self, path: str) -> bool:
        """Whether there is a group under the path, "" for the whole file."""
        return self._inside(path) is not None

    def array(self, path: str) -> np.ndarray:
        """The array under a path.

        Raises:
            ValueError: as for `arrays`, and if there is none.
        """
        folder, _, name = path.rpartition("/")
        group = self._inside(folder)
        if group is None or name not in group:
            raise ValueError(f"{self.what}: there is no array {path!r}, which the file mentions.")
        return self._array(group, name)

    def text(self, name: str) -> str | None:
        """An attribute of the file that is text; None where it has none of that name."""
        value = self._attributes("").get(name)
        return None if value is None else self._decoded(value)

    def texts(self, path: str, name: str) -> list[str]:
        """A list of texts that is an attribute of a group, or several, numbered, where it is long."""
        found = self._attributes(path)
        if name in found:
            return [self._decoded(item) for item in found[name]]
        parts: list[str] = []
        while f"{name}{len(parts)}" in found:
            parts.append(f"{name}{len(parts)}")
        return [self._decoded(item) for part in parts for item in found[part]]

    def _attributes(self, path: str) -> Any:
        group = self._inside(path)
        if group is None:
            raise ValueError(f"{self.what}: there is no group {path!r}, which the file mentions.")
        return group.attrs

    def _decoded(self, value: Any) -> str:
        try:
            text = value.decode() if isinstance(value, bytes) else str(value)
            text.encode()  # h5py hides bytes that are no text in surrogates
            return text
        except UnicodeError:
            raise ValueError(f"{self.what}: expected text. Received: {value!r:.80}") from None

    def _group(self, path: str) -> Any:
        return self._inside(f"{path}/vars" if path else "vars")

    def _inside(self, path: str) -> Any:
        """The group under a path, without following links; None if there is none."""
        group: Any = self.file
        for part in path.split("/") if path else []:
            if part not in group:
                return None
            self._refuse_link(group, part)
            group = group[part]
            if not hasattr(group, "keys"):
                raise ValueError(f"{self.what}: expected a group at {path!r}. Received: {type(group).__name__}")
        return group

    def _refuse_link(self, group: Any, key: str) -> None:
        import h5py

        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{self.what} has a link, which is not followed. Received: {type(link).__name__} {key!r}")

    def _array(self, group: h5py.Group, key: str) -> np.ndarray:
        self._refuse_link(group, key)
        data = group[key]
        if not hasattr(data, "shape"):
            raise ValueError(f"{self.what}: expected an array. Received: a group {data.name!r}")
        if data.external or data.is_virtual:
            raise ValueError(f"{self.what} refers to other files, which are not read. Received: {data.name!r}")
        if data.dtype.kind not in "biufcV" or (data.dtype.kind == "V" and data.attrs.get("dtype") != "bfloat16"):
            raise ValueError(f"{self.what}: expected numbers at {data.name!r}. Received: dtype={data.dtype}")
        declared, stored = math.prod(data.shape) * data.dtype.itemsize, data.id.get_storage_size()
        if declared > LARGE and declared > EXPANSION * stored:
            raise ValueError(
                f"{self.what}: {data.name!r} claims far more than the file holds. "
                f"Received: {declared} bytes from {stored}"
            )
        try:
            array = np.asarray(data[()])
        except OSError as error:
            raise ValueError(f"{self.what} is damaged at {data.name!r}. Received: {error}") from None
        return array.view(as_dtype("bfloat16")) if array.dtype.kind == "V" else array


def read_checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> bytes:
    """A member of a zip archive, unless it is far larger than its compressed self.

    Raises:
        ValueError: if it is.
    """
    if info.file_size > LARGE and info.file_size > EXPANSION // 10 * max(1, info.compress_size):
        raise ValueError(
            f"{what}: {info.filename!r} claims far more than the file holds. "
            f"Received: {info.file_size} bytes from {info.compress_size}"
        )
    return archive.read(info)
