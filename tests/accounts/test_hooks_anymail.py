"""What e-mail providers report: truly signed, in any order, any number of times (R-08, T13, T33)."""

import base64
import hashlib
import hmac
import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from accounts.models import Notice, ProviderEvent, Suppression
from accounts.outreach.references import token_of
from billing_project.kernel import clock
from tests.factories import make_account, make_contact
from tests.mails import KEY, OLD_KEY, SETTINGS, Call, mailgun, postal, resend

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_noon(settings: Any) -> Iterator[None]:
    settings.EMAIL_PROVIDER, settings.ANYMAIL = "mailgun", SETTINGS
    with clock.at(NOON):
        yield


def accepted_notice(**fields: Any) -> Notice:
    account = make_account()
    values: dict[str, Any] = {
        "account": account, "contact": make_contact(account), "anchor_key": "case:1", "step_key": "notice-1",
        "channel": "email", "template": "delinquent", "to_address": "ann@customer.example", "body": "Hello",
        "state": "accepted", "accepted_at": NOON - timedelta(hours=1), "sending_at": NOON - timedelta(hours=1),
    }  # fmt: skip
    return Notice.objects.create(**(values | fields))


def story(provider: str, notice: Notice) -> list[Call]:
    """Return what a provider says of a letter that was delivered, opened and bounced late."""
    mark = token_of(notice.pk)
    if provider == "mailgun":
        return [
            mailgun("accepted", token="a", mark=mark),
            mailgun("failed", token="b", mark=mark, severity="temporary"),
            mailgun("delivered", token="c", mark=mark),
            mailgun("opened", token="d", mark=mark),
            mailgun("failed", token="e", mark=mark, severity="permanent", reason="bounce",
                    **{"delivery-status": {"code": 550, "message": "5.1.1 No such user", "description": ""}}),
        ]  # fmt: skip
    if provider == "postal":
        return [
            postal("Held", token="a", message_id=notice.provider_id),
            postal("SoftFail", token="b", message_id=notice.provider_id, output="451 try later"),
            postal("Sent", token="c", message_id=notice.provider_id),
            postal("HardFail", token="e", message_id=notice.provider_id, output="550 5.1.1 User unknown"),
        ]
    return [
        resend("sent", token="a", mark=mark),
        resend("delivery_delayed", token="b", mark=mark),
        resend("delivered", token="c", mark=mark),
        resend("bounced", token="e", mark=mark,
               bounce={"message": "a hard bounce message", "type": "Permanent", "subType": "General"}),
    ]  # fmt: skip


@pytest.mark.parametrize("provider", ["mailgun", "postal", "resend"])
def test_any_order_and_number_of_repeats_ends_as_the_provider_says(provider: str, settings: Any) -> None:
    settings.EMAIL_PROVIDER = provider
    rng = random.Random(7)
    for round_ in range(12):
        Suppression.objects.all().delete()
        ProviderEvent.objects.all().delete()
        notice = accepted_notice(provider_id=f"pm-{provider}-{round_}")
        calls = story(provider, notice) * 3
        rng.shuffle(calls)
        assert {call.send().status_code for call in calls} == {200}
        notice.refresh_from_db()
        assert notice.state == "bounced"
        assert ProviderEvent.objects.filter(notice=notice).count() == len(calls) // 3
        assert Suppression.objects.filter(address="ann@customer.example", lifted_at=None).count() == 1
        assert Notice.objects.filter(fallback_of=notice).count() == 1  # by text, once


def test_a_report_that_comes_days_late_still_counts() -> None:
    notice = accepted_notice()
    late = mailgun("delivered", token="late", mark=token_of(notice.pk))
    with clock.at(NOON + timedelta(days=3)):
        assert late.send().status_code == 200
    notice.refresh_from_db()
    assert (notice.state, notice.ended_at) == ("delivered", NOON)


