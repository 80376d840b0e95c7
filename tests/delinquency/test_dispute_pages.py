"""The pages of disputes: the customer's two, and the desk's list, page and buttons (P12, H11)."""

import html
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from accounts.models import Account, ServiceLine, User
from billing_project.kernel import clock
from delinquency.models import Dispute
from delinquency.operations.disputes import dispute_in_portal
from invoicing.models import Invoice, MoneyLimit
from invoicing.operations.adjust import credit_note
from tests.backoffice import NOON, make_customer, make_invoice, make_version
from tests.factories import make_staff
from tests.portal import come_in
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

TEXT = "There is a router on it that I sent back in May."
SUPPORT = (
    "view_account",
    "view_invoice",
    "view_dispute",
    "open_dispute",
    "change_dispute",
    "decide_dispute",
    "view_ticket",
)


@pytest.fixture(autouse=True)
def noon() -> Any:
    """Let it be noon on 2026-01-20."""
    with clock.at(NOON):
        yield


@pytest.fixture
def account() -> Account:
    """Make a customer with one unpaid invoice."""
    return make_customer("1001", make_version())


@pytest.fixture
def slowed() -> Account:
    """Make a customer whose line is slowed over an invoice since 2026-01-09."""
    story = Story(sonar(status_switch_days=None), number="1002")
    ServiceLine.objects.create(account=story.account, ipv4="100.64.0.7")
    story.owes("A-1002", "2025-12-20")
    story.days("2026-01-03", "2026-01-10")
    return story.account


def customer(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    client = Client()
    come_in(client, account)
    return client


def at_desk(*permissions: str) -> Client:
    """Return the browser of a member of staff."""
    client = Client()
    client.force_login(make_staff("sandy", *(permissions or SUPPORT)))
    return client


def text(response: Any) -> str:
    """Return a page's words."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def sent(**more: str) -> dict[str, str]:
    """Return what the form sends."""
    return {"text": TEXT, "once": str(uuid.uuid4())} | more


def own(account: Account) -> str:
    """Return the address of the dispute of the account's invoice."""
    return reverse("portal-dispute", args=[Invoice.objects.get(account=account).public_id])


def disputed(account: Account) -> Dispute:
    """Let the customer dispute the invoice."""
    return dispute_in_portal(Invoice.objects.get(account=account), TEXT, once=uuid.uuid4())


# --- the customer


def test_one_invoice_is_chosen_already_and_sending_leads_to_how_it_stands(account: Account) -> None:
    client = customer(account)
    page = client.get(reverse("portal-dispute"))
    assert 'type="radio" name="invoice"' in page.content.decode()
    assert " checked " in page.content.decode()
    form = sent(invoice=str(Invoice.objects.get().public_id))
    for _ in range(2):
        done = client.post(reverse("portal-dispute"), form)
        assert (done.status_code, done["Location"]) == (303, own(account))
    shown = client.get(own(account))
    assert "We are looking into it. Until we have answered, this invoice waits" in text(shown)
    assert TEXT in text(shown)
    assert Dispute.objects.count() == 1
    assert max(len(page.content), len(shown.content)) < 14 * 1024


def test_of_two_invoices_none_is_chosen_for_the_customer(account: Account) -> None:
    make_invoice(account, "A-2")
    page = customer(account).get(reverse("portal-dispute")).content.decode()
    assert page.count('type="radio"') == 2
    assert " checked " not in page


def test_whoever_is_held_back_is_told_that_a_person_looks_at_it_first(slowed: Account) -> None:
    client = customer(slowed)
    assert "A person looks at this before anything changes" in text(client.get(own(slowed)))
    client.post(own(slowed), sent())
    assert "Your service stays as it is until we confirm that we look into it" in text(client.get(own(slowed)))
    assert not Invoice.objects.get().frozen


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"text": "bad"}, 409, "What is wrong? Please write at least 10 characters."),
        ({"text": "x" * 2001}, 409, "What is wrong? That is 2001 characters. Please shorten it to 2000."),
        ({"text": "Card 4242424242424242 was charged"}, 409, "There is a card number in your text."),
        ({"once": "no"}, 409, "The form was incomplete."),
    ],
)
def test_bad_input_is_told_kindly_and_nothing_is_done(
    account: Account, form: dict[str, str], status: int, words: str
) -> None:
    answer = customer(account).post(own(account), sent(**form))
    assert answer.status_code == status
    assert words in text(answer)
    assert 'role="alert"' in answer.content.decode()
    assert "4242424242424242" not in answer.content.decode(), "a card number is not shown again"
    assert not Dispute.objects.exists()


