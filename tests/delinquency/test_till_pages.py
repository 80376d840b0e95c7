"""Taking money in at the desk, page by page: found, looked at, recorded, undone (K4, A23)."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.texts import holds_card
from delinquency.admin.till import PaymentForm
from delinquency.glance import glance
from delinquency.models import PolicyVersion
from delinquency.operations import reassess
from invoicing.models import Charge, Invoice, Payment
from tests.backoffice import NOON, make_customer, make_version, staff_client
from tests.factories import instant

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> PolicyVersion:
    version = make_version(published=False)
    version.nsf_fee, version.state, version.published_at = Decimal("30.00"), "published", NOON
    version.save()
    return version


@pytest.fixture
def account(version: PolicyVersion) -> Account:
    return make_customer("10001", version, delinquent=True)


def page_of(account: Account) -> str:
    return reverse("admin:accounts_account_record_payment", args=[account.pk])


def given(**more: str) -> dict[str, str]:
    return {"amount": "100.00", "method": "cash", "reference": "R-1", "invoice": "", **more}


@pytest.mark.parametrize("asked", ["10001", "customer 10001", "a-10001"])
def test_one_match_leads_straight_to_the_payment_and_several_to_the_list(
    account: Account, version: PolicyVersion, asked: str
) -> None:
    make_customer("10002", version)
    client, find = staff_client(), reverse("admin:accounts_account_take_payment")
    assert client.get(find, {"q": asked}).headers["Location"] == page_of(account)
    assert "changelist" in client.get(find, {"q": "customer"}, follow=True).content.decode()
    assert "No account has the number" in client.get(find, {"q": "zzz"}, follow=True).content.decode()


def test_the_page_tells_what_an_amount_pays_and_whether_it_restores_service(account: Account) -> None:
    client = staff_client()
    page = client.get(page_of(account)).content.decode()
    assert "What 100.00 USD pays" in page
    assert "It restores service." in page
    looked = client.post(page_of(account), given(amount="40.00", look="1")).content.decode()
    assert "A-10001, due 2026-01-16" in looked
    assert "It does not restore service: 60.00 would be missing." in looked
    assert not Payment.objects.exists()
    assert Invoice.objects.get().remaining == Decimal("100.00")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"amount": "0.00"}, "The least is 0.01"), ({"amount": "1.001"}, "at most 2 digits after the point"),
        ({"received_on": "2999-01-01"}, "still to come"), ({"received_on": "1999-12-31"}, "was opened on"),
        ({"amount": "1000.00"}, "more than the 100.00"), ({"reference": "4242 4242 4242 4242"}, "card number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(account: Account, wrong: dict[str, str], words: str) -> None:
    said = staff_client().post(page_of(account), given(**wrong)).content.decode()
    assert words in said
    assert "4242 4242" not in said
    assert not Payment.objects.exists()


@pytest.mark.parametrize("second", range(0, 60, 3))
def test_the_offered_reference_never_looks_like_a_card_number(account: Account, second: int) -> None:
    with clock.at(instant(f"2026-02-01 10:39:{second:02d}")):
        form = PaymentForm(account=account, seen=glance(account))
    assert not holds_card(str(form.initial["reference"]))


def test_more_than_owed_is_kept_as_credit_after_a_tick(account: Account) -> None:
    client = staff_client()
    said = client.post(page_of(account), given(amount="150.00")).content.decode()
    assert 'name="keep_rest"' in said
    assert "Credit for the next invoice" in said
    assert client.post(page_of(account), given(amount="150.00", keep_rest="on")).status_code == 303
    assert client.post(page_of(account), given(amount="150.00", keep_rest="on")).status_code == 200
    assert Payment.objects.count() == 1


def test_a_payment_of_an_earlier_day_keeps_its_day(account: Account) -> None:
    assert staff_client().post(page_of(account), given(received_on="2026-01-20")).status_code == 303
    received = Payment.objects.get().received_at
    assert str(clock.local(received, account.timezone)) == "2026-01-20 00:00:00"


def test_a_mistake_is_undone_without_a_fee_and_the_account_is_late_again(account: Account) -> None:
    client = staff_client()
    done = client.post(page_of(account), given(), follow=True).content.decode()
    payment = Payment.objects.get()
    undo = reverse("admin:invoicing_payment_undo_mistake", args=[payment.pk])
    assert undo in done
    reassess(account.pk)
    assert client.post(undo, {}).status_code == 303
    reassess(account.pk)
    assert not Charge.objects.filter(kind="nsf_fee").exists()
    invoice = Invoice.objects.get()
    assert (invoice.state, invoice.remaining, str(invoice.due_on)) == ("open", Decimal("100.00"), "2026-01-16")
    assert "reversed before" in client.post(undo, {}).content.decode()


def test_a_returned_payment_costs_the_policys_fee(account: Account) -> None:
    client = staff_client()
    client.post(page_of(account), given())
    reassess(account.pk)
    back = reverse("admin:invoicing_payment_reverse_it", args=[Payment.objects.get().pk])
    assert client.post(back, {"why": "R01: insufficient funds"}).status_code == 303
    reassess(account.pk)
    assert Charge.objects.get(kind="nsf_fee").amount == Decimal("30.00")
