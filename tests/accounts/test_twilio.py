"""Texts and calls by the real Twilio client against a fake of ours: what is asked for, and what each answer means."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from accounts.models import Notice
from accounts.outreach import references, spoken, twilio_client
from accounts.outreach.port import Message
from accounts.outreach.twilio_sms import SmsChannel
from accounts.outreach.twilio_voice import VoiceChannel
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable
from tests.factories import make_account, make_contact
from tests.peers import twilio_fake

pytestmark = pytest.mark.django_db
SERVICE = "MG" + "a" * 32
TEXT = Message(key="notice:7", channel="sms", to_address="+15550100123", subject="", body="Please pay.")
CALL = Message(key="notice:7", channel="voice", to_address="+15550100123", subject="", body="Please pay.")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[twilio_fake.TwilioFake]:
    monkeypatch.setattr(twilio_client, "READ_SECONDS", 0.4)
    with twilio_fake.running(tmp_path / "log") as running, override_settings(
        TWILIO_ACCOUNT_SID=twilio_fake.ACCOUNT, TWILIO_AUTH_TOKEN=f"{twilio_fake.TOKEN},the-old-token",
        TWILIO_API_BASE=running.base, TWILIO_FROM="+15550109999", PUBLIC_BASE_URL="https://billing.example",
    ):  # fmt: skip
        yield running


def now() -> datetime:
    return clock.now().replace(microsecond=0)


def ambiguous(message: Message, sending_at: datetime, **more: Any) -> Notice:
    """Store a notice that may have gone out as this message."""
    account = make_account()
    values = {"state": "ambiguous", "anchor_key": "a", "step_key": "s", "template": "t"} | more
    return Notice.objects.create(
        account=account, contact=make_contact(account), channel=message.channel, to_address=message.to_address,
        body=message.body, sending_at=sending_at, **values,
    )  # fmt: skip


# --- What is asked for ---


def test_a_text_names_its_number_its_words_and_where_to_report(fake: twilio_fake.TwilioFake) -> None:
    receipt = SmsChannel().send(TEXT)
    [row] = fake.taken
    assert receipt.provider_id == row["sid"]
    assert row["fields"] == {
        "To": "+15550100123", "From": "+15550109999", "Body": "Please pay.", "ValidityPeriod": "14400",
        "StatusCallback": f"https://billing.example/callbacks/twilio/message/{references.token_of(7)}/",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("company", "setting", "expected"),
    [
        ("", SERVICE, {"MessagingServiceSid": SERVICE}),
        (SERVICE, "+15550109999", {"MessagingServiceSid": SERVICE}),
        ("ValleyFibre", "+15550109999", {"From": "ValleyFibre"}),
    ],
)
def test_a_text_comes_from_the_company_or_from_the_sender_in_the_settings(
    fake: twilio_fake.TwilioFake, company: str, setting: str, expected: dict[str, str]
) -> None:
    with override_settings(TWILIO_FROM=setting):
        SmsChannel().send(replace(TEXT, sender=company))
    fields = fake.taken[0]["fields"]
    assert {name: fields[name] for name in ("From", "MessagingServiceSid") if name in fields} == expected


def test_a_call_asks_for_its_words_when_somebody_answers_and_reports_how_it_ends(
    fake: twilio_fake.TwilioFake,
) -> None:
    VoiceChannel().send(replace(CALL, sender="ValleyFibre"))
    [asked] = fake.requests
    fields = {name: values if len(values) > 1 else values[0] for name, values in asked["fields"].items()}
    address = f"https://billing.example/callbacks/twilio/call/{references.token_of(7)}/"
    assert fields == {
        "To": "+15550100123", "From": "+15550109999", "Url": f"{address}words/", "Method": "POST",
        "StatusCallback": address, "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "MachineDetection": "DetectMessageEnd", "Timeout": "25", "TimeLimit": "240",
    }  # fmt: skip


def test_a_trial_call_brings_its_words_along_and_expects_no_report(fake: twilio_fake.TwilioFake) -> None:
    VoiceChannel().send(replace(CALL, key="trial:1", language="es"))
    fields = fake.taken[0]["fields"]
    assert fields["Twiml"] == spoken.read_out("Please pay.", "es")
    assert 'language="es-MX"' in fields["Twiml"]
    assert {"Url", "StatusCallback"} & set(fields) == set()


@pytest.mark.parametrize(("adapter", "message"), [(SmsChannel(), TEXT), (VoiceChannel(), CALL)])
def test_without_a_sender_nothing_is_asked_and_staff_are_told_what_to_set(
    fake: twilio_fake.TwilioFake, adapter: Any, message: Message
) -> None:
    with override_settings(TWILIO_FROM=""), pytest.raises(Unavailable, match="set TWILIO_FROM"):
        adapter.send(message)
    assert fake.requests == []


# --- What an answer means ---


@pytest.mark.parametrize(("adapter", "message"), [(SmsChannel(), TEXT), (VoiceChannel(), CALL)])
@pytest.mark.parametrize(
    ("end", "outcome", "code"),
    [
        ("1610", Rejected, "opted_out"),
        ("1211", Rejected, "unknown_address"),
        ("1614", Rejected, "unknown_address"),
        ("9999", Rejected, "rejected"),
        ("1408", Unavailable, ""),
        ("1606", Unavailable, ""),
        ("4290", Unavailable, ""),
        ("4010", Unavailable, ""),
        ("5000", OutcomeUnknown, ""),
        ("5020", OutcomeUnknown, ""),
        ("5040", OutcomeUnknown, ""),
        ("1040", OutcomeUnknown, ""),
        ("2000", OutcomeUnknown, ""),
        ("0404", OutcomeUnknown, ""),
    ],
)
def test_each_answer_has_its_outcome(
    fake: twilio_fake.TwilioFake, adapter: Any, message: Message, end: str, outcome: type[PortError], code: str
) -> None:
    fake.plan["9999"] = "21602"
    with pytest.raises(outcome) as raised:
        adapter.send(replace(message, to_address=f"+1555010{end}"))
    assert getattr(raised.value, "code", "") == code
    assert len(fake.requests) == 1, "nothing is tried again by itself"
    assert len(fake.taken) == int(end in ("5020", "5040", "1040", "2000"))


def test_nobody_listening_is_unavailable(fake: twilio_fake.TwilioFake, tmp_path: Path) -> None:
    with twilio_fake.running(tmp_path / "gone") as gone:
        base = gone.base
    with override_settings(TWILIO_API_BASE=base), pytest.raises(Unavailable, match="cannot be reached"):
        SmsChannel().send(TEXT)


def test_a_redirect_is_not_followed(fake: twilio_fake.TwilioFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_fake._Handler, "do_POST", lambda self: self.send_content(307, b""))
    with pytest.raises(OutcomeUnknown, match="307"):
        SmsChannel().send(TEXT)


def test_the_first_of_two_secrets_signs_what_we_ask(fake: twilio_fake.TwilioFake) -> None:
    with override_settings(TWILIO_AUTH_TOKEN=f"the-old-token,{twilio_fake.TOKEN}"), pytest.raises(Unavailable):
        SmsChannel().send(TEXT)


def test_secrets_are_in_no_error_and_no_line_of_the_log(
    fake: twilio_fake.TwilioFake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    SmsChannel().send(TEXT)
    for end in ("1610", "4010", "5040", "1040", "2000", "5020"):
        with pytest.raises(PortError) as raised:
            SmsChannel().send(replace(TEXT, to_address=f"+1555010{end}"))
        assert twilio_fake.TOKEN not in str(raised.value)
    assert twilio_fake.TOKEN not in caplog.text
    assert "Please pay." not in caplog.text


# --- Asking again ---


def test_a_lookup_finds_the_very_same_words_and_no_older_ones(fake: twilio_fake.TwilioFake) -> None:
    channel, since = SmsChannel(), now()
    channel.send(replace(TEXT, body="Please pay 40.00."))
    sent = channel.send(TEXT)
    assert channel.lookup(TEXT, since=since) == sent
    assert channel.lookup(TEXT, since=since + timedelta(seconds=59)) == sent, "clocks may be a minute apart"
    assert channel.lookup(TEXT, since=since + timedelta(seconds=90)) is None
    assert channel.lookup(replace(TEXT, body="Please"), since=since) is None
    assert channel.lookup(replace(TEXT, to_address="+15550100124"), since=since) is None


def test_a_lookup_does_not_claim_what_is_another_notices(fake: twilio_fake.TwilioFake) -> None:
    channel, since = SmsChannel(), now()
    first = channel.send(TEXT)
    notice = ambiguous(TEXT, since, state="accepted", provider_id=first.provider_id, accepted_at=since)
    assert channel.lookup(TEXT, since=since) is None
    assert channel.lookup(replace(TEXT, key=f"notice:{notice.pk}"), since=since) == first
    second = channel.send(TEXT)
    assert channel.lookup(TEXT, since=since) == second


def test_a_call_is_claimed_only_where_no_other_one_in_doubt_is_near(fake: twilio_fake.TwilioFake) -> None:
    channel, since = VoiceChannel(), now()
    placed = channel.send(CALL)
    assert channel.lookup(CALL, since=since) == placed
    assert channel.lookup(CALL, since=since - timedelta(minutes=10)) is None, "it was placed much later"
    other = ambiguous(CALL, since + timedelta(minutes=1))
    assert channel.lookup(CALL, since=since) is None
    Notice.objects.filter(pk=other.pk).update(sending_at=since - timedelta(hours=1))
    assert channel.lookup(CALL, since=since) == placed


def test_a_lookup_that_is_refused_is_made_later_and_stops_nobody(fake: twilio_fake.TwilioFake) -> None:
    with override_settings(TWILIO_AUTH_TOKEN="another-token"), pytest.raises(Unavailable):
        SmsChannel().lookup(TEXT, since=now())
    with override_settings(TWILIO_API_BASE="http://127.0.0.1:9"), pytest.raises(Unavailable):
        VoiceChannel().lookup(CALL, since=now())
