"""What every channel must do, run on each adapter against its provider; a new adapter adds its bench here."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import override_settings

from accounts.models import SimulatedMessage
from accounts.outreach import twilio_client
from accounts.outreach.mail import MailChannel
from accounts.outreach.port import Attachment, Channel, Message
from accounts.outreach.registry import channel_for, dotted_path
from accounts.outreach.simulated import SimulatedChannel
from accounts.outreach.twilio_sms import SmsChannel
from accounts.outreach.twilio_voice import VoiceChannel
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from tests.peers import mail_http, mail_sink, twilio_fake

pytestmark = pytest.mark.django_db
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
SENDER = "Valley Fibre <billing@valley.example>"
NUMBER = "+15550109999"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An adapter, addresses that make its provider behave, and what arrived in the outside world."""

    adapter: Channel
    channel: str
    good: str
    unknown_address: str
    answer_lost: str
    message_lost: str
    down: str
    arrived: Callable[[], list[str]]
    files: Callable[[], list[str]] = list
    can_look_up: bool = True
    key: str = "notice:"

    def message(self, to: str, number: int = 1, body: str = "Hello") -> Message:
        return Message(
            key=f"{self.key}{number}",
            channel=self.channel,
            to_address=to,
            subject="S",
            body=body,
            sender=SENDER if self.channel == "email" else NUMBER,
        )


def bodies() -> list[str]:
    return list(SimulatedMessage.objects.order_by("pk").values_list("body", flat=True))


@contextmanager
def simulated_mail(_folder: Path) -> Iterator[Bench]:
    yield Bench(
        adapter=SimulatedChannel(), channel="email", good="ann@customer.example",
        unknown_address="bounce@customer.example", answer_lost="slow@customer.example",
        message_lost="lost@customer.example", down="down@customer.example", arrived=bodies,
        files=lambda: [file["name"] for row in SimulatedMessage.objects.all() for file in row.attached],
    )  # fmt: skip


@contextmanager
def simulated_phone(_folder: Path) -> Iterator[Bench]:
    yield Bench(
        adapter=SimulatedChannel(), channel="sms", good="+15550100123", unknown_address="+15550100001",
        answer_lost="+15550100002", message_lost="+15550100004", down="+15550100003", arrived=bodies,
    )  # fmt: skip


@contextmanager
def smtp(_folder: Path) -> Iterator[Bench]:
    with mail_sink.running() as sink, override_settings(
        EMAIL_BACKEND="accounts.outreach.smtp.SmtpBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=sink.port
    ):  # fmt: skip
        yield Bench(
            adapter=MailChannel(), channel="email", good="ann@customer.example",
            unknown_address="rcpt-550@customer.example", answer_lost="drop@customer.example",
            message_lost="lost@customer.example", down="rcpt-421@customer.example",
            arrived=sink.bodies, files=sink.files, can_look_up=False,
        )  # fmt: skip


def anymail(name: str) -> Callable[[Path], AbstractContextManager[Bench]]:
    @contextmanager
    def made(_folder: Path) -> Iterator[Bench]:
        with mail_http.running(name) as provider, override_settings(**provider.settings()):
            yield Bench(
                adapter=MailChannel(), channel="email", good="ann@customer.example",
                unknown_address="invalid@customer.example", answer_lost="reset@customer.example",
                message_lost="lost@customer.example", down="status-503@customer.example",
                arrived=provider.bodies, files=provider.files, can_look_up=False,
            )  # fmt: skip

    return made


def twilio(channel: str) -> Callable[[Path], AbstractContextManager[Bench]]:
    @contextmanager
    def made(folder: Path) -> Iterator[Bench]:
        with twilio_fake.running(folder / "twilio.log") as fake, override_settings(
            TWILIO_ACCOUNT_SID=twilio_fake.ACCOUNT, TWILIO_AUTH_TOKEN=twilio_fake.TOKEN, TWILIO_API_BASE=fake.base
        ):  # fmt: skip
            is_call = channel == "voice"
            yield Bench(
                adapter=VoiceChannel() if is_call else SmsChannel(), channel=channel, good="+15550100123",
                unknown_address="+15550101211", answer_lost="+15550101040", message_lost="+15550100404",
                down="+15550104290", arrived=lambda: spoken(fake) if is_call else fake.bodies(),
                key="trial:" if is_call else "notice:",  # a trial's words go with the call itself
            )  # fmt: skip

    return made


