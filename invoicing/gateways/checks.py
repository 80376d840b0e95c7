"""Checks at start of what is set for the payment gateway; wrong settings must not wait for the night."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from .registry import gateway
from .stripe_client import LIVE_KEYS as LIVE
from .stripe_client import TEST_KEYS as TEST
from .stripe_gateway import StripeGateway

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_gateway(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Report a gateway that cannot be loaded, or whose settings are wrong or dangerous."""
    try:
        own = gateway()
    except (ImportError, TypeError) as error:
        return [
            Error(
                f"The payment gateway {settings.PAYMENT_GATEWAY!r} cannot be loaded: {error}",
                hint="Set PAYMENT_GATEWAY to one of the values in .env.example.",
                id="invoicing.E001",
            )
        ]
    return list(_stripe()) if isinstance(own, StripeGateway) else []


def _stripe() -> list[CheckMessage]:
    """Report what is wrong with the STRIPE_ settings; no value of a secret is repeated."""
    found: list[CheckMessage] = []
    key = settings.STRIPE_SECRET_KEY
    if not key.startswith(LIVE + TEST):
        found.append(
            Error(
                "STRIPE_SECRET_KEY is missing or is no secret key.",
                hint="Take it from Stripe's dashboard (Developers, API keys): it begins with sk_ or rk_, not with pk_.",
                id="invoicing.E002",
            )
        )
    if key.startswith(LIVE) and settings.DEBUG:
        found.append(
            Error(
                "STRIPE_SECRET_KEY is a live key while DEBUG is on: real cards would be charged from a trial.",
                hint="Use a test key (sk_test_), or set DEBUG=false.",
                id="invoicing.E003",
            )
        )
    secrets = [secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET.split(",") if secret.strip()]
    if not secrets or not all(secret.startswith("whsec_") for secret in secrets):
        found.append(
            Error(
                "STRIPE_WEBHOOK_SECRET is missing or is no signing secret, so no report of Stripe's can be believed.",
                hint="Make an endpoint for /callbacks/stripe/ in Stripe's dashboard; its secret begins with whsec_.",
                id="invoicing.E004",
            )
        )
    found += _addresses(key)
    if key.startswith(TEST) and settings.PRODUCTION:
        found.append(
            checks.Warning(
                "STRIPE_SECRET_KEY is a test key in production: cards are not really charged.",
                hint="Use the live key once the trial is over.",
                id="invoicing.W001",
            )
        )
    return found


def _addresses(key: str) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    own = urlsplit(settings.PUBLIC_BASE_URL)
    if own.scheme != "https" and (settings.PRODUCTION or key.startswith(LIVE)):
        found.append(
            Error(
                "PUBLIC_BASE_URL is not https: customers come back from Stripe's page to it, and reports arrive there.",
                hint="Put a proxy with TLS in front and name its https:// address.",
                id="invoicing.E005",
            )
        )
    base = urlsplit(settings.STRIPE_API_BASE)
    if settings.STRIPE_API_BASE and base.scheme != "https" and base.hostname not in _LOOPBACK:
        found.append(
            Error(
                "STRIPE_API_BASE is not https: the secret key would travel in the clear.",
                hint="Unset it for Stripe itself, or use https.",
                id="invoicing.E006",
            )
        )
    elif settings.STRIPE_API_BASE and key.startswith(LIVE):
        found.append(
            Error(
                "STRIPE_API_BASE points elsewhere while STRIPE_SECRET_KEY is a live key.",
                hint="Unset STRIPE_API_BASE.",
                id="invoicing.E007",
            )
        )
    return found
