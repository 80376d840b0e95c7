"""The client that speaks to Stripe, and the translation of its answers into our three.

Every request has a connection of its own: one that was kept and died idle would make a charge unknown that was never
sent. Nothing is tried again here, no redirect is followed, and neither keys nor bodies are logged.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import requests
import stripe
from django.conf import settings

from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable

from .stripe_declines import code_of, words_of

LIVE_KEYS, TEST_KEYS = ("sk_live_", "rk_live_"), ("sk_test_", "rk_test_")
CONNECT_SECONDS: float = 5
READ_SECONDS: float = 20

# A request that Stripe refused without doing anything, because of what the request was about.
ABOUT_THE_SOURCE = frozenset({"customer", "payment_method", "source"})
ABOUT_THE_AMOUNT = {
    "amount_too_small": "amount_too_small",
    "amount_too_large": "amount_too_large",
    "charge_already_refunded": "amount_too_large",
    "charge_disputed": "charge_disputed",
}
_NO_CONNECTION = frozenset({"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError"})


class _HttpClient(stripe.HTTPClient):
    """Send one request, and tell apart what certainly did not arrive from what may have."""

    name = "requests"

    def request(  # type: ignore[override]  # like its own clients, it answers in bytes
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send a request; raises Unavailable if it did not arrive, OutcomeUnknown if it may have done its work."""
        writes = method.upper() != "GET"
        try:
            with requests.Session() as session:
                answer = session.request(
                    method.upper(), url, headers=headers, data=post_data, allow_redirects=False,
                    timeout=(CONNECT_SECONDS, READ_SECONDS), verify=stripe.ca_bundle_path,
                )  # fmt: skip
                content = answer.content
        except requests.RequestException as error:
            raise _lost(error, writes=writes) from None  # its words may repeat the request
        if 300 <= answer.status_code < 400:
            raise _unclear(f"Stripe answered {answer.status_code}, which is no answer.", writes=writes)
        return content, answer.status_code, answer.headers

    def close(self) -> None:
        """Do nothing: each request closes its own connection."""


def client() -> stripe.StripeClient:
    """Return a client for the account in the settings; raises Unavailable if there is none."""
    if not settings.STRIPE_SECRET_KEY:
        raise Unavailable("STRIPE_SECRET_KEY is not set, so nothing can be charged.")
    return _made(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@lru_cache(maxsize=4)
def _made(key: str, base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": base.rstrip("/")} if base else None,
        max_network_retries=0,
        http_client=_HttpClient(),
    )


@contextmanager
def translated(*, writes: bool) -> Iterator[None]:
    """Translate what the client raises into Rejected, Unavailable and OutcomeUnknown; of reading only Unavailable."""
    try:
        yield
    except stripe.StripeError as error:
        raise _meant(error, writes=writes) from None  # its words may repeat the request
    except (ValueError, TypeError, KeyError, AttributeError, LookupError):
        raise _unclear("Stripe's answer cannot be read.", writes=writes) from None


def is_live_key(key: str) -> bool:
    """Tell whether a secret key moves real money."""
    return key.startswith(LIVE_KEYS)


def is_missing(error: stripe.StripeError) -> bool:
    """Tell whether Stripe says that what was asked for does not exist."""
    return error.http_status == 404 or error.code == "resource_missing"


def never_left(error: requests.RequestException) -> bool:
    """Tell whether no connection came about, so that nothing was asked; one that broke later is another thing."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    cause: Any = error.args[0] if error.args else None
    cause = getattr(cause, "reason", cause)  # urllib3's MaxRetryError wraps it
    return type(cause).__name__ in _NO_CONNECTION or "CERTIFICATE_VERIFY_FAILED" in str(cause)


def _lost(error: requests.RequestException, *, writes: bool) -> PortError:
    name = type(error).__name__
    if not writes or never_left(error):
        return Unavailable(f"Stripe cannot be reached ({name}).")
    return OutcomeUnknown(f"Stripe took the request and did not answer ({name}).")


def _unclear(words: str, *, writes: bool) -> PortError:
    return OutcomeUnknown(words) if writes else Unavailable(words)


def _meant(error: stripe.StripeError, *, writes: bool) -> PortError:
    """Return what an error of Stripe's means."""
    status = error.http_status or 0
    match error:
        case stripe.CardError() if writes:
            code = code_of(_body(error))
            return Rejected(words_of(code), code)
        case stripe.RateLimitError():
            return Unavailable("Stripe takes no more requests at the moment (429).")
        case stripe.AuthenticationError() | stripe.PermissionError():
            return Unavailable(f"Stripe does not accept STRIPE_SECRET_KEY for this ({status}): mend the setting.")
        case stripe.IdempotencyError():
            # An earlier request with this key reached Stripe: what came of that one has to be looked up.
            return _unclear("Stripe knows this key from an earlier request with other particulars.", writes=writes)
        case stripe.InvalidRequestError():
            return _invalid(error)
        case _ if status == 409:
            return _unclear("Another request with the same key is under way at Stripe (409).", writes=writes)
    return _unclear(f"Stripe answered {status or 'nothing'} and nothing that can be read.", writes=writes)


def _invalid(error: stripe.InvalidRequestError) -> PortError:
    """Return what a request means that Stripe refused to begin: whose fault it was decides."""
    code, param = error.code or "", error.param or ""
    if code in ABOUT_THE_AMOUNT or (param == "amount" and error.http_status == 400):
        meant = ABOUT_THE_AMOUNT.get(code, "amount_too_large")
        return Rejected(words_of(meant), meant)
    if is_missing(error) and param in ABOUT_THE_SOURCE:
        return Rejected(words_of("invalid_source"), "invalid_source")
    if param == "payment_method":
        return Rejected(words_of("invalid_source"), "invalid_source")
    # Not the customer's fault: it must not count as their bank's no.
    return Unavailable(f"Stripe does not take this request ({code or error.http_status}, {param or 'no parameter'}).")


def _body(error: stripe.StripeError) -> Mapping[str, Any]:
    body = error.json_body
    found = body.get("error") if isinstance(body, Mapping) else None
    return found if isinstance(found, Mapping) else {"code": error.code}
