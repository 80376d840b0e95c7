"""Calls that are not Twilio's, or are and say anything: no effect of the first, no failure of either (T33).

500 of each kind; the long run is ``FORGED_CALLS=10000 script/test tests/accounts/test_twilio_forged.py``.
"""

import os
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import CallRecord, InboundMessage, Notice, NoticeAttempt, ProviderEvent, Suppression
from accounts.outreach import references
from tests.accounts.test_twilio_hooks import CALL_SID, PUBLIC, SID, address, post, sent
from tests.peers.twilio_fake import ACCOUNT, TOKEN, sign

pytestmark = pytest.mark.django_db
CALLS = int(os.environ.get("FORGED_CALLS") or 500)
MANY = settings(
    max_examples=CALLS, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"
NAMES = (
    "AccountSid", "MessageSid", "SmsSid", "MessageStatus", "ErrorCode", "CallSid", "CallStatus", "AnsweredBy", "Digits",
    "SipResponseCode", "Timestamp", "From", "To", "Body", "NumMedia", "OptOutType",
)  # fmt: skip
WORDS = (
    ACCOUNT, SID, CALL_SID, "", "delivered", "failed", "undelivered", "completed", "busy", "30005", "21610", "human",
    "machine_start", "1", "2", "9", "STOP", "Wed, 21 Jan 2026 13:59:30 +0000", "Mon, 99 Foo 0000 99:99:99 +9999", "\0",
    "x" * 5000, "\ud7ff\uffff", "' OR 1=1 --", "<Say>", "1e9999", "-1", "+15550100123",
)  # fmt: skip
VALUES = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FIELDS = st.dictionaries(
    st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), VALUES, max_size=9
)
PATHS = st.sampled_from(["message/", "message/{}/", "call/", "call/{}/", "call/{}/words/", "call/{}/key/", "inbound/"])


@pytest.fixture(autouse=True)
def _account_at_twilio(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.PUBLIC_BASE_URL = ACCOUNT, TOKEN, PUBLIC
    nobody = SimpleNamespace(take_in_text=lambda **_: "")
    monkeypatch.setitem(sys.modules, "accounts.outreach.inbound", nobody)  # type: ignore[arg-type]


def rows() -> list[Any]:
    """Return everything that a call may change."""
    counts = [model.objects.count() for model in (ProviderEvent, Suppression, NoticeAttempt, InboundMessage)]
    states = list(Notice.objects.order_by("pk").values_list("pk", "state", "provider_id", "provider_state"))
    return [counts, states, list(CallRecord.objects.order_by("pk").values_list("outcome", flat=True))]


@MANY
@given(path=PATHS, fields=FIELDS, body=st.none() | st.binary(max_size=200), signature=VALUES, kind=VALUES)
def test_a_forged_call_does_nothing_and_never_fails(
    path: str, fields: dict[str, str], body: bytes | None, signature: str, kind: str
) -> None:
    notice = Notice.objects.first() or sent("voice")
    before = rows()
    done = Client(raise_request_exception=False).post(
        "/callbacks/twilio/" + path.format(references.token_of(notice.pk)),
        urlencode({"AccountSid": ACCOUNT, **fields}) if body is None else body,
        FORM if len(kind) % 5 else kind,
        headers={"X-Twilio-Signature": signature},
    )
    assert (done.status_code, done.content) in ((403, b""), (413, b""))
    assert rows() == before


@MANY
@given(path=PATHS, fields=FIELDS, channel=st.sampled_from(["sms", "voice"]))
def test_whatever_twilio_itself_says_never_fails(path: str, fields: dict[str, str], channel: str) -> None:
    notice = Notice.objects.filter(channel=channel).first() or sent(channel)
    where = "/callbacks/twilio/" + path.format(references.token_of(notice.pk))
    done = post(where, {**fields, "AccountSid": ACCOUNT})
    assert done.status_code in (200, 204, 404)


def test_a_call_that_was_caught_and_is_played_again_does_nothing() -> None:
    notice = sent(state="ambiguous")
    fields = {"MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": "30005"}
    assert post(address(notice), fields).status_code == 204
    before = rows()
    for _ in range(CALLS // 10):
        assert post(address(notice), fields).status_code == 204
    assert rows() == before
    assert ProviderEvent.objects.count() == 1


def test_a_signature_that_is_almost_right_is_wrong() -> None:
    notice = sent()
    path = address(notice)
    fields = {"AccountSid": ACCOUNT, "MessageSid": SID, "MessageStatus": "failed"}
    good = sign(PUBLIC + path, fields)
    variants = {good[:place] + sign_ + good[place + 1 :] for place in range(len(good)) for sign_ in "A+/=z0é aB9k"}
    variants |= {good + "=", good[:-1], f" {good}x", good.lower(), good * 2, f"sha1={good}"}
    variants -= {good}
    assert len(variants) >= 300
    before = rows()
    assert {post(path, fields, signature=variant).status_code for variant in variants} == {403}
    assert rows() == before
    assert post(path, fields, signature=good).status_code == 204
    assert rows() != before
