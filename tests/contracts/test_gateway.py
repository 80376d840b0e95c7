"""What every payment gateway must do; an adapter joins by adding itself to ADAPTERS with its tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest

from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from invoicing.gateways.port import ChargeRequest, Gateway
from invoicing.gateways.registry import check_gateway, gateway
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.rules.collection import HARD_DECLINES

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Adapter:
    """A gateway under test, and the tokens that make it answer in each way."""

    make: Callable[[], Gateway]
    good: str
    soft: dict[str, str]
    hard: dict[str, str]
    lost_answer: str
    timeout_before: str


ADAPTERS = {
    "sandbox": Adapter(
        make=SandboxGateway,
        good="tok_ok",
        soft={"tok_declined": "card_declined", "tok_insufficient": "insufficient_funds"},
        hard={"tok_expired": "expired_card", "tok_stolen": "stolen_card"},
        lost_answer="tok_lost_answer",
        timeout_before="tok_timeout_before",
    )
}


@pytest.fixture(params=list(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param]


def ask(token: str, key: str = "key-1", amount: str = "40.00") -> ChargeRequest:
    return ChargeRequest(
        key=key,
        amount=Decimal(amount),
        currency="USD",
        customer_token="",
        source_token=token,
        description="Invoice",
    )


def test_a_good_source_is_charged_and_the_receipt_says_how_much(adapter: Adapter) -> None:
    receipt = adapter.make().charge(ask(adapter.good))
    assert receipt.amount == Decimal("40.00")
    assert receipt.provider_id


def test_one_key_is_one_charge_however_often_it_is_asked_for(adapter: Adapter) -> None:
    ours = adapter.make()
    first, again, other = (
        ours.charge(ask(adapter.good)),
        ours.charge(ask(adapter.good)),
        ours.charge(ask(adapter.good, "key-2")),
    )
    assert again == first
    assert other.provider_id != first.provider_id


def test_a_decline_is_final_and_its_code_says_whether_another_day_may_help(adapter: Adapter) -> None:
    for number, (token, code) in enumerate((adapter.soft | adapter.hard).items()):
        with pytest.raises(Rejected) as declined:
            adapter.make().charge(ask(token, f"key-{number}"))
        assert declined.value.code == code
        assert (code in HARD_DECLINES) is (token in adapter.hard)


def test_a_declined_key_stays_declined(adapter: Adapter) -> None:
    token = next(iter(adapter.soft))
    for _ in range(2):
        with pytest.raises(Rejected):
            adapter.make().charge(ask(token))
    with pytest.raises(Rejected):
        adapter.make().lookup("key-1")


def test_a_lost_answer_is_unknown_and_the_lookup_finds_the_charge(adapter: Adapter) -> None:
    with pytest.raises(OutcomeUnknown):
        adapter.make().charge(ask(adapter.lost_answer))
    found = adapter.make().lookup("key-1")
    assert found is not None
    assert found.amount == Decimal("40.00")
    assert adapter.make().charge(ask(adapter.lost_answer)) == found


def test_a_gateway_that_was_not_reached_charged_nothing(adapter: Adapter) -> None:
    with pytest.raises(Unavailable):
        adapter.make().charge(ask(adapter.timeout_before))
    assert adapter.make().lookup("key-1") is None


def test_money_is_given_back_once_per_key_and_never_more_than_was_charged(adapter: Adapter) -> None:
    ours = adapter.make()
    charged = ours.charge(ask(adapter.good))
    for _ in range(2):
        back = ours.refund(key="back-1", provider_id=charged.provider_id, amount=Decimal("30.00"))
        assert back.amount == Decimal("30.00")
    with pytest.raises(Rejected):
        ours.refund(key="back-2", provider_id=charged.provider_id, amount=Decimal("10.01"))
    ours.refund(key="back-3", provider_id=charged.provider_id, amount=Decimal("10.00"))


def test_an_unknown_charge_cannot_be_given_back(adapter: Adapter) -> None:
    with pytest.raises(Rejected):
        adapter.make().refund(key="back-1", provider_id="nothing", amount=Decimal("1.00"))


def test_the_configured_gateway_is_loaded_and_a_wrong_one_is_reported_at_start(settings: object) -> None:
    assert gateway().name == "sandbox"
    assert check_gateway() == []
    settings.PAYMENT_GATEWAY = "invoicing.gateways.nowhere.Gateway"  # type: ignore[attr-defined]
    assert [error.id for error in check_gateway()] == ["invoicing.E001"]
