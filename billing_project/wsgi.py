"""The web as gunicorn sees it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
# Pages may hold the database for 15 s at most, workers for ten minutes (settings.py reads this).
os.environ.setdefault("PROCESS_ROLE", "web")

from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request; after a page of the walled garden the connection is closed.

    A device decides by a connection's first packet where it leads, so one that was opened in the garden would go on
    leading there after the line was freed. An application may not send "Connection: close" itself (PEP 3333), so
    gunicorn is asked to; any other server does as it likes.
    """
    if environ.get("PATH_INFO", "").startswith(("/portal/garden/", "/portal/captive")):
        force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
        if force_close is not None:
            force_close()
    return _django(environ, start_response)
