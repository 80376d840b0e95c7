"""The pages on which clerks put money right: rights, limits, second persons, bank files, unclear charges, a report."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from invoicing.models import Approval, BankFile, Invoice, LedgerEntry, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations import adjust
from invoicing.operations.charges import waive_charge
from invoicing.operations.payments import record_payment
from tests.factories import instant, make_account, make_source
from tests.invoicing.desk import make_fee, make_teller, pay_by_card
from tests.invoicing.test_payments import invoice

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    account = make_account(number="10001", name="Ann Example")
    invoice(account, "A", "100.00", "2026-01-01", "2026-01-16")
    return account


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, name: str, pk: int, data: dict[str, Any]) -> Any:
    return client.post(reverse(f"admin:invoicing_{name}", args=[pk]), data)


def test_a_waiver_above_the_limit_waits_for_another_and_its_asker_has_no_button_for_it(account: Account) -> None:
    sandy, casey, fee = make_teller("sandy"), make_teller("casey"), make_fee(account, "30.00")
    client = client_of(sandy)
    page = client.get(reverse("admin:invoicing_charge_waive", args=[fee.pk])).content.decode()
    assert "You decide up to 25.00 alone" in page
    assert post(client, "charge_waive", fee.pk, {"reason_code": "goodwill", "reason": ""}).status_code == 303
    asked = Approval.objects.get()
    home = reverse("admin:invoicing_approval_change", args=[asked.pk])
    own, others = client.get(home).content.decode(), client_of(casey).get(home).content.decode()
    assert ("/approve" in own, "/withdraw" in own) == (False, True)
    assert ("/approve" in others, "/withdraw" in others) == (True, False)
    refused = post(client, "approval_approve", asked.pk, {"note": ""})
    assert "asked for this yourself" in refused.content.decode()
    assert post(client_of(casey), "approval_approve", asked.pk, {"note": "fine"}).status_code == 303
    fee.refresh_from_db()
    assert fee.waived_why == "goodwill (approved by casey)"


def test_only_who_has_the_right_decides_and_only_administrators_set_limits(account: Account) -> None:
    sandy, fee = make_teller("sandy"), make_fee(account, "30.00")
    post(client_of(sandy), "charge_waive", fee.pk, {"reason_code": "goodwill", "reason": ""})
    casey = make_teller("casey")
    casey.groups.get().permissions.remove(*casey.groups.get().permissions.filter(codename="approve_money"))
    answer = post(client_of(casey), "approval_approve", Approval.objects.get().pk, {"note": ""})
    assert answer.status_code == 403
    limit = reverse("admin:invoicing_moneylimit_change", args=[sandy.groups.get().money_limit.pk])
    assert client_of(sandy).post(limit, {"waive_max": "9999"}).status_code == 403


def test_card_numbers_are_refused_in_a_reason(account: Account) -> None:
    sandy, fee = make_teller("sandy"), make_fee(account)
    client = client_of(sandy)
    card = {"reason_code": "other", "reason": "card 4242424242424242"}
    said = post(client, "charge_waive", fee.pk, card).content.decode()
    assert "looks like it holds a card number" in said
    assert "4242424242424242" not in said
    fee.refresh_from_db()
    assert fee.waived_at is None


def test_each_page_offers_what_takes_it_back(account: Account) -> None:
    casey, fee, paper = (
        make_teller("casey", write_off="500.00", waive="500.00"),
        make_fee(account),
        Invoice.objects.get(),
    )
    client = client_of(casey)
    waive_charge(fee, "goodwill")
    assert post(client, "charge_unwaive", fee.pk, {"reason": "paid after all"}).status_code == 303
    adjust.credit_note(invoice=paper, amount=Decimal("5.00"), reason="outage")
    note = LedgerEntry.objects.get(kind="credit_note")
    answer = post(client, "invoice_undo_credit", paper.pk, {"note": note.pk, "reason": "no outage"})
    assert answer.status_code == 303
    given = {"reason_code": "hardship", "reason": ""}
    assert post(client, "invoice_write_off", paper.pk, given).status_code == 303
    page = client.get(reverse("admin:invoicing_invoice_change", args=[paper.pk])).content.decode()
    assert ("/undo_write_off" in page, "/void" in page) == (True, False)
    assert post(client, "invoice_undo_write_off", paper.pk, {"reason": "is back"}).status_code == 303
    paper.refresh_from_db()
    assert (paper.state, paper.remaining) == ("open", Decimal("100.00"))
    answer = post(client, "invoice_void", paper.pk, {"reason_code": "our_mistake", "reason": ""})
    assert answer.status_code == 303
    page = client.get(reverse("admin:invoicing_invoice_change", args=[paper.pk])).content.decode()
    assert "/undo_credit" not in page


def test_a_refund_of_what_lies_on_an_invoice_asks_for_the_credit_note(account: Account) -> None:
    casey, payment = make_teller("casey", refund="500.00"), pay_by_card(account, "100.00")
    client = client_of(casey)
    address = reverse("admin:invoicing_payment_refund", args=[payment.pk])
    assert "100.00 of it paid invoice A" in client.get(address).content.decode()
    given = {"amount": "40.00", "reason_code": "goodwill", "reason": ""}
    assert "Tick this to credit it there" in client.post(address, given).content.decode()
    done = client.post(address, given | {"credit": "on"}, follow=True)
    assert "the refund is given back" in done.content.decode()
    assert SandboxCharge.objects.get(outcome="refunded").amount == Decimal("40.00")


def test_a_bank_file_is_uploaded_corrected_and_recorded(account: Account) -> None:
    client = client_of(make_teller("casey"))
    text = "reference,received,amount,account,payer\nB-1,2026-02-01,40.00,10001,\nB-2,2026-02-02,60.00,,Ann Example\n"
    upload = reverse("admin:invoicing_bankfile_upload")
    file = SimpleUploadedFile("january.csv", text.encode())
    assert client.post(upload, {"kind": "transfers", "file": file}).status_code == 303
    row = BankFile.objects.get().rows.get(line=3)
    page = reverse("admin:invoicing_bankfile_change", args=[row.file_id])
    shown = client.get(page).content.decode()
    assert "Nothing is recorded yet." in shown
    assert "10001 Ann Example: by name" in shown
    left = client.get(reverse("admin:invoicing_bankfile_failures", args=[row.file_id])).content.decode()
    assert "B-2" in left
    assert "B-1" not in left
    assert "1 row is to be corrected" in client.post(page, {"record": "1", "row": [row.pk]}).content.decode()
    fixed = {"record": "1", "row": [row.pk], f"{row.pk}-account": "", f"{row.pk}-account-chosen": "10001"}
    done = client.post(page, fixed, follow=True).content.decode()
    assert "2 rows recorded." in done
    assert Invoice.objects.get().state == "paid"
    again = client.post(page, fixed).content.decode()
    assert "recorded; nothing was changed" in again
    file = SimpleUploadedFile("again.csv", text.encode())
    assert "This very file" in client.post(upload, {"kind": "transfers", "file": file}).content.decode()


def make_unknown(account: Account) -> PaymentAttempt:
    return PaymentAttempt.objects.create(
        account=account, invoice=Invoice.objects.get(), funding_source=make_source(account), key="k1", amount=100,
        state="unknown", unclear_at=clock.now(), created_at=clock.now() - timedelta(minutes=1),
    )  # fmt: skip


@pytest.mark.parametrize("charged", [True, False])
def test_an_unclear_charge_is_settled_by_the_gateways_answer(account: Account, charged: bool) -> None:
    attempt = make_unknown(account)
    if charged:
        SandboxCharge.objects.create(
            key="k1", source_token="tok_ok", amount=Decimal(100), currency="USD", outcome="charged"
        )
    client = client_of(make_teller("casey"))
    page = client.get(reverse("admin:invoicing_paymentattempt_resolve", args=[attempt.pk])).content.decode()
    assert ("100.00 were charged, as sandbox-" in page) is charged
    attempt.refresh_from_db()
    assert attempt.state == "unknown", "looking changes nothing"
    assert post(client, "paymentattempt_resolve", attempt.pk, {"accept": "1"}).status_code == 303
    attempt.refresh_from_db()
    assert attempt.state == ("done" if charged else "queued")


def test_an_unclear_charge_is_settled_by_what_a_person_has_seen(account: Account) -> None:
    attempt, client = make_unknown(account), client_of(make_teller("casey"))
    fix = {"how": "made", "reference": "", "reason": "seen in the dashboard"}
    assert "Give the gateway" in post(client, "paymentattempt_resolve", attempt.pk, fix).content.decode()
    assert post(client, "paymentattempt_resolve", attempt.pk, fix | {"reference": "pi_1"}).status_code == 303
    assert Payment.objects.get().reference == "pi_1"
    assert Invoice.objects.get().state == "paid"
    other = make_account(number="10002")
    paper = invoice(other, "B", "100.00", "2026-01-01", "2026-01-16")
    second = PaymentAttempt.objects.create(
        account=other, invoice=paper, key="k2", amount=100, state="unknown", unclear_at=clock.now()
    )
    not_made = {"how": "not_made", "reason": "support says so"}
    assert post(client, "paymentattempt_resolve", second.pk, not_made).status_code == 303
    second.refresh_from_db()
    assert (second.state, "support says so" in second.why) == ("declined", True)


def test_the_weekly_report_tells_who_gave_away_how_much(account: Account) -> None:
    casey, fee = make_teller("casey", waive="500.00"), make_fee(account, "30.00")
    waive_charge(fee, "goodwill", casey)
    with clock.at(clock.now() - timedelta(days=7)):
        adjust.credit_note(invoice=Invoice.objects.get(), amount=Decimal("7.00"), reason="outage", by=casey)
    record_payment(account=account, reference="P", amount=Decimal("10.00"), received_at=instant("2026-02-01 10:00"))
    client = client_of(User.objects.create_superuser("boss"))
    address = reverse("admin:invoicing_ledgerentry_adjustments")
    page = client.get(address).content.decode()
    assert "30.00 USD" in page
    assert "7.00 USD" not in page
    answer: Any = client.get(address + "?csv")
    rows = answer.getvalue().decode().splitlines()
    assert rows[1].split(",")[1:7] == ["casey", "charge waived", "1", "30.00", "0.00", "0.00"]
    assert len(rows) == 2
    assert client_of(make_teller("sandy")).get(address).status_code == 403


def test_a_payment_that_came_back_is_found_by_how(account: Account) -> None:
    from invoicing.operations.payments import reverse_payment

    payment = pay_by_card(account, "100.00")
    reverse_payment(payment=payment, why="disputed: fraudulent", as_=Payment.Reversal.CHARGEBACK)
    client = client_of(User.objects.create_superuser("boss"))
    listed = reverse("admin:invoicing_payment_changelist")
    for query, found in (("week", True), ("yes", True), ("chargeback", True), ("returned", False), ("no", False)):
        page = client.get(f"{listed}?back={query}").content.decode()
        assert (payment.reference in page) is found, query
