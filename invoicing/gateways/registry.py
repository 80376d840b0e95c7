"""Find the configured gateway: a dotted path in the settings, checked when the server starts."""

from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from .port import Gateway


def gateway() -> Gateway:
    """Return the gateway of `settings.PAYMENT_GATEWAY`."""
    return _made(settings.PAYMENT_GATEWAY)


def check_gateway(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Report a gateway that cannot be loaded, at start and not at night."""
    try:
        gateway()
    except (ImportError, TypeError) as error:
        return [
            Error(
                f"The payment gateway {settings.PAYMENT_GATEWAY!r} cannot be loaded: {error}",
                hint="Set PAYMENT_GATEWAY to one of the values in .env.example.",
                id="invoicing.E001",
            )
        ]
    return []


@lru_cache(maxsize=8)
def _made(path: str) -> Gateway:
    return cast(Gateway, import_string(path)())
