"""Requests as e-mail providers make them, truly signed, and the answers of customers in them."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.test import Client

from billing_project.kernel import clock

KEY, OLD_KEY = "key-0123456789abcdef", "key-fedcba9876543210"
POSTAL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SVIX_KEY = base64.b64encode(b"a secret of 24 bytes ....").decode()


def postal_public(key: rsa.RSAPrivateKey = POSTAL_KEY) -> str:
    """Return the public key as it stands in a setting."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


SETTINGS: dict[str, Any] = {
    "MAILGUN_WEBHOOK_SIGNING_KEY": f"{KEY},{OLD_KEY}",
    "POSTAL_WEBHOOK_KEY": postal_public(),
    "RESEND_SIGNING_SECRET": f"whsec_{SVIX_KEY}",
    "RESEND_INBOUND_SECRET": f"whsec_{SVIX_KEY}",
    "RESEND_API_KEY": "re_123",
    "MANDRILL_WEBHOOK_KEY": KEY,
    "MAILERSEND_SIGNING_SECRET": KEY,
    "MAILERSEND_INBOUND_SECRET": KEY,
}


@dataclass(frozen=True)
class Call:
    """One request of a provider: it may be sent again, or altered."""

    path: str
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"

    def send(self, client: Client | None = None, **changes: Any) -> Any:
        """Make the request and return the answer."""
        body = changes.pop("body", self.body)
        kind = changes.pop("content_type", self.content_type)
        headers = self.headers | changes.pop("headers", {})
        browser = client or Client(raise_request_exception=False)
        return browser.post(changes.pop("path", self.path), data=body, content_type=kind, headers=headers)


def mailgun_signature(token: str, key: str = KEY) -> dict[str, str]:
    """Return Mailgun's three fields."""
    at = str(int(clock.now().timestamp()))
    return {
        "timestamp": at, "token": token,
        "signature": hmac.new(key.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest(),
    }  # fmt: skip


def mailgun(kind: str, *, token: str, mark: str, key: str = KEY, **data: Any) -> Call:
    """Return an event of Mailgun's, signed."""
    event = {
        "event": kind, "timestamp": clock.now().timestamp(), "recipient": "ann@customer.example",
        "user-variables": {"notice": mark}, "message": {"headers": {"message-id": "abc@mg.example"}},
    } | data  # fmt: skip
    body = json.dumps({"signature": mailgun_signature(token, key), "event-data": event}).encode()
    return Call("/callbacks/email/mailgun/tracking/", body, {})


def sign_postal(body: bytes, key: rsa.RSAPrivateKey = POSTAL_KEY) -> dict[str, str]:
    """Return Postal's header."""
    signed = key.sign(body, padding.PKCS1v15(), hashes.SHA1())
    return {"X-Postal-Signature": base64.b64encode(signed).decode()}


def postal(status: str, *, token: str, message_id: str, key: rsa.RSAPrivateKey = POSTAL_KEY, **data: Any) -> Call:
    """Return an event of Postal's, signed."""
    message = {"id": message_id, "to": "ann@customer.example", "direction": "outgoing"}
    payload = {"message": message, "status": status} | data
    said = {"event": "MessageSent", "timestamp": clock.now().timestamp(), "uuid": token, "payload": payload}
    body = json.dumps(said).encode()
    return Call("/callbacks/email/postal/tracking/", body, sign_postal(body, key))


def sign_svix(body: bytes, token: str, at: int | None = None, key: str = SVIX_KEY) -> dict[str, str]:
    """Return the headers of the svix scheme."""
    sent = str(int(clock.now().timestamp()) if at is None else at)
    signed = hmac.new(base64.b64decode(key), f"{token}.{sent}.".encode() + body, hashlib.sha256).digest()
    given = base64.b64encode(signed).decode()
    return {"svix-id": token, "svix-timestamp": sent, "svix-signature": f"v1,bm90IHRoaXMgb25l v1,{given}"}


def resend(kind: str, *, token: str, mark: str, **data: Any) -> Call:
    """Return an event of Resend's, signed."""
    said = {
        "type": f"email.{kind}", "created_at": clock.now().isoformat(),
        "data": {"email_id": "re-1", "to": ["ann@customer.example"],
                 "headers": [{"name": "X-Metadata", "value": json.dumps({"notice": mark})}]} | data,
    }  # fmt: skip
    body = json.dumps(said).encode()
    return Call("/callbacks/email/resend/tracking/", body, sign_svix(body, token))


def mail(text: str = "I paid yesterday.", *, html: str = "", **headers: str) -> EmailMessage:
    """Return a customer's mail; header names with underscores."""
    message = EmailMessage()
    named = {
        "From": "Ann Example <ann@customer.example>", "To": "billing@valley.example", "Subject": "My bill",
        "Message-ID": "<1@customer.example>",
    } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
    for name, value in named.items():
        message[name] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def postal_mail(message: EmailMessage | bytes, *, token: str = "1", **fields: Any) -> Call:
    """Return a mail as Postal forwards it, signed."""
    raw = message if isinstance(message, bytes) else message.as_bytes()
    said = {
        "id": token, "rcpt_to": "billing@valley.example", "mail_from": "ann@customer.example",
        "message": base64.b64encode(raw).decode(), "base64": True,
    } | fields  # fmt: skip
    body = json.dumps(said).encode()
    return Call("/callbacks/email/postal/inbound/", body, sign_postal(body))
