"""Stripe's own pages: the customer pays or adds a card there, whichever way and however often they come back."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import Account, FundingSource
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing import queries
from invoicing.dispatch import dispatch_charges, resolve_unknown
from invoicing.gateways.stripe_gateway import StripeGateway
from invoicing.models import Payment, PaymentAttempt, SourcePage
from invoicing.operations import sources
from tests.backoffice import staff_client
from tests.factories import make_source
from tests.peers import stripe_fake
from tests.portal import come_in

from .stripe_helpers import SETTINGS, balance, charge, deliver, handle, owing, queue, states

pytestmark = pytest.mark.django_db
WAY = sources.Way(return_url="https://ours.example/back", leave_url="https://ours.example/left")


@pytest.fixture(autouse=True)
def fake(tmp_path: Path) -> Iterator[stripe_fake.Running]:
    with stripe_fake.running(tmp_path / "log") as running, override_settings(**SETTINGS, STRIPE_API_BASE=running.base):
        yield running


@pytest.fixture
def account() -> Account:
    return owing()


@pytest.fixture
def client(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    made = Client()
    come_in(made, account)
    return made


def press(client: Client, source: object = "new", *, once: uuid.UUID | None = None, **more: str) -> str:
    form = {"amount": "40.00", "source": source, "once": once or uuid.uuid4(), **more}
    return client.post(reverse("portal-pay"), form).headers["Location"]


def page_of(account: Account) -> str:
    return PaymentAttempt.objects.filter(account=account).latest("pk").page_id


def come_back(client: Client, account: Account) -> str:
    attempt = PaymentAttempt.objects.filter(account=account).latest("pk")
    return client.get(reverse("portal-outcome", args=[attempt.pk]), follow=True).content.decode()


def test_a_customer_pays_on_stripes_page_and_comes_back_to_a_receipt(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    assert press(client).startswith("https://checkout.stripe.com/c/pay/")
    [asked] = fake.asked("POST /v1/checkout/sessions")
    assert asked["success_url"].startswith("http://127.0.0.1:8000/portal/payment/")
    assert account.name not in fake.log.read_text()
    assert "still open" in come_back(client, account)
    assert queries.accounts_with_unsettled([account.pk]) == {account.pk}
    fake.do("use_page", page=page_of(account), token="pm_ok")
    assert "Your payment was received" in come_back(client, account)
    assert (balance(account), FundingSource.objects.count()) == (0, 0)


def test_the_form_may_lead_on_to_stripe_and_nowhere_else(client: Client, account: Account) -> None:
    """A browser checks also where the answer to a form leads on to."""
    check = f"{reverse('portal-check')}?amount=40.00&source=new"
    for paying in (reverse("portal-home"), check, reverse("portal-cards")):
        policy = client.get(paying).headers["Content-Security-Policy"]
        assert "form-action 'self' https://checkout.stripe.com;" in policy, paying
    for looking in (reverse("portal-pay"), reverse("portal-bills")):
        assert "form-action 'self';" in client.get(looking).headers["Content-Security-Policy"], looking
    with override_settings(PAYMENT_GATEWAY="invoicing.gateways.sandbox.SandboxGateway"):
        assert "form-action 'self';" in client.get(check).headers["Content-Security-Policy"]


def test_a_page_at_an_address_of_the_operators_own_is_reached_by_a_link(
    client: Client, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StripeGateway, "page_origin", "https://pay.operator.example")
    where = press(client)
    assert where.startswith("/portal/payment/")
    assert 'href="https://checkout.stripe.com/c/pay/' in client.get(where).content.decode()


def test_a_customer_who_closes_the_browser_has_paid_all_the_same(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    press(client, keep="on")
    fake.do("use_page", page=page_of(account), token="pm_ok")
    deliver(fake.events(), times=3, shuffled=1)
    handle()
    assert (states(account), balance(account)) == (["done"], 0)
    source = FundingSource.objects.get()
    assert (source.gateway, source.source_token, source.last4, str(source.expires_on)) == (
        "stripe", "pm_ok", "4242", "2031-08-31",
    )  # fmt: skip
    assert source.customer_token.startswith("cus_")
    assert Payment.objects.get().funding_source == source


def test_without_any_report_the_page_is_asked_for_when_its_time_is_over(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    press(client)
    fake.do("use_page", page=page_of(account), token="pm_ok")
    with clock.at(clock.now() + timedelta(minutes=40)):
        resolve_unknown(clock.now())
    with clock.at(clock.now() + timedelta(minutes=46)):
        assert resolve_unknown(clock.now()) == {"done": 1}
    assert balance(account) == 0


def test_a_page_that_was_left_is_closed_and_protects_nobody_any_more(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    press(client)
    for minutes in (40, 46):
        with clock.at(clock.now() + timedelta(minutes=minutes)):
            resolve_unknown(clock.now())
    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, attempt.code) == ("declined", "page_left")
    assert queries.accounts_with_unsettled([account.pk]) == set()
    assert "left the payment page" in come_back(client, account)


def test_a_declined_card_on_the_page_is_not_the_end(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    press(client)
    fake.do("use_page", page=page_of(account), token="pm_insufficient")
    deliver(fake.events())
    handle()
    assert states(account) == ["sending"]
    fake.do("use_page", page=page_of(account), token="pm_ok")
    deliver(fake.events(), shuffled=3)
    handle()
    assert (states(account), len(fake.charged())) == (["done"], 1)


def test_the_same_press_opens_the_same_page_and_another_one_closes_it(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    once = uuid.uuid4()
    first = press(client, once=once)
    assert press(client, once=once) == first
    assert press(client) != first
    assert states(account) == ["declined", "sending"]
    source = make_source(account, gateway="stripe", token="pm_ok", customer_token="cus_1")
    press(client, source.pk)
    assert states(account) == ["declined", "declined", "done"]
    assert len(fake.charged()) == 1


def test_who_pays_on_the_page_and_another_way_at_once_pays_once(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    source = make_source(account, gateway="stripe", token="pm_ok", customer_token="cus_1")
    press(client)
    fake.do("use_page", page=page_of(account), token="pm_ok")
    answer = client.post(reverse("portal-pay"), {"amount": "40.00", "source": source.pk, "once": uuid.uuid4()})
    assert answer.status_code == 409
    assert (states(account), balance(account), len(fake.charged())) == (["done"], 0, 1)


def test_nothing_is_charged_by_night_while_a_customer_is_on_the_page(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    make_source(account, gateway="stripe", token="pm_ok", customer_token="cus_1")
    press(client)
    queue(account)
    dispatch_charges(clock.now())
    assert (states(account), fake.charged()) == (["sending", "queued"], [])


def test_while_stripe_is_down_the_customer_is_told_and_nothing_stays_open(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    fake.do("plan", down="503")
    assert "/portal/payment/" in press(client)
    assert "could not be reached" in come_back(client, account)
    assert states(account) == ["declined"]


def test_a_card_that_needs_its_owner_is_paid_with_by_hand(
    client: Client, account: Account, fake: stripe_fake.Running
) -> None:
    make_source(account, gateway="stripe", token="pm_3ds", customer_token="cus_1")
    charge(account)
    assert "your bank will ask you there" in come_back(client, account)
    press(client)
    fake.do("use_page", page=page_of(account), token="pm_ok")
    assert "was received" in come_back(client, account)


# --- cards that are added ---


def test_a_card_is_added_for_its_place_once_however_it_becomes_known(
    account: Account, fake: stripe_fake.Running
) -> None:
    page = sources.open_page_to_add(account, key="add-1", rank=2, way=WAY)
    assert sources.take_added(page.page_id) == "no card was added"
    fake.do("use_page", page=page.page_id, token="pm_second")
    assert "stored as number 2" in sources.take_added(page.page_id)
    replaced = sources.open_page_to_add(account, key="add-2", rank=2, way=WAY)
    fake.do("use_page", page=replaced.page_id, token="pm_third")
    deliver(fake.events(), times=2, shuffled=2)
    handle()
    # The first page's report, days late, does not bring the old card back.
    assert [(row.rank, row.source_token) for row in FundingSource.objects.all()] == [(2, "pm_third")]
    assert SourcePage.objects.filter(taken_at=None).count() == 0


def test_a_barred_card_is_good_again_once_its_owner_has_confirmed_it(
    account: Account, fake: stripe_fake.Running
) -> None:
    make_source(account, gateway="stripe", token="pm_old", barred_at=clock.now(), barred_why="returned")
    page = sources.open_page_to_add(account, key="add-1", rank=1, way=WAY)
    fake.do("use_page", page=page.page_id, token="pm_new")
    sources.take_added(page.page_id)
    source = FundingSource.objects.get()
    assert (source.source_token, source.barred_at) == ("pm_new", None)


def test_a_page_for_no_place_or_of_somebody_else_is_refused(account: Account, fake: stripe_fake.Running) -> None:
    with pytest.raises(Refused, match="from 1 to 5"):
        sources.open_page_to_add(account, key="add", rank=0, way=WAY)
    sources.open_page_to_add(account, key="add", rank=1, way=WAY)
    with pytest.raises(Refused, match="another account"):
        sources.open_page_to_add(owing(), key="add", rank=1, way=WAY)
    assert sources.take_added("cs_nothing") == sources.take_added("") == "not a page of ours"


# --- the clerks ---


def test_a_clerk_asks_what_became_of_one_charge(fake: stripe_fake.Running) -> None:
    charge(account := owing("pm_reset"))
    attempt = PaymentAttempt.objects.get()
    desk = staff_client()
    where = reverse("admin:invoicing_paymentattempt_check_now", args=[attempt.pk])
    assert "Nothing is charged by asking" in desk.get(where).content.decode()
    assert "The charge is done" in desk.post(where, follow=True).content.decode()
    assert (states(account), balance(account), len(fake.charged())) == (["done"], Decimal(0), 1)
    assert "Nothing is open" in desk.post(where, follow=True).content.decode()


def test_a_clerk_has_a_report_handled_again(fake: stripe_fake.Running) -> None:
    charge(account := owing("pm_reset"))
    deliver(fake.events())
    from invoicing.models import GatewayEvent

    event = GatewayEvent.objects.get()
    desk = staff_client()
    where = reverse("admin:invoicing_gatewayevent_handle_once_more", args=[event.pk])
    assert "It is handled: done" in desk.post(where, follow=True).content.decode()
    assert states(account) == ["done"]
    shown = desk.get(reverse("admin:invoicing_gatewayevent_change", args=[event.pk])).content.decode()
    assert Payment.objects.get().reference in shown