def test_no_invoice_chosen_is_told_kindly(account: Account) -> None:
    answer = customer(account).post(reverse("portal-dispute"), sent(invoice="x"))
    assert (answer.status_code, "Which invoice is wrong? Please choose one." in text(answer)) == (400, True)


def test_another_accounts_invoice_does_not_exist(account: Account, slowed: Account) -> None:
    client, foreign = customer(account), Invoice.objects.get(account=slowed)
    url = reverse("portal-dispute", args=[foreign.public_id])
    assert client.get(url).status_code == 404
    assert client.post(url, sent()).status_code == 404
    assert client.post(reverse("portal-dispute"), sent(invoice=str(foreign.public_id))).status_code == 404
    disputed(slowed)
    assert client.post(url, {"withdraw": "yes"}).status_code == 404
    assert Dispute.objects.get().state == "asked"
    assert Client().get(url).status_code == 303


def test_withdrawing_lets_the_customer_pay_and_twice_is_once(account: Account) -> None:
    client = customer(account)
    disputed(account)
    for _ in range(2):
        assert client.post(own(account), {"withdraw": "yes"}).status_code == 303
    assert "This dispute was withdrawn. The invoice goes on as before." in text(client.get(own(account)))
    assert not Invoice.objects.get().frozen
    assert client.post(own(account), sent()).status_code == 409


def test_what_is_no_text_is_shown_as_text(account: Account) -> None:
    customer(account).post(own(account), sent(text="<script>alert(1)</script> is wrong"))
    shown = customer(account).get(own(account)).content.decode()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_ticket_speaks_of_the_dispute_in_the_customers_language(account: Account) -> None:
    account.contacts.update(language="es")
    disputed(account)
    assert "Su reclamación de la factura A-1001" in text(customer(account).get(reverse("portal-tickets")))


def test_other_pages_ask_for_disputes_once_for_all_invoices(account: Account, django_assert_num_queries: Any) -> None:
    disputed(account)
    make_invoice(account, "A-2")
    rows = list(Invoice.objects.filter(account=account).order_by("pk"))
    page = Template("{% load case_panel %}{% for row in rows %}{% dispute_of row as it %}{{ it.state }},{% endfor %}")
    with django_assert_num_queries(1):
        assert page.render(Context({"rows": rows, "account": account})) == "open,,"


# --- the desk


def change(dispute: Dispute) -> str:
    """Return the dispute's page."""
    return reverse("admin:delinquency_dispute_change", args=[dispute.pk])


def button(dispute: Dispute, name: str) -> str:
    """Return the address of a button of the dispute's page."""
    return reverse(f"admin:delinquency_dispute_{name}", args=[dispute.pk])


def test_the_list_says_what_to_do_when_it_is_empty_and_tones_what_waits(account: Account) -> None:
    client = at_desk()
    empty = text(client.get(reverse("admin:delinquency_dispute_changelist")))
    assert "Nobody disputes anything. Customers do it in the portal; for a caller press “Dispute”" in empty
    dispute = disputed(account)
    Dispute.objects.update(opened_on="2026-01-10", opened_at="2026-01-10T17:00Z", confirmed_at="2026-01-10T17:00Z")
    shown = text(client.get(reverse("admin:delinquency_dispute_changelist")))
    assert "being looked into" in shown
    assert "10 days" in shown
    assert dispute.invoice.number in shown


def test_support_confirms_after_seeing_what_it_does(slowed: Account) -> None:
    dispute = disputed(slowed)
    client = at_desk()
    asked = text(client.get(button(dispute, "confirm")))
    assert "freezing it lifts that" in asked
    assert client.post(button(dispute, "confirm")).status_code == 303
    dispute.refresh_from_db()
    assert (dispute.state, Invoice.objects.get().frozen) == ("open", True)


def test_support_rejects_with_a_reason_but_may_take_no_money_off(account: Account) -> None:
    dispute = disputed(account)
    client = at_desk()
    assert client.get(button(dispute, "accept")).status_code == 403
    assert client.post(button(dispute, "reject"), {"reason": ""}).status_code == 200
    assert client.post(button(dispute, "reject"), {"reason": "It never came back."}).status_code == 303
    dispute.refresh_from_db()
    assert (dispute.state, dispute.decided_why) == ("rejected", "It never came back.")


