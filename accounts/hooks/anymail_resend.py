"""Resend's webhooks: its signature (the svix scheme, ±300 s), and mails fetched from it within limits of time and size.

Anymail reads what Resend sends; for the signature it wants a package of its own, and it fetches mails of any size for
as long as that takes.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from anymail.exceptions import AnymailWebhookValidationFailure
from anymail.inbound import AnymailInboundMessage
from anymail.utils import get_anymail_setting
from anymail.webhooks.resend import ResendInboundWebhookView, ResendTrackingWebhookView
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.generic import View

from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable

MAY_BE_OFF = timedelta(seconds=300)
MAIL_MAX = 10 * 1024 * 1024
# To connect, and between two pieces of the answer; together no more than the whole.
TIMEOUT = (5, 15)
FETCH_FOR = timedelta(seconds=40)
_MAIL_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def verify_svix(secret: str, request: HttpRequest) -> None:
    """Raise AnymailWebhookValidationFailure unless the request is signed with the secret, within the last 5 minutes."""
    message_id, sent = request.headers.get("svix-id", ""), request.headers.get("svix-timestamp", "")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise AnymailWebhookValidationFailure("The webhook's signing secret is not written as whsec_… .") from None
    if not (message_id and re.fullmatch(r"\d{1,12}", sent, re.ASCII)):
        raise AnymailWebhookValidationFailure("Webhook without the headers of its signature")
    if abs(int(sent) - clock.now().timestamp()) > MAY_BE_OFF.total_seconds():
        raise AnymailWebhookValidationFailure("Webhook signed too long ago")
    signed = b".".join((message_id.encode("utf-8", "replace"), sent.encode(), request.body))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.removeprefix("v1,") for part in request.headers.get("svix-signature", "").split()[:20]]
    if not any(constant_time_compare(one, expected) for one in given):
        raise AnymailWebhookValidationFailure("Webhook with a wrong signature")


class _Signed(View):
    """Verify by ourselves; skips the parent's own start, which asks for the svix package."""

    def __init__(self, *, secret: str) -> None:
        View.__init__(self)
        self.validators = [lambda _view, request: verify_svix(secret, request)]


class ResendTracking(_Signed, ResendTrackingWebhookView):
    """Read Resend's events."""


class ResendInbound(_Signed, ResendInboundWebhookView):
    """Read Resend's inbound mails; the webhook names them, and their text is fetched."""

    def __init__(self, *, secret: str) -> None:
        super().__init__(secret=secret)
        self.api_key = get_anymail_setting("api_key", esp_name="Resend", default="", allow_bare=True)
        self.api_url = get_anymail_setting("api_url", esp_name="Resend", default="https://api.resend.com/")

    def _fetch_inbound_email(self, email_id: str) -> AnymailInboundMessage:
        """Fetch a mail as it was sent; raises Unavailable if it cannot be had now, ValueError if it is none."""
        if not isinstance(email_id, str) or not _MAIL_ID.fullmatch(email_id):
            raise ValueError("The provider names its mail in an impossible way.")
        base = self.api_url if self.api_url.endswith("/") else f"{self.api_url}/"
        told = fetch(urljoin(base, f"emails/receiving/{email_id}"), {"Authorization": f"Bearer {self.api_key}"})
        data = requests.compat.json.loads(told)  # type: ignore[attr-defined]
        raw = (data.get("raw") or {}).get("download_url")
        if raw:
            return AnymailInboundMessage.parse_raw_mime_bytes(fetch(raw))
        return _from_parts(data)


def _from_parts(data: dict[str, Any]) -> AnymailInboundMessage:
    """Return a mail of which only the parts are told; its files stay with the provider."""
    headers = data.get("headers") or {}
    pairs = headers.items() if isinstance(headers, dict) else [(row["name"], row["value"]) for row in headers]
    return AnymailInboundMessage.construct(
        from_email=data.get("from"), to=", ".join(data.get("to") or []) or None, subject=data.get("subject"),
        headers=[(name, value) for name, value in pairs if name.lower() not in ("from", "to", "subject")],
        text=data.get("text"), html=data.get("html"),
    )  # fmt: skip


def fetch(url: str, headers: dict[str, str] | None = None) -> bytes:
    """Return what an address of the provider answers, up to 10 MB; raises Unavailable for anything else."""
    if urlsplit(url).scheme not in ("https", "http") or (headers is None and urlsplit(url).scheme != "https"):
        raise Unavailable("The provider names its mail by an address that is not safe.")
    until = clock.now() + FETCH_FOR
    try:
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False) as answer:
            if answer.status_code != 200:
                raise Unavailable(f"The provider answered {answer.status_code} when asked for a mail.")
            return b"".join(_pieces(answer.iter_content(65_536), until))
    except requests.RequestException as error:
        raise Unavailable(f"The provider could not be asked for a mail: {type(error).__name__}.") from error


def _pieces(pieces: Iterable[bytes], until: Any) -> Iterable[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAIL_MAX:
            raise ValueError("The mail is larger than 10 MB.")
        if clock.now() > until:
            raise Unavailable("The provider sends a mail too slowly.")
        yield piece
