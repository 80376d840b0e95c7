"""What can be done to many fees, notices and tickets: forward, and taken back where that is possible."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Notice, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import MassAction, Ticket, TicketQueue
from delinquency.operations import mass
from delinquency.operations.desk import hand_over, open_ticket
from invoicing.models import Approval, BankFile, Charge, LedgerEntry, MoneyLimit, Payment
from invoicing.operations.charges import add_charge
from invoicing.operations.payments import record_payment, reverse_payment
from tests.backoffice import make_customer, make_version
from tests.factories import instant, make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db
NOON = instant("2026-01-18 12:00")
Kind = MassAction.Kind


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.at(NOON):
        yield


@pytest.fixture
def casey() -> User:
    """Return a clerk who may waive up to 25.00."""
    casey = make_staff(
        "casey", "waive_fee", "send_notice", "work_ticket", "record_payment", "view_bankfile", "change_bankfile"
    )
    group = Group.objects.create(name="Tellers")
    MoneyLimit.objects.create(group=group, waive_max=Decimal("25.00"))
    casey.groups.add(group)
    return casey


def make_fee(account: Account, amount: str, key: str) -> Charge:
    """Ask a late fee of an account."""
    return add_charge(
        account=account, kind="late_fee", key=key, amount=Decimal(amount), description="Late fee",
        charged_on=clock.today(), effective_at=clock.now(),
    )  # fmt: skip


def test_fees_are_waived_within_the_limit_asked_above_it_and_asked_for_after_all(casey: User) -> None:
    account = make_account()
    small, large = make_fee(account, "10.00", "f:1"), make_fee(account, "30.00", "f:2")
    action = mass.prepare(Kind.WAIVE, Charge.objects.all(), by=casey, parameters={"code": "goodwill"})
    assert dict(action.items.values_list("object_id", "code")) == {small.pk: "", large.pk: "asks"}
    action = mass.confirm(action, reason="the bank was down", by=casey)
    assert (action.done, action.failed) == (2, 0)
    assert set(Charge.objects.filter(waived_at__isnull=False)) == {small}
    assert Approval.objects.get().charge == large
    with clock.at(NOON + timedelta(days=3)):  # money can be taken back at any time, after a look
        back = mass.undo(action, reason="the bank was up", by=casey)
        assert (back.state, back.to_do, Charge.objects.filter(waived_at__isnull=False).count()) == ("ready", 2, 1)
        back = mass.confirm(back, reason="the bank was up", by=casey)
    assert back.done == 2
    assert not Charge.objects.filter(waived_at__isnull=False).exists()
    assert Approval.objects.get().state == "withdrawn"
    assert sum(LedgerEntry.objects.values_list("amount", flat=True)) == Decimal("40.00")


def test_a_fee_that_was_waived_since_the_preview_is_not_waived_twice(casey: User) -> None:
    fee = make_fee(make_account(), "10.00", "f:1")
    first, second = (
        mass.prepare(Kind.WAIVE, Charge.objects.all(), by=casey, parameters={"code": "goodwill"}) for _ in range(2)
    )
    mass.confirm(first, reason="x", by=casey)
    second = mass.confirm(second, reason="x", by=casey)
    assert (second.done, second.changed) == (0, 1)
    assert LedgerEntry.objects.filter(charge=fee, kind="waiver").count() == 1
    assert "was waived before" in second.items.get().reason


def make_notice(state: str, number: int) -> Notice:
    """Make a notice that ended in a state."""
    account = make_account()
    return Notice.objects.create(
        account=account, contact=make_contact(account), anchor_key="case:1", step_key="n", channel="email",
        template="past_due", to_address="ann@customer.example", body="Hello", state=state,
        accepted_at=NOON if state == "delivered" else None,
        context={"amount_due": f"{number}.00", "due_on": "2026-02-16", "pay_url": "https://x.example"},
    )  # fmt: skip


def test_only_notices_that_reached_nobody_go_out_again_unless_more_is_asked(casey: User) -> None:
    parked, told, waiting = make_notice("parked", 1), make_notice("delivered", 2), make_notice("queued", 3)
    action = mass.prepare(Kind.RESEND, Notice.objects.all(), by=casey)
    assert set(action.items.values_list("object_id", "state", "code")) == {
        (parked.pk, "waiting", ""), (told.pk, "excluded", "arrived"), (waiting.pk, "excluded", "on_its_way"),
    }  # fmt: skip
    also = mass.prepare(Kind.RESEND, Notice.objects.all(), by=casey, parameters={"also_arrived": True})
    assert set(also.items.filter(state="waiting").values_list("object_id", "code")) == {
        (parked.pk, ""), (told.pk, "twice"),
    }  # fmt: skip
    action = mass.confirm(action, reason="the provider is up again", by=casey)
    assert action.done == 1
    assert Notice.objects.filter(resent_by=casey, state="queued").count() == 1
    with pytest.raises(Refused, match="cannot be undone"):
        mass.undo(action, reason="x", by=casey)


def test_tickets_are_handed_over_and_back_except_where_they_were_handed_on(casey: User) -> None:
    billing, network = TicketQueue.objects.get(name="Billing"), TicketQueue.objects.exclude(name="Billing")[0]
    rows = [open_ticket(account=make_account(), subject="Slow", queue=billing, owner=casey) for _ in range(3)]
    asked = {"queue": network.pk, "queue_name": str(network), "owner": None, "owner_name": ""}
    action = mass.prepare(Kind.HAND_OVER, Ticket.objects.all(), by=casey, parameters=asked)
    action = mass.confirm(action, reason="Fibre cut", by=casey)
    assert set(Ticket.objects.values_list("queue", "owner")) == {(network.pk, None)}
    hand_over(rows[0], casey, queue=billing)
    back = mass.undo(action, reason="wrong queue", by=casey)
    assert (back.done, back.failed) == (2, 1)
    assert set(Ticket.objects.exclude(pk=rows[0].pk).values_list("queue", "owner")) == {(billing.pk, casey.pk)}
    assert "was handed on since" in back.items.get(state="failed").reason
    assert "took the handing over back: wrong queue" in rows[1].comments.latest("pk").text


def test_pasted_payments_become_a_bank_file_that_is_looked_at_as_any_other(casey: User) -> None:
    account = make_account(number="10001")
    client = Client()
    client.force_login(casey)
    url = reverse("admin:delinquency_massaction_payments")
    said = client.post(url, {"lines": "A-1, 10001"}).content.decode()
    assert "Line 1 has 2 parts" in said
    lines = "reference, account, amount, date\nA-1, 10001, 25.00, 2026-01-17\nA-2;10009;5.00;2026-01-17\n"
    answer = client.post(url, {"lines": lines})
    file = BankFile.objects.get()
    assert answer.headers["Location"] == reverse("admin:invoicing_bankfile_change", args=[file.pk])
    rows = {row.cells["reference"]: row for row in file.rows.all()}
    assert (rows["A-1"].finding, rows["A-1"].cells["account"]) == ("fine", account.number)
    assert "is no account here" in rows["A-2"].wrong["account"]
    assert client.post(url, {"lines": lines}).status_code == 200  # the same lines are taken in once
    assert BankFile.objects.count() == 1


def test_who_may_not_record_payments_may_not_paste_any() -> None:
    client = Client()
    client.force_login(make_staff("vera", "view_massaction"))
    assert client.get(reverse("admin:delinquency_massaction_payments")).status_code == 403


def test_a_returned_batch_is_taken_back_and_recorded_anew_where_that_was_wrong() -> None:
    teller = make_staff("tess", "reverse_payment", "record_payment")
    version = make_version()
    accounts = [make_customer(str(30001 + number), version) for number in range(3)]
    payments = [
        record_payment(account=account, reference=f"T-{account.number}", amount=Decimal(amount), received_at=NOON)
        for account, amount in zip(accounts, ("100.00", "60.00", "130.00"), strict=True)
    ]
    reverse_payment(payment=payments[2], why="R01")
    asked = {"how": "returned", "code": "R01"}
    action = mass.prepare(Kind.REVERSE, Payment.objects.all(), by=teller, parameters=asked)
    assert dict(action.items.values_list("object_id", "code")) == {
        payments[0].pk: "reopens", payments[1].pk: "reopens", payments[2].pk: "reversed_before",
    }  # fmt: skip
    first = action.items.get(object_id=payments[0].pk)
    assert first.reason == f"Open again: {accounts[0].invoices.get().number}: 100.00, due 2026-01-16."
    assert not Payment.objects.filter(reversed_at__isnull=False).exclude(pk=payments[2].pk).exists()
    action = mass.confirm(action, reason="batch of 17 January", by=teller)
    assert (action.done, action.failed) == (2, 0)
    payments[0].refresh_from_db()
    assert payments[0].reversed_why == "R01: insufficient funds (batch of 17 January)"
    assert [account.invoices.get().remaining for account in accounts] == [100, 100, 100]
    back = mass.undo(action, reason="it was another batch", by=teller)
    assert (back.state, Payment.objects.count()) == ("ready", 3)
    back = mass.confirm(back, reason="it was another batch", by=teller)
    assert back.done == 2
    assert [account.invoices.get().remaining for account in accounts] == [0, 40, 100]
    assert Payment.objects.count() == 5
    with pytest.raises(Refused, match="Nothing of it is left"):
        mass.undo(action, reason="twice", by=teller)


def test_a_payment_that_changed_since_the_preview_is_left_out_of_the_reversals() -> None:
    teller = make_staff("tess", "reverse_payment")
    account = make_customer("30001", make_version())
    payment = record_payment(account=account, reference="T-1", amount=Decimal("50.00"), received_at=NOON)
    asked = {"how": "returned", "code": "R01"}
    first, second = (mass.prepare(Kind.REVERSE, Payment.objects.all(), by=teller, parameters=asked) for _ in range(2))
    mass.confirm(first, reason="x", by=teller)
    second = mass.confirm(second, reason="x", by=teller)
    assert (second.done, second.changed) == (0, 1)
    assert LedgerEntry.objects.filter(payment=payment, kind="reversal").count() == 1


def test_the_list_of_payments_asks_for_the_banks_reason_and_needs_the_right(client: Client) -> None:
    account = make_customer("30001", make_version())
    payment = record_payment(account=account, reference="T-1", amount=Decimal("50.00"), received_at=NOON)
    data = {"action": "mass_reverse", "_selected_action": [payment.pk], "index": 0, "confirmed": "1", "how": "returned"}
    url = reverse("admin:invoicing_payment_changelist")
    client.force_login(make_staff("tess", "view_payment", "reverse_payment", "view_massaction"))
    assert "Give the bank&#x27;s code or words" in client.post(url, data).content.decode()
    page = client.post(url, data | {"code": "R01"}, follow=True).content.decode()
    assert "returned by the bank (R01: insufficient funds)" in page
    assert "had paid invoices; these are open again" in page
    client.force_login(make_staff("vera", "view_payment"))
    client.post(url, data | {"code": "R01"})
    assert MassAction.objects.count() == 1