def test_a_clerk_accepts_with_a_credit_note(account: Account) -> None:
    dispute = disputed(account)
    client = at_desk(*SUPPORT, "credit_invoice")
    refused = client.post(button(dispute, "accept"), {"reason": "It came back.", "amount": "40"})
    assert "above what sandy may decide alone" in text(refused)
    group = Group.objects.create(name="Deciders")
    MoneyLimit.objects.create(group=group, waive_max=Decimal(50))
    User.objects.get(username="sandy").groups.add(group)
    assert client.post(button(dispute, "accept"), {"reason": "It came back.", "amount": "200"}).status_code == 200
    assert client.post(button(dispute, "accept"), {"reason": "It came back.", "amount": "40"}).status_code == 303
    dispute.refresh_from_db()
    assert (dispute.state, dispute.credited, Invoice.objects.get().remaining) == ("upheld", Decimal(40), Decimal(60))


def test_what_was_taken_off_already_is_closed_by_a_button_of_its_own(account: Account) -> None:
    dispute = disputed(account)
    client = at_desk(*SUPPORT, "credit_invoice")
    asked = client.post(button(dispute, "accept"), {"reason": "It came back.", "amount": "0.00"})
    assert "Close, taken off already" in text(asked)
    assert button(dispute, "settled") not in client.get(change(dispute)).content.decode()
    credit_note(invoice=Invoice.objects.get(), amount=Decimal(30), reason="approved", code="dispute_upheld")
    assert button(dispute, "settled") in client.get(change(dispute)).content.decode()
    assert "30.00 has been taken off" in text(client.get(button(dispute, "settled")))
    assert client.post(button(dispute, "settled"), {"reason": "It came back."}).status_code == 303
    dispute.refresh_from_db()
    assert (dispute.state, dispute.credited, Invoice.objects.get().remaining) == ("upheld", Decimal(30), Decimal(70))


def test_the_page_offers_only_what_fits(account: Account) -> None:
    dispute, client = disputed(account), at_desk()
    shown = client.get(change(dispute)).content.decode()
    assert button(dispute, "reject") in shown
    assert button(dispute, "confirm") not in shown
    client.post(button(dispute, "withdraw"), {"reason": "Opened by mistake"})
    assert button(dispute, "reject") not in client.get(change(dispute)).content.decode()


def test_whoever_may_not_decide_sees_and_does_nothing(account: Account) -> None:
    dispute = disputed(account)
    client = at_desk("view_dispute", "view_invoice", "view_account")
    assert client.get(change(dispute)).status_code == 200
    for name in ("confirm", "accept", "settled", "reject", "withdraw"):
        assert client.post(button(dispute, name), {"reason": "x"}).status_code == 403
    invoice = Invoice.objects.get()
    assert client.post(reverse("admin:invoicing_invoice_dispute", args=[invoice.pk]), {"text": "x"}).status_code == 403
    dispute.refresh_from_db()
    assert dispute.state == "open"


def test_a_dispute_is_opened_on_the_invoice_after_seeing_what_it_does(slowed: Account) -> None:
    invoice, client = Invoice.objects.get(), at_desk()
    url = reverse("admin:invoicing_invoice_dispute", args=[invoice.pk])
    page = reverse("admin:invoicing_invoice_change", args=[invoice.pk])
    assert url in client.get(page).content.decode()
    assert "freezing it lifts that" in text(client.get(url))
    assert client.post(url, {"text": "A router that went back"}).status_code == 303
    dispute = Dispute.objects.get()
    assert (dispute.state, str(dispute.opened_by), dispute.by_customer) == ("open", "sandy", False)
    assert url not in client.get(page).content.decode(), "it is disputed already"


def test_a_dispute_is_opened_on_the_account_and_its_panel_shows_it(account: Account) -> None:
    client = at_desk()
    url = reverse("admin:accounts_account_dispute_invoice", args=[account.pk])
    invoice = Invoice.objects.get()
    assert client.post(url, {"invoice": invoice.pk, "text": "A router that went back"}).status_code == 303
    page = client.get(reverse("admin:accounts_account_change", args=[account.pk]))
    assert "Disputed A-1001 , 100.00 USD: being looked into, since Tue 20 Jan 2026" in text(page)
    assert client.post(url, {"invoice": invoice.pk, "text": "again"}).status_code == 200, "it cannot be chosen twice"
