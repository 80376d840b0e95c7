"""Pure: what other programs are told of an event, how a call is signed, and when it is tried again."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

# What integrators call it, by the journal's word.
NAMES: Mapping[str, str] = {
    "issued": "invoice.issued",
    "past_due": "invoice.past_due",
    "payment": "payment.recorded",
    "reversal": "payment.reversed",
    "late_fee": "fee.charged",
    "account_delinquent": "account.delinquent",
    "account_cured": "account.cured",
    "restricted": "line.restricted",
    "released": "line.released",
    "status_switch": "status.switched",
    "status_restored": "status.restored",
}
SIGNATURE = "Billing-Signature"
# Waits between tries; their sum is a day. After the last one the call is given up and shown.
WAITS: Sequence[timedelta] = tuple(
    timedelta(minutes=minutes) for minutes in (0.5, 2, 5, 15, 30, 60, 120, 240, 480, 487.5)
)
# An endpoint that does not answer is left alone for so long after each failure in a row, so that it costs nothing.
RESTS: Sequence[timedelta] = tuple(timedelta(minutes=minutes) for minutes in (0.5, 1, 2, 5, 10))


def body_of(  # a call, each part by its name
    *, key: int, kind: str, at: datetime, on: str, account: str, invoice: str | None, amount: str | None,
    currency: str, step: str,
) -> bytes:  # fmt: skip
    """Return the body of a call: ids and figures, and no person (``id`` tells a repeated one)."""
    told: dict[str, Any] = {
        "id": f"evt_{key}", "sequence": key, "type": NAMES[kind], "recorded_at": at.isoformat(), "on": on,
        "account": account, "invoice": invoice, "amount": amount, "currency": currency, "step": step or None,
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()


def signature(secrets: Sequence[str], *, stamp: int, body: bytes) -> str:
    """Return the signature of a call: its time, and one code for each secret that is in force (rotation)."""
    signed = f"{stamp}.".encode() + body
    codes = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={stamp}", *(f"v1={code}" for code in codes)])


def wait_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many tries; None: give up."""
    return WAITS[attempts - 1] if attempts <= len(WAITS) else None


def rest_after(failures: int) -> timedelta:
    """Return how long an endpoint is left alone after so many failures in a row."""
    return RESTS[min(failures, len(RESTS)) - 1]
