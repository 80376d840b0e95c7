"""Find the configured gateway: a dotted path in the settings, checked when the server starts (checks.py)."""

from functools import lru_cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from .port import Gateway


def gateway() -> Gateway:
    """Return the gateway of `settings.PAYMENT_GATEWAY`."""
    return _made(settings.PAYMENT_GATEWAY)


@lru_cache(maxsize=8)
def _made(path: str) -> Gateway:
    return cast(Gateway, import_string(path)())
