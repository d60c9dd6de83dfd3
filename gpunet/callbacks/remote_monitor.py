"""Logs sent to a server."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from gpunet.callbacks.callback import Callback


class RemoteMonitor(Callback):
    """Sends the logs of each epoch to a server, as an HTTP POST of JSON.

    Args:
        root: the address of the server.
        path: below it.
        field: the field of the form that holds the JSON.
        headers: further HTTP headers.
        send_as_json: send the JSON itself rather than a form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ):
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        from urllib.request import urlopen  # here, because it is slow to import

        values = {name: np.asarray(value).tolist() for name, value in (logs or {}).items()}
        try:
            urlopen(self._request({"epoch": epoch, **values}), timeout=30).close()
        except OSError:
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}", stacklevel=2)

    def _request(self, values: dict[str, Any]) -> Any:
        from urllib.parse import urlencode
        from urllib.request import Request

        text = json.dumps(values)
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        body = text if self.send_as_json else urlencode({self.field: text})
        return Request(self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})})
