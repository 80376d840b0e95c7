"""What every channel must do, run on each adapter; a new adapter adds its bench here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from accounts.models import SimulatedMessage
from accounts.outreach.port import Channel, Message
from accounts.outreach.registry import channel_for, dotted_path
from accounts.outreach.simulated import SimulatedChannel
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable

pytestmark = pytest.mark.django_db
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bench:
    """An adapter, addresses that make its provider behave, and what arrived in the outside world."""

    adapter: Channel
    good: str
    unknown_address: str
    answer_lost: str
    message_lost: str
    down: str
    arrived: Callable[[], list[str]]


def bodies() -> list[str]:
    return list(SimulatedMessage.objects.order_by("pk").values_list("body", flat=True))


SIMULATED_EMAIL = Bench(
    SimulatedChannel(), "ann@customer.example", "bounce@customer.example", "slow@customer.example",
    "lost@customer.example", "down@customer.example", bodies,
)  # fmt: skip
SIMULATED_PHONE = Bench(
    SimulatedChannel(), "+15550100123", "+15550100001", "+15550100002", "+15550100004", "+15550100003", bodies
)


@pytest.fixture(params=[SIMULATED_EMAIL, SIMULATED_PHONE], ids=["simulated e-mail", "simulated phone"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return request.param


def message(to: str, key: str = "notice:1", body: str = "Hello") -> Message:
    return Message(
        key=key,
        channel="email" if "@" in to else "sms",
        to_address=to,
        subject="S",
        body=body,
        sender="x@y.example",
    )


def test_a_message_arrives_and_its_receipt_can_be_found_again(bench: Bench) -> None:
    receipt = bench.adapter.send(message(bench.good))
    assert receipt.provider_id
    assert bench.arrived() == ["Hello"]
    assert bench.adapter.lookup(message(bench.good), since=BEFORE) == receipt


def test_a_key_is_sent_once_and_gives_the_same_receipt_again(bench: Bench) -> None:
    first = bench.adapter.send(message(bench.good))
    assert bench.adapter.send(message(bench.good, body="Hello again")) == first
    assert bench.arrived() == ["Hello"]


def test_two_keys_are_two_messages(bench: Bench) -> None:
    first = bench.adapter.send(message(bench.good, "notice:1", "one"))
    assert bench.adapter.send(message(bench.good, "notice:2", "two")) != first
    assert bench.arrived() == ["one", "two"]


def test_a_key_that_was_never_sent_has_no_receipt(bench: Bench) -> None:
    assert bench.adapter.lookup(message(bench.good, "notice:404", "never said"), since=BEFORE) is None


def test_an_address_that_does_not_exist_is_rejected(bench: Bench) -> None:
    with pytest.raises(Rejected):
        bench.adapter.send(message(bench.unknown_address))
    assert bench.arrived() == []


def test_a_provider_that_is_down_is_unavailable_and_nothing_arrives(bench: Bench) -> None:
    with pytest.raises(Unavailable):
        bench.adapter.send(message(bench.down))
    assert bench.arrived() == []


def test_a_lost_answer_is_an_unknown_outcome_that_a_lookup_clears_up(bench: Bench) -> None:
    with pytest.raises(OutcomeUnknown):
        bench.adapter.send(message(bench.answer_lost))
    assert bench.adapter.lookup(message(bench.answer_lost), since=BEFORE) is not None
    assert bench.arrived() == ["Hello"]


def test_a_lost_message_is_an_unknown_outcome_that_a_lookup_does_not_find(bench: Bench) -> None:
    with pytest.raises(OutcomeUnknown):
        bench.adapter.send(message(bench.message_lost))
    assert bench.adapter.lookup(message(bench.message_lost), since=BEFORE) is None
    assert bench.arrived() == []


@pytest.mark.parametrize("name", ["email", "sms", "voice"])
def test_each_channel_of_the_settings_has_an_adapter(name: str) -> None:
    adapter = channel_for(name)
    assert type(adapter).__qualname__ == dotted_path(name).rpartition(".")[2]