def spoken(fake: twilio_fake.TwilioFake) -> list[str]:
    return [re.findall(r"<Say[^>]*>([^<]*)</Say>", words)[0] for words in fake.bodies("calls")]


BENCHES: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "simulated e-mail": simulated_mail,
    "simulated phone": simulated_phone,
    "smtp": smtp,
    **{name: anymail(name) for name in mail_http.PROVIDERS},
    "twilio texts": twilio("sms"),
    "twilio calls": twilio("voice"),
}


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(twilio_client, "READ_SECONDS", 0.5)
    with BENCHES[request.param](tmp_path) as made:
        yield made


def test_a_message_arrives_and_its_receipt_can_be_found_again(bench: Bench) -> None:
    receipt = bench.adapter.send(bench.message(bench.good))
    assert receipt.provider_id
    assert bench.arrived() == ["Hello"]
    found = bench.adapter.lookup(bench.message(bench.good), since=just_now())
    assert found == (receipt if bench.can_look_up else None)


# The other providers know no keys; that a letter is sent once is the outbox's promise there.
@pytest.mark.parametrize("bench", ["simulated e-mail", "simulated phone"], indirect=True)
def test_where_the_provider_knows_keys_one_is_sent_once_and_gives_the_same_receipt_again(bench: Bench) -> None:
    assert getattr(bench.adapter, "idempotent", False)
    first = bench.adapter.send(bench.message(bench.good))
    assert bench.adapter.send(bench.message(bench.good, body="Hello again")) == first
    assert bench.arrived() == ["Hello"]


@pytest.mark.parametrize("bench", ["simulated e-mail", "smtp", *mail_http.PROVIDERS], indirect=True)
def test_a_file_goes_with_an_e_mail(bench: Bench) -> None:
    file = Attachment("invoice-7.pdf", b"%PDF-1.7 \x00\xff", "application/pdf")
    bench.adapter.send(replace(bench.message(bench.good), attachments=(file,)))
    assert bench.arrived() == ["Hello"]
    assert bench.files() == ["invoice-7.pdf"]


def test_two_keys_are_two_messages(bench: Bench) -> None:
    first = bench.adapter.send(bench.message(bench.good, 1, "one"))
    assert bench.adapter.send(bench.message(bench.good, 2, "two")) != first
    assert bench.arrived() == ["one", "two"]


def test_a_key_that_was_never_sent_has_no_receipt(bench: Bench) -> None:
    assert bench.adapter.lookup(bench.message(bench.good, 404, "never said"), since=BEFORE) is None


def test_an_address_that_does_not_exist_is_rejected(bench: Bench) -> None:
    with pytest.raises(Rejected):
        bench.adapter.send(bench.message(bench.unknown_address))
    assert bench.arrived() == []


def test_a_provider_that_is_down_is_unavailable_and_nothing_arrives(bench: Bench) -> None:
    with pytest.raises(Unavailable):
        bench.adapter.send(bench.message(bench.down))
    assert bench.arrived() == []


def test_a_lost_answer_is_an_unknown_outcome_that_a_lookup_clears_up_where_there_is_one(bench: Bench) -> None:
    with pytest.raises(OutcomeUnknown):
        bench.adapter.send(bench.message(bench.answer_lost))
    found = bench.adapter.lookup(bench.message(bench.answer_lost), since=just_now())
    assert (found is not None) == bench.can_look_up
    assert bench.arrived() == ["Hello"]


def test_a_lost_message_is_an_unknown_outcome_that_a_lookup_does_not_find(bench: Bench) -> None:
    with pytest.raises(OutcomeUnknown):
        bench.adapter.send(bench.message(bench.message_lost))
    assert bench.adapter.lookup(bench.message(bench.message_lost), since=BEFORE) is None
    assert bench.arrived() == []


@pytest.mark.parametrize("name", ["email", "sms", "voice"])
def test_each_channel_of_the_settings_has_an_adapter(name: str) -> None:
    adapter = channel_for(name)
    assert type(adapter).__qualname__ == dotted_path(name).rpartition(".")[2]


def just_now() -> datetime:
    """A provider's list tells the second: whoever asks allows for that."""
    return clock.now().replace(microsecond=0)
