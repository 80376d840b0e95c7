"""Fees waived, invoices credited and written off: within limits, by two people above them, and taken back (SEC-21)."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from delinquency.invariants import check_invariants
from invoicing.models import Approval, Invoice, LedgerEntry, MoneyLimit
from invoicing.operations import adjust, approvals, undo
from invoicing.operations.charges import waive_charge
from invoicing.operations.payments import record_payment
from tests.factories import instant, make_account
from tests.invoicing.desk import balance, make_fee, make_teller
from tests.invoicing.helpers import assert_books_balance
from tests.invoicing.test_payments import invoice

pytestmark = pytest.mark.django_db
Kind = approvals.Kind


@pytest.fixture
def account() -> Account:
    account = make_account()
    invoice(account, "A", "100.00", "2026-01-01", "2026-01-16")
    return account


def money_invariants() -> list[str]:
    return [row.where for row in check_invariants() if row.invariant in ("I2", "I4")]


def test_a_fee_within_the_limit_is_waived_at_once_with_its_reason_code(account: Account) -> None:
    sandy, fee = make_teller("sandy"), make_fee(account, "25.00")
    asked = approvals.do_or_ask(Kind.WAIVE, fee, amount=fee.amount, code="hardship", reason="lost her job", by=sandy)
    assert asked is None
    entry = LedgerEntry.objects.get(charge=fee, kind="waiver")
    assert (entry.amount, entry.reason_code, entry.reason, entry.actor) == (
        Decimal("-25.00"), "hardship", "hardship: lost her job", sandy,
    )  # fmt: skip
    assert money_invariants() == []


def test_above_the_limit_nothing_happens_until_a_second_person_approves(account: Account) -> None:
    sandy, casey, fee = make_teller("sandy"), make_teller("casey"), make_fee(account, "25.01")
    asked = approvals.do_or_ask(Kind.WAIVE, fee, amount=fee.amount, code="goodwill", reason="", by=sandy)
    assert asked is not None
    fee.refresh_from_db()
    assert fee.waived_at is None
    assert balance(account) == Decimal("125.01")
    with pytest.raises(Refused, match="has asked for this already"):
        approvals.do_or_ask(Kind.WAIVE, fee, amount=fee.amount, code="goodwill", reason="", by=casey)
    approvals.approve(asked, by=casey)
    entry = LedgerEntry.objects.get(charge=fee, kind="waiver")
    assert (entry.actor, entry.reason) == (sandy, "goodwill (approved by casey)")
    assert balance(account) == Decimal("100.00")
    with pytest.raises(StaleState, match="approved already"):
        approvals.approve(asked, by=casey)


def test_nobody_approves_their_own_request_by_any_way(account: Account) -> None:
    sandy, fee = make_teller("sandy"), make_fee(account, "30.00")
    asked = approvals.do_or_ask(Kind.WAIVE, fee, amount=fee.amount, code="goodwill", reason="", by=sandy)
    assert asked is not None
    with pytest.raises(Refused, match="asked for this yourself"):
        approvals.approve(asked, by=sandy)
    with pytest.raises(Refused, match="asked for this yourself"):
        approvals.refuse(asked, by=sandy, note="no")
    with pytest.raises(IntegrityError, match="approval_by_a_second_person"), transaction.atomic():
        Approval.objects.filter(pk=asked.pk).update(state="approved", decided_by=sandy, decided_at=clock.now())
    # Neither does the operation itself let its own limit be passed by.
    with pytest.raises(Refused, match="above what sandy may decide alone"):
        waive_charge(fee, "for a friend", sandy)
    with pytest.raises(Refused, match="above what sandy may decide alone"):
        waive_charge(fee, "for a friend", sandy, approval=asked)
    asked.state, asked.decided_by = Approval.State.APPROVED, sandy
    with pytest.raises(Refused, match="above what sandy may decide alone"):
        waive_charge(fee, "for a friend", sandy, approval=asked)
    assert balance(account) == Decimal("130.00")


def test_an_approval_is_good_for_its_own_act_only(account: Account) -> None:
    sandy, casey = make_teller("sandy"), make_teller("casey")
    asked = approvals.do_or_ask(
        Kind.CREDIT_NOTE, Invoice.objects.get(), amount=Decimal("30.00"), code="our_mistake", reason="", by=sandy
    )
    assert asked is not None
    approved = approvals.approve(asked, by=casey)
    assert Invoice.objects.get().remaining == Decimal("70.00")
    with pytest.raises(Refused, match="above what"):
        adjust.write_off(invoice=Invoice.objects.get(), why="gone", by=sandy, approval=approved)
    with pytest.raises(Refused, match="above what"):
        adjust.credit_note(
            invoice=Invoice.objects.get(), amount=Decimal("30.01"), reason="more", by=sandy, approval=approved
        )


@pytest.mark.parametrize("kind", [Kind.WRITE_OFF, Kind.VOID])
def test_an_invoice_is_written_off_or_voided_by_two_people(account: Account, kind: Kind) -> None:
    sandy, casey, paper = make_teller("sandy", write_off="99.99"), make_teller("casey"), Invoice.objects.get()
    amount = approvals.amount_of(kind, paper)
    asked = approvals.do_or_ask(kind, paper, amount=amount, code="other", reason="moved abroad", by=sandy)
    assert asked is not None
    assert Invoice.objects.get().state == "open"
    approvals.approve(asked, by=casey)
    assert Invoice.objects.get().state == ("void" if kind == Kind.VOID else "written_off")
    assert money_invariants() == []


def test_a_refused_request_changes_nothing_and_a_withdrawn_one_can_be_asked_again(account: Account) -> None:
    sandy, casey, fee = make_teller("sandy"), make_teller("casey"), make_fee(account, "30.00")

    def ask() -> Approval:
        asked = approvals.do_or_ask(Kind.WAIVE, fee, amount=fee.amount, code="goodwill", reason="", by=sandy)
        assert asked is not None
        return asked

    with pytest.raises(Refused, match="only they"):
        approvals.withdraw(first := ask(), by=casey)
    approvals.withdraw(first, by=sandy)
    second = ask()
    with pytest.raises(Refused, match="Say why"):
        approvals.refuse(second, by=casey, note=" ")
    approvals.refuse(second, by=casey, note="too often")
    assert balance(account) == Decimal("130.00")
    assert not approvals.waiting_for(casey).exists()


def test_a_request_that_is_not_possible_any_more_still_waits_and_says_why(account: Account) -> None:
    sandy, casey, paper = make_teller("sandy"), make_teller("casey"), Invoice.objects.get()
    asked = approvals.do_or_ask(Kind.WRITE_OFF, paper, amount=paper.remaining, code="hardship", reason="", by=sandy)
    assert asked is not None
    record_payment(account=account, reference="P-1", amount=Decimal("100.00"), received_at=instant("2026-02-01 10:00"))
    with pytest.raises(StaleState, match="paid"):
        approvals.approve(asked, by=casey)
    asked.refresh_from_db()
    assert asked.state == "waiting"


def test_what_cannot_be_done_is_not_even_asked_for(account: Account) -> None:
    sandy, paper = make_teller("sandy"), Invoice.objects.get()
    wrong = (("", "x", "Choose a reason"), ("other", " ", "Say what"), ("goodwill", "4242 4242 4242 4242", "card"))
    for code, reason, words in wrong:
        with pytest.raises(Refused, match=words):
            approvals.do_or_ask(Kind.VOID, paper, amount=paper.amount, code=code, reason=reason, by=sandy)
    with pytest.raises(Refused, match="credit note must be"):
        approvals.do_or_ask(Kind.CREDIT_NOTE, paper, amount=Decimal("100.01"), code="goodwill", reason="", by=sandy)
    sandy.groups.get().permissions.clear()
    with pytest.raises(Refused, match="You may not do this"):
        approvals.do_or_ask(
            Kind.VOID, paper, amount=paper.amount, code="goodwill", reason="", by=type(sandy).objects.get(pk=sandy.pk)
        )
    assert not Approval.objects.exists()


def test_a_waiver_is_taken_back_and_can_be_given_again(account: Account) -> None:
    fee = make_fee(account)
    for _ in range(2):
        waive_charge(fee, "goodwill")
        assert balance(account) == Decimal("100.00")
        undo.unwaive_charge(fee, "paid after all")
        assert balance(account) == Decimal("110.00")
    with pytest.raises(Refused, match="is not waived"):
        undo.unwaive_charge(fee, "again")
    assert LedgerEntry.objects.filter(charge=fee).count() == 5
    assert money_invariants() == []


def test_a_write_off_is_taken_back_with_the_invoices_own_due_date(account: Account) -> None:
    paper = Invoice.objects.get()
    adjust.credit_note(invoice=paper, amount=Decimal("30.00"), reason="outage")
    for _ in range(2):
        adjust.write_off(invoice=paper, why="gone")
        undo.undo_write_off(invoice=paper, why="is back")
        again = Invoice.objects.get()
        assert (again.state, again.remaining, str(again.due_on)) == ("open", Decimal("70.00"), "2026-01-16")
    with pytest.raises(Refused, match="Nothing of invoice A"):
        undo.undo_write_off(invoice=paper, why="again")
    assert_books_balance()


def test_a_credit_note_is_taken_back_with_the_money_it_had_freed(account: Account) -> None:
    paper = Invoice.objects.get()
    record_payment(account=account, reference="P-1", amount=Decimal("60.00"), received_at=instant("2026-02-01 10:00"))
    adjust.credit_note(invoice=paper, amount=Decimal("70.00"), reason="outage")
    assert Invoice.objects.get().state == "paid"
    (note,) = undo.standing_credit_notes(paper)
    undo.undo_credit_note(entry=note, why="there was none")
    assert Invoice.objects.get().remaining == Decimal("40.00")
    assert undo.standing_credit_notes(paper) == []
    with pytest.raises(Refused, match="taken back before"):
        undo.undo_credit_note(entry=note, why="again")
    assert_books_balance()
    assert money_invariants() == []


def test_what_a_credit_note_had_freed_and_was_used_since_stays_used(account: Account) -> None:
    paper = Invoice.objects.get()
    payment = record_payment(
        account=account, reference="P-1", amount=Decimal("100.00"), received_at=instant("2026-02-01 10:00")
    )
    adjust.credit_note(invoice=paper, amount=Decimal("70.00"), reason="outage")
    adjust.refund(payment=payment, amount=Decimal("50.00"), why="asked for")
    undo.undo_credit_note(entry=undo.standing_credit_notes(paper)[0], why="there was none")
    assert Invoice.objects.get().remaining == Decimal("50.00")
    assert money_invariants() == []


def test_who_could_waive_and_write_off_before_still_can_after_the_upgrade() -> None:
    old = Group.objects.create(name="Old clerks")
    old.permissions.set(Permission.objects.filter(codename__in=["change_charge", "change_invoice"]))
    keep_rights = import_module("invoicing.migrations.0009_money_rights").keep_rights
    for _ in range(2):
        keep_rights(apps, None)
    codes = set(old.permissions.values_list("codename", flat=True))
    assert codes >= {"waive_fee", "credit_invoice", "void_invoice", "write_off_invoice"}
    assert codes.isdisjoint({"record_payment", "refund_payment", "approve_money"})
    assert MoneyLimit.objects.get(group=old).waive_max == Decimal("100.00")
