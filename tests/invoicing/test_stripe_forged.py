"""Reports that are not Stripe's, or are and say anything: no effect of the first, no failure of either (T33, SEC-14).

500 of each kind; the long run is ``FORGED_REPORTS=10000 script/test tests/invoicing/test_stripe_forged.py``.
"""

import json
import os
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Attention
from billing_project.kernel import clock
from invoicing.models import GatewayEvent, LedgerEntry, PaymentAttempt
from tests.peers.stripe_fake import SECRET, signed

from .stripe_helpers import ADDRESS, SETTINGS, post

pytestmark = pytest.mark.django_db
REPORTS = int(os.environ.get("FORGED_REPORTS") or 500)
MANY = settings(
    max_examples=REPORTS, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ODD = st.sampled_from(
    [
        "",
        "\0",
        "evt_1",
        "pi_1",
        "x" * 500,
        "payment_intent.succeeded",
        "1e9999",
        -1,
        0,
        1 << 80,
        None,
        True,
        [],
        {},
        1.5,
    ]
)
JSON = st.recursive(ODD | TEXT | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["id", "type", "created", "data", "object", "payment_intent", "livemode"]) | TEXT, inner, max_size=6
), max_leaves=12)  # fmt: skip
EVENT = st.fixed_dictionaries({
    "id": ODD | TEXT, "type": ODD | TEXT, "created": ODD | st.integers(), "livemode": ODD,
    "data": st.fixed_dictionaries({"object": JSON}) | JSON,
})  # fmt: skip
GOOD = {
    "id": "evt_good", "object": "event", "type": "payment_intent.succeeded", "created": 1_760_000_000,
    "livemode": False, "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _stripe(settings: Any) -> None:
    for name, value in SETTINGS.items():
        setattr(settings, name, value)


def rows() -> list[int]:
    """Return how much there is of everything that a report may change."""
    return [model.objects.count() for model in (GatewayEvent, LedgerEntry, PaymentAttempt, Attention)]


@MANY
@given(body=st.binary(max_size=300) | EVENT.map(lambda event: json.dumps(event).encode()), signature=TEXT | st.builds(
    "t={},v1={}".format, st.integers() | TEXT, TEXT | st.just("a" * 64)
))  # fmt: skip
def test_a_forged_report_does_nothing_and_never_fails(body: bytes, signature: str) -> None:
    before = rows()
    assert post(body, signature) == 400
    assert rows() == before


@MANY
@given(event=EVENT | JSON)
def test_whatever_stripe_itself_says_never_fails(event: Any) -> None:
    assert post(*signed(event)) in (200, 400)


def test_bytes_that_are_no_text_are_refused_although_they_are_signed() -> None:
    import hashlib
    import hmac

    now = int(clock.now().timestamp())
    for body in (b"\xff\xfe", b"", b"[" * 100_000, b"null", b'{"id": "evt_\\ud800"}'):
        mark = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        assert post(body, f"t={now},v1={mark}") == 400
    assert rows() == [0, 0, 0, 0]


def test_a_signature_that_is_almost_right_is_wrong() -> None:
    body, good = signed(GOOD)
    stamp, _, mark = good.partition(",v1=")
    variants = {f"{stamp},v1={mark[:place]}{sign}{mark[place + 1 :]}" for place in range(64) for sign in "0aFg "}
    variants |= {
        f"{stamp},v0={mark}", f"{stamp},v1={mark.upper()}", f"{stamp},v1={mark}0", f"{stamp},v1={mark[:-1]}", mark,
        f"v1={mark}", stamp, f"{stamp}1,v1={mark}", f"{stamp},{stamp},v1={mark}", f"t=,v1={mark}", "",
        f"t=0x10,v1={mark}", f"t={'9' * 400},v1={mark}", f"t=١٢٣,v1={mark}",
    }  # fmt: skip
    variants -= {good}
    assert len(variants) >= 300
    assert {post(body, variant) for variant in variants} == {400}
    assert {post(body + " ", good), post(body.replace("pi_1", "pi_2"), good)} == {400}
    assert rows() == [0, 0, 0, 0]
    assert post(body, f"{stamp},v1={'0' * 64},v1={mark}") == 200
    assert rows() == [1, 0, 0, 0]


def test_a_report_that_was_caught_and_is_played_again_does_nothing() -> None:
    sent = signed(GOOD)
    assert {post(*sent) for _ in range(100)} == {200}
    assert rows() == [1, 0, 0, 0]


@pytest.mark.parametrize("length", ["", "9999999", "-1", "x"])
def test_a_body_without_end_is_not_read_to_its_end(length: str) -> None:
    body, signature = signed({**GOOD, "data": {"object": {"id": "x" * 1024 * 1024}}})
    headers = {"Stripe-Signature": signature}
    extra = {"CONTENT_LENGTH": length} if length else {}
    answer = Client(raise_request_exception=False).generic(
        "POST", ADDRESS, body, "application/json", headers=headers, **extra
    )
    assert answer.status_code in (400, 413)
    assert rows() == [0, 0, 0, 0]


def test_a_report_needs_no_token_of_ours_and_no_session() -> None:
    body, signature = signed(GOOD)
    strict = Client(enforce_csrf_checks=True)
    assert post(body, signature, strict) == 200
    assert not strict.cookies
