"""Pure: what a request over HTTP that got no answer means."""

from typing import Any

import requests

_NO_CONNECTION = frozenset({"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError"})


def never_left(error: requests.RequestException) -> bool:
    """Tell whether no connection came about, so that nothing was asked; one that broke later is another thing."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    cause: Any = error.args[0] if error.args else None
    cause = getattr(cause, "reason", cause)  # urllib3's MaxRetryError wraps it
    return type(cause).__name__ in _NO_CONNECTION or "CERTIFICATE_VERIFY_FAILED" in str(cause)