@pytest.mark.parametrize(("said", "state", "left_alone"), [
    ({"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "message": "5.1.1"}},
     "bounced", True),
    ({"severity": "permanent", "reason": "suppress-bounce"}, "bounced", True),
    ({"severity": "permanent", "reason": "generic", "delivery-status": {"code": 552, "message": "5.2.2 Mailbox full"}},
     "failed", False),
    ({"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "message": "5.7.1 Blocked"}},
     "failed", False),
    ({"severity": "temporary", "reason": "generic", "delivery-status": {"code": 451, "message": "4.3.0"}},
     "accepted", False),
])  # fmt: skip
def test_only_a_bounce_that_speaks_of_the_address_closes_it(said: dict[str, Any], state: str, left_alone: bool) -> None:
    notice = accepted_notice()
    mailgun("failed", token="t", mark=token_of(notice.pk), **said).send()
    notice.refresh_from_db()
    assert notice.state == state
    assert Suppression.objects.exists() is left_alone


@pytest.mark.parametrize(("event", "state", "reason"), [
    ("complained", "delivered", "complaint"), ("unsubscribed", "delivered", "opted_out"),
    ("opened", "accepted", None), ("clicked", "accepted", None),
])  # fmt: skip
def test_complaints_and_unsubscribes_close_the_address_and_opening_changes_nothing(
    event: str, state: str, reason: str | None
) -> None:
    notice = accepted_notice()
    mailgun(event, token="t", mark=token_of(notice.pk)).send()
    notice.refresh_from_db()
    assert notice.state == state
    assert list(Suppression.objects.values_list("reason", flat=True)) == ([reason] if reason else [])


def test_both_keys_hold_while_one_is_changed_for_the_other() -> None:
    notice = accepted_notice()
    mark = token_of(notice.pk)
    assert mailgun("opened", token="1", mark=mark, key=OLD_KEY).send().status_code == 200
    assert mailgun("opened", token="2", mark=mark, key=KEY).send().status_code == 200
    assert mailgun("opened", token="3", mark=mark, key="key-of-somebody-else").send().status_code == 403


@pytest.mark.parametrize("provider", ["mailgun", "postal", "resend"])
def test_forged_and_altered_requests_are_refused_without_a_word(provider: str, settings: Any) -> None:
    settings.EMAIL_PROVIDER = provider
    notice = accepted_notice(provider_id="pm-1")
    true = story(provider, notice)[-1]
    forged = [true.send(body=b""), true.send(body=b"\x00\xff{")]
    if provider == "mailgun":  # its signature stands in the body
        said = json.loads(true.body)
        said["signature"]["timestamp"] = "1772470801"
        forged.append(true.send(body=json.dumps(said).encode()))
    else:
        forged.append(true.send(body=true.body.replace(b"ann@", b"bob@")))
        forged.append(true.send(headers=dict.fromkeys(true.headers, "")))
    if provider == "postal":
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        forged.append(postal("HardFail", token="x", message_id="pm-1", key=other).send())
    if provider == "resend":
        with clock.at(NOON + timedelta(seconds=301)):
            forged.append(true.send())
    assert {(answer.status_code, answer.content) for answer in forged} == {(403, b"")}
    notice.refresh_from_db()
    assert notice.state == "accepted"
    assert not ProviderEvent.objects.exists()


def test_a_signature_seen_once_does_not_carry_another_event() -> None:
    notice = accepted_notice()
    true = mailgun("opened", token="t", mark=token_of(notice.pk))
    true.send()
    said = json.loads(true.body)
    said["event-data"] |= {"event": "failed", "severity": "permanent", "reason": "bounce"}
    assert true.send(body=json.dumps(said).encode()).status_code == 200
    notice.refresh_from_db()
    assert notice.state == "accepted"
    assert not Suppression.objects.exists()


def test_a_thousand_replays_change_nothing() -> None:
    notice = accepted_notice()
    true = mailgun("delivered", token="t", mark=token_of(notice.pk))
    browser = Client()
    true.send(browser)
    before = (list(Notice.objects.values()), list(ProviderEvent.objects.values()))
    assert {true.send(browser).status_code for _ in range(1000)} == {200}
    assert (list(Notice.objects.values()), list(ProviderEvent.objects.values())) == before


def test_only_the_provider_in_use_is_heard(settings: Any) -> None:
    call = mailgun("opened", token="t", mark=token_of(accepted_notice().pk))
    settings.EMAIL_PROVIDER = "postal"
    assert call.send().status_code == 404
    settings.EMAIL_PROVIDER = "simulated"
    assert call.send(path="/callbacks/email/simulated/tracking/").status_code == 404
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("provider", ["postmark", "sparkpost", "mailjet", "brevo", "amazon_ses", "scaleway"])
def test_providers_that_sign_nothing_are_told_why_they_are_not_heard(provider: str, settings: Any) -> None:
    settings.EMAIL_PROVIDER = provider
    answer = Client().post(f"/callbacks/email/{provider}/tracking/", "{}", "application/json")
    assert answer.status_code == 403
    assert answer.content.decode().startswith("Not taken in: ")


def test_a_body_above_the_limit_is_refused_unread() -> None:
    big = mailgun("opened", token="t", mark="x", junk="x" * 1_100_000)
    assert (big.send().status_code, big.send().content) == (413, b"")
    small = mailgun("opened", token="t", mark="x", junk="x" * 900_000)
    assert small.send().status_code == 200


def test_what_is_signed_but_cannot_be_read_is_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    true = mailgun("opened", token="t", mark="x")
    said = json.loads(true.body)
    odd: tuple[Any, ...] = (
        [],
        "x",
        5,
        None,
        {"event": 7},
        {"event": "opened", "timestamp": 1e99},
        {"event": "failed", "message": 3},
    )
    answers = [true.send(body=json.dumps(said | {"event-data": data}).encode()) for data in odd]
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert [answer.status_code for answer in answers].count(400) >= 5
    assert "opened" not in caplog.text


def test_signs_that_a_database_refuses_are_left_out() -> None:
    notice = accepted_notice()
    call = mailgun("failed", token="t", mark=token_of(notice.pk), severity="permanent", reason="bounce",
                   **{"delivery-status": {"code": 550, "message": "5.1.1 \x00\ud83d no\r\nsuch: user"}})  # fmt: skip
    assert call.send().status_code == 200
    notice.refresh_from_db()
    assert notice.state == "bounced"
    assert "\n" not in notice.why


def test_mandrill_signs_its_address_and_each_of_its_events_counts_once(settings: Any) -> None:
    settings.EMAIL_PROVIDER, settings.PUBLIC_BASE_URL = "mandrill", "https://billing.example.net"
    notice = accepted_notice()
    said = {"event": "hard_bounce", "_id": "m1", "ts": int(NOON.timestamp()),
            "msg": {"email": "ann@customer.example", "metadata": {"notice": token_of(notice.pk)},
                    "diag": "smtp;550 5.1.1 unknown"}}  # fmt: skip
    events = json.dumps([said])
    path = "/callbacks/email/mandrill/tracking/"
    signed = f"https://billing.example.net{path}mandrill_events{events}"
    signature = base64.b64encode(hmac.new(KEY.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    call = Call(path, urlencode({"mandrill_events": events}).encode(), {"X-Mandrill-Signature": signature},
                "application/x-www-form-urlencoded")  # fmt: skip
    assert [call.send().status_code for _ in range(3)] == [200] * 3
    notice.refresh_from_db()
    assert (notice.state, ProviderEvent.objects.count()) == ("bounced", 1)
    settings.PUBLIC_BASE_URL = "https://elsewhere.example.net"
    assert call.send().status_code == 403


def test_every_pair_of_reports_ends_the_same_in_both_orders() -> None:
    kinds: list[dict[str, Any]] = [
        {"kind": "delivered"}, {"kind": "accepted"}, {"kind": "complained"}, {"kind": "opened"},
        {"kind": "failed", "severity": "permanent", "reason": "bounce"},
    ]  # fmt: skip
    for one, other in itertools.combinations(kinds, 2):
        ends = set()
        for order in ((one, other), (other, one)):
            notice = accepted_notice(anchor_key=f"case:{random.random()}"[:60])
            for place, said in enumerate(order):
                rest = {name: value for name, value in said.items() if name != "kind"}
                mailgun(said["kind"], token=f"{notice.pk}-{place}", mark=token_of(notice.pk), **rest).send()
            notice.refresh_from_db()
            ends.add(notice.state)
        assert len(ends) == 1, (one, other, ends)
