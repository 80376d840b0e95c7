"""What every payment gateway must do; an adapter joins by adding itself to ADAPTERS with its tokens.

localstripe takes part in what it can do: it ignores keys and loses no answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import stripe
from django.test import override_settings

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from invoicing.gateways import stripe_client
from invoicing.gateways.checks import check_gateway
from invoicing.gateways.port import ChargeRequest, ChargeTrace, Gateway, PageRequest, PageState, Stage
from invoicing.gateways.registry import gateway
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.gateways.stripe_gateway import StripeGateway
from invoicing.rules.collection import HARD_DECLINES
from tests.peers import localstripe, stripe_fake

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Adapter:
    """A gateway under test, and the tokens that make it answer in each way."""

    make: Callable[[], Gateway]
    good: str
    soft: dict[str, str] = field(default_factory=dict)
    hard: dict[str, str] = field(default_factory=dict)
    lost_answer: str = ""
    timeout_before: str = ""
    customer: str = ""
    use_page: Callable[[str, str], Any] = lambda page_id, token: None


class LocalGateway(StripeGateway):
    """Stripe's adapter as localstripe can be asked: it knows no automatic payment methods."""

    methods = {"payment_method_types": ["card"]}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stripe_fake.Running]:
    with stripe_fake.running(tmp_path_factory.mktemp("stripe") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with localstripe.running(tmp_path_factory.mktemp("localstripe")) as base:
        yield base


def sandbox_adapter(request: pytest.FixtureRequest) -> Adapter:
    return Adapter(
        make=SandboxGateway,
        good="tok_ok",
        soft={"tok_declined": "card_declined", "tok_insufficient": "insufficient_funds"},
        hard={"tok_expired": "expired_card", "tok_stolen": "stolen_card"},
        lost_answer="tok_lost_answer",
        timeout_before="tok_timeout_before",
        use_page=lambda page_id, token: SandboxGateway().use_page(page_id, token),
    )


def stripe_adapter(request: pytest.FixtureRequest) -> Adapter:
    running: stripe_fake.Running = request.getfixturevalue("fake")
    request.addfinalizer(_settings(running.base, stripe_fake.KEY))
    return Adapter(
        make=StripeGateway,
        good="pm_ok",
        soft={"pm_declined": "card_declined", "pm_insufficient": "insufficient_funds", "pm_honor": "do_not_honor"},
        hard={
            "pm_expired": "expired_card", "pm_stolen": "stolen_card", "pm_lost": "lost_card",
            "pm_pickup": "pickup_card", "pm_fraud": "fraudulent", "pm_revoked": "revoked",
            "pm_3ds": "authentication_required", "pm_action": "authentication_required", "pm_gone": "invalid_source",
            "pm_foreign": "invalid_source",
        },
        lost_answer="pm_reset",
        timeout_before="pm_429",
        customer="cus_known",
        use_page=lambda page_id, token: running.do("use_page", page=page_id, token=token),
    )  # fmt: skip


def local_adapter(request: pytest.FixtureRequest) -> Adapter:
    base: str = request.getfixturevalue("local")
    request.addfinalizer(_settings(base, "sk_test_local"))
    client = stripe_client.client().v1
    customer = client.customers.create().id

    def card(number: str) -> str:
        details: Any = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        made = client.payment_methods.create({"type": "card", "card": details})
        client.payment_methods.attach(made.id, {"customer": customer})
        return made.id

    return Adapter(make=LocalGateway, good=card("4242424242424242"), customer=customer,
                   soft={card("4000000000000341"): "card_declined"})  # fmt: skip


def _settings(base: str, key: str) -> Callable[[], None]:
    changed = override_settings(STRIPE_API_BASE=base, STRIPE_SECRET_KEY=key)
    changed.enable()
    return changed.disable


ADAPTERS = {"sandbox": sandbox_adapter, "stripe": stripe_adapter, "localstripe": local_adapter}
WHOLE = [name for name in ADAPTERS if name != "localstripe"]


@pytest.fixture(params=list(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param](request)


@pytest.fixture(params=WHOLE)
def whole(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param](request)


@pytest.fixture(autouse=True)
def own_keys(request: pytest.FixtureRequest) -> str:
    """Return what sets this test's keys apart, since the gateways outlive a test."""
    return f"{request.node.name}-{clock.now().timestamp()}"


@pytest.fixture
def ask(own_keys: str) -> Callable[..., ChargeRequest]:
    def made(of: Adapter, token: str, key: str = "key-1", amount: str = "40.00") -> ChargeRequest:
        return ChargeRequest(
            key=f"{key}:{own_keys}"[:120], amount=Decimal(amount), currency="USD", customer_token=of.customer,
            source_token=token, description="Invoice", account_ref="A", invoices="A-1",
        )  # fmt: skip

    return made


def trace(of: Adapter, request: ChargeRequest) -> ChargeTrace:
    since = clock.now() - timedelta(minutes=5)
    return ChargeTrace(key=request.key, customer_token=of.customer, since=since)


Ask = Callable[..., ChargeRequest]


def test_what_was_charged_since_an_instant_is_listed_and_what_was_declined_is_not(whole: Adapter, ask: Ask) -> None:
    began = clock.now() - timedelta(seconds=2)
    made = whole.make().charge(ask(whole, whole.good))
    before = len(whole.make().charged_since(began))
    with pytest.raises(Rejected):
        whole.make().charge(ask(whole, next(iter(whole.soft)), key="key-2"))
    listed = whole.make().charged_since(began)
    assert made.provider_id in listed
    assert len(listed) == before
    assert whole.make().charged_since(clock.now() + timedelta(hours=1)) == []


def test_a_good_source_is_charged_and_the_receipt_says_how_much(adapter: Adapter, ask: Ask) -> None:
    receipt = adapter.make().charge(ask(adapter, adapter.good))
    assert receipt.amount == Decimal("40.00")
    assert receipt.provider_id


def test_one_key_is_one_charge_however_often_it_is_asked_for(whole: Adapter, ask: Ask) -> None:
    ours = whole.make()
    first, again, other = (
        ours.charge(ask(whole, whole.good)),
        ours.charge(ask(whole, whole.good)),
        ours.charge(ask(whole, whole.good, "key-2")),
    )
    assert again == first
    assert other.provider_id != first.provider_id


def test_a_decline_is_final_and_its_code_says_whether_another_day_may_help(adapter: Adapter, ask: Ask) -> None:
    assert adapter.soft
    for number, (token, code) in enumerate((adapter.soft | adapter.hard).items()):
        with pytest.raises(Rejected) as declined:
            adapter.make().charge(ask(adapter, token, f"key-{number}"))
        assert declined.value.code == code
        assert (code in HARD_DECLINES) is (token in adapter.hard)


def test_a_declined_key_stays_declined(whole: Adapter, ask: Ask) -> None:
    request = ask(whole, next(iter(whole.soft)))
    for _ in range(2):
        with pytest.raises(Rejected):
            whole.make().charge(request)
    with pytest.raises(Rejected):
        whole.make().lookup(trace(whole, request))


def test_a_charge_is_found_by_its_key_and_another_key_is_not(whole: Adapter, ask: Ask) -> None:
    request, other = ask(whole, whole.good), ask(whole, whole.good, "never")
    receipt = whole.make().charge(request)
    assert whole.make().lookup(trace(whole, request)) == receipt
    assert whole.make().lookup(trace(whole, other)) is None


def test_a_charge_is_found_by_its_id(adapter: Adapter, ask: Ask) -> None:
    request = ask(adapter, adapter.good)
    receipt = adapter.make().charge(request)
    assert adapter.make().lookup(ChargeTrace(key=request.key, provider_id=receipt.provider_id)) == receipt


def test_a_lost_answer_is_unknown_and_the_lookup_finds_the_charge(whole: Adapter, ask: Ask) -> None:
    request = ask(whole, whole.lost_answer)
    with pytest.raises(OutcomeUnknown):
        whole.make().charge(request)
    found = whole.make().lookup(trace(whole, request))
    assert found is not None
    assert found.amount == Decimal("40.00")
    assert whole.make().charge(request) == found


def test_a_gateway_that_was_not_reached_charged_nothing(whole: Adapter, ask: Ask) -> None:
    request = ask(whole, whole.timeout_before)
    with pytest.raises(Unavailable):
        whole.make().charge(request)
    assert whole.make().lookup(trace(whole, request)) is None


def test_a_part_of_the_money_is_given_back(adapter: Adapter, ask: Ask, own_keys: str) -> None:
    charged = adapter.make().charge(ask(adapter, adapter.good))
    back = adapter.make().refund(key=f"back:{own_keys}", provider_id=charged.provider_id, amount=Decimal("30.00"))
    assert back.amount == Decimal("30.00")
    facts = adapter.make().charge_facts(charged.provider_id)
    assert facts is not None
    assert facts.refunded == Decimal("30.00")


def test_no_more_is_given_back_than_was_charged(whole: Adapter, ask: Ask, own_keys: str) -> None:
    ours = whole.make()
    charged = ours.charge(ask(whole, whole.good))
    ours.refund(key=f"back-1:{own_keys}", provider_id=charged.provider_id, amount=Decimal("30.00"))
    with pytest.raises(Rejected):
        ours.refund(key=f"back-2:{own_keys}", provider_id=charged.provider_id, amount=Decimal("10.01"))
    ours.refund(key=f"back-3:{own_keys}", provider_id=charged.provider_id, amount=Decimal("10.00"))


def test_a_refund_is_made_once_per_key(whole: Adapter, ask: Ask, own_keys: str) -> None:
    ours = whole.make()
    charged = ours.charge(ask(whole, whole.good))
    asked = {"key": f"back:{own_keys}", "provider_id": charged.provider_id, "amount": Decimal("25.00")}
    assert ours.refund(**asked) == ours.refund(**asked)
    facts = ours.charge_facts(charged.provider_id)
    assert facts is not None
    assert facts.refunded == Decimal("25.00")


def test_an_unknown_charge_cannot_be_given_back(adapter: Adapter) -> None:
    with pytest.raises(Rejected):
        adapter.make().refund(key="back-1", provider_id="nothing", amount=Decimal("1.00"))


def test_how_a_charge_stands_can_be_asked_at_any_time(adapter: Adapter, ask: Ask) -> None:
    request = ask(adapter, adapter.good)
    receipt = adapter.make().charge(request)
    facts = adapter.make().charge_facts(receipt.provider_id)
    assert facts is not None
    assert (facts.stage, facts.key, facts.amount, facts.currency) == (
        Stage.CHARGED, request.key, Decimal("40.00"), "USD",
    )  # fmt: skip
    assert adapter.make().charge_facts("pi_nothing") is None


def page(key: str, amount: str | None = "40.00", **more: Any) -> PageRequest:
    return PageRequest(
        key=key[:120], account_ref="A", currency="USD", description="Account A", return_url="https://ours.example/back",
        leave_url="https://ours.example/left", amount=None if amount is None else Decimal(amount), **more,
    )  # fmt: skip


@pytest.mark.parametrize("keep", [True, False])
def test_a_customer_pays_on_a_page_and_the_card_is_known_only_if_it_is_to_be_kept(
    whole: Adapter, own_keys: str, keep: bool
) -> None:
    ours = whole.make()
    made = ours.page_to_pay(page(own_keys, keep=keep))
    before = ours.page_facts(made.page_id)
    assert before is not None
    assert (before.state, before.charge) == (PageState.OPEN, None)
    whole.use_page(made.page_id, whole.good)
    after = ours.page_facts(made.page_id)
    assert after is not None
    assert after.charge is not None
    assert (after.state, after.key, after.charge.stage) == (PageState.DONE, own_keys[:120], Stage.CHARGED)
    assert after.charge.amount == Decimal("40.00")
    assert (after.source.token if after.source else None) == (whole.good if keep else None)


def test_a_page_that_was_closed_takes_no_money_and_one_that_has_ended_stays_as_it_is(
    whole: Adapter, own_keys: str
) -> None:
    ours = whole.make()
    left, paid = ours.page_to_pay(page(f"1{own_keys}")), ours.page_to_pay(page(f"2{own_keys}"))
    whole.use_page(paid.page_id, whole.good)
    for made in (left, paid):
        ours.close_page(made.page_id)
    states = [ours.page_facts(made.page_id) for made in (left, paid)]
    assert [facts.state for facts in states if facts] == [PageState.LEFT, PageState.DONE]
    assert ours.page_facts("cs_nothing") is None


def test_a_card_is_added_on_a_page_and_only_its_token_and_last_digits_come_to_us(whole: Adapter, own_keys: str) -> None:
    ours = whole.make()
    made = ours.page_to_add_source(page(own_keys, None, rank=2))
    whole.use_page(made.page_id, whole.good)
    facts = ours.page_facts(made.page_id)
    assert facts is not None
    assert facts.source is not None
    assert (facts.state, facts.rank, facts.charge) == (PageState.DONE, 2, None)
    assert (facts.source.token, facts.source.brand, facts.source.last4) == (whole.good, "Visa", "4242")


def test_the_configured_gateway_is_loaded_and_a_wrong_one_is_reported_at_start(settings: object) -> None:
    assert gateway().name == "sandbox"
    assert check_gateway() == []
    settings.PAYMENT_GATEWAY = "invoicing.gateways.nowhere.Gateway"  # type: ignore[attr-defined]
    assert [error.id for error in check_gateway()] == ["invoicing.E001"]


def test_the_adapter_speaks_the_version_that_its_client_was_made_for(fake: stripe_fake.Running) -> None:
    """A new client brings a new version of the API with it: then the fake and these answers are to be read again."""
    assert stripe._api_version._ApiVersion.CURRENT == "2026-10-28.endive"
