"""What the portal says a payment does is what it does: by random accounts, to the cent."""

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.glance import glance
from delinquency.models import Case, InvoiceStanding, PolicyVersion, Standing, StepRun
from delinquency.operations import reassess
from delinquency.paying import automatic_payment, effect_of, line_news
from invoicing.models import Invoice, LedgerEntry
from invoicing.operations.autopay import set_autopay
from invoicing.operations.payments import record_payment
from netenforce.models import Device, EnforcementTask, Hold, LineState
from tests.backoffice import NOON, make_customer, make_invoice, make_version
from tests.worlds import in_force

pytestmark = pytest.mark.django_db
CENT = Decimal("0.01")


def random_account(chance: random.Random, number: int) -> Account:
    """Make an account with up to five invoices, some of them delinquent or in the cause of a cut, some disputed."""
    version = make_version(f"Policy {number}", published=False)
    version.minimum_amount_due = Decimal(chance.choice(["0.00", "0.01", "5.00", "50.00"]))
    version.full_balance_clears = chance.random() < 0.3
    version.reconnection_fee = Decimal(chance.choice(["0.00", "25.00"]))
    in_force(version)
    account = make_customer(str(30000 + number), version, delinquent=True)
    for place in range(chance.randrange(4)):
        due_on = date(2025, 9, 16) + timedelta(days=chance.randrange(150))
        amount = f"{chance.randrange(1, 12000) / 100:.2f}"
        row = make_invoice(account, f"R-{number}-{place}", due_on=due_on, amount=amount)
        late = row.due_on < date(2026, 1, 10) and chance.random() < 0.6 and row.amount >= version.minimum_amount_due
        InvoiceStanding.objects.update_or_create(
            invoice=row, defaults={"account": account, "delinquent_on": date(2026, 1, 19) if late else None}
        )
    late_ones = list(InvoiceStanding.objects.filter(account=account, delinquent_on__isnull=False))
    Invoice.objects.filter(account=account).exclude(pk__in=[row.invoice_id for row in late_ones]).filter(
        pk__in=[row.pk for row in Invoice.objects.filter(account=account) if chance.random() < 0.3]
    ).update(frozen=True)
    Case.objects.create(account=account, number=1, opened_on=date(2026, 1, 19), stage_since_at=NOON)
    StepRun.objects.create(
        account=account, anchor_key="case:1", step_key="slow", action="restrict", on=date(2026, 1, 21),
        level=chance.choice(["throttle", "suspend"]), in_force=True,
        invoices=[row.invoice_id for row in late_ones if chance.random() < 0.8],
    )  # fmt: skip
    seen = LedgerEntry.objects.latest("pk").pk
    Standing.objects.filter(account=account).update(ledger_seen=seen, looked_until_at=NOON, next_look_at=NOON)
    return account


def is_free(account: Account) -> bool:
    standing = Standing.objects.get(account=account)
    cut = StepRun.objects.filter(account=account, in_force=True).exists()
    return standing.delinquent_since is None and standing.switched_on is None and not cut


def frees(account: Account, amount: Decimal) -> tuple[bool, Decimal]:
    """Pay for a moment, look, and tell whether everything was released and which reconnection fee came of it."""
    with transaction.atomic():
        record_payment(account=account, reference="P", amount=amount, received_at=clock.now())
        events = reassess(account.pk)
        fee = sum((event.amount or Decimal(0) for event in events if event.kind == "reconnection_fee"), Decimal(0))
        free = is_free(account)
        transaction.set_rollback(True)
    return free, fee


@pytest.mark.parametrize("seed", range(24))
def test_what_the_page_says_restores_restores_and_a_cent_less_does_not(seed: int) -> None:
    chance = random.Random(seed)
    with clock.at(NOON + timedelta(hours=1)):
        account = random_account(chance, seed)
        least = glance(account).restore
        assert least > 0
        for amount, restores in ((least, True), (least - CENT, False), (least + 1, True)):
            if amount <= 0:
                continue
            free, fee = frees(account, amount)
            said = effect_of(account, amount)
            assert free is restores, (seed, amount)
            assert (said.held, said.restores, said.fee) == (True, restores, fee), (seed, amount)


@pytest.mark.parametrize("seed", range(24, 36))
def test_for_any_amount_and_any_named_invoice_the_page_says_what_happens(seed: int) -> None:
    chance = random.Random(seed)
    with clock.at(NOON + timedelta(hours=1)):
        account = random_account(chance, seed)
        rows = list(Invoice.objects.filter(account=account, frozen=False))
        amount = Decimal(chance.randrange(1, 30000)) / 100
        named = chance.choice(rows)
        said = effect_of(account, amount, named.pk)
        with transaction.atomic():
            record_payment(account=account, reference="P", amount=amount, received_at=clock.now(), invoice=named)
            reassess(account.pk)
            assert said.restores is is_free(account)
            transaction.set_rollback(True)


def test_asking_what_a_payment_would_do_changes_nothing() -> None:
    with clock.at(NOON + timedelta(hours=1)):
        account = random_account(random.Random(1), 1)
        before = list(Invoice.objects.values()), list(Standing.objects.values()), list(StepRun.objects.values())
        effect_of(account, Decimal("1000.00"))
        assert before == (
            list(Invoice.objects.values()), list(Standing.objects.values()), list(StepRun.objects.values()),
        )  # fmt: skip


def test_an_account_without_a_policy_is_held_by_nothing() -> None:
    account = make_customer("40001", make_version())
    Standing.objects.all().delete()
    assert effect_of(account, Decimal(5)).held is False


# --- The line, by its device's own word ---


@pytest.fixture
def paid() -> Account:
    """Make a customer who was slowed and has paid, and whose device has not been told yet."""
    account = make_customer("40001", make_version(), delinquent=True)
    with clock.at(NOON + timedelta(hours=1)):
        record_payment(account=account, reference="P-1", amount=Decimal("100.00"), received_at=clock.now())
        reassess(account.pk)
    LineState.objects.update(desired_level="throttle", observed_level="throttle")
    return account


def news(account: Account) -> tuple[str, str | None]:
    said = line_news(account, glance(account), NOON)
    return said.state, said.at.strftime("%H:%M") if said.at else None


def order(account: Account, state: str, settled_minutes: int | None = None) -> None:
    EnforcementTask.objects.all().delete()
    line = account.service_lines.get()
    LineState.objects.update(desired_level="open", observed_level="open" if state == "confirmed" else "throttle")
    EnforcementTask.objects.create(
        line=line, device=Device.objects.get(), level="open", restores=True, generation=9, why="paid", state=state,
        created_at=NOON,
        settled_at=NOON + timedelta(minutes=settled_minutes) if settled_minutes is not None else None,
    )  # fmt: skip


def test_a_line_counts_as_back_only_when_its_device_has_confirmed_it(paid: Account) -> None:
    assert news(paid) == ("soon", None)
    order(paid, "queued")
    assert news(paid) == ("told", "12:00")
    order(paid, "confirmed", 5)
    assert news(paid) == ("back", "12:05")
    order(paid, "confirmed", -5)
    assert news(paid) == ("open", None)


def test_a_device_that_does_not_answer_is_told_as_such(paid: Account) -> None:
    order(paid, "queued")
    Device.objects.update(failing_since_at=NOON)
    assert news(paid) == ("silent", "12:00")
    Device.objects.update(failing_since_at=None)
    order(paid, "parked")
    assert news(paid) == ("silent", "12:00")


def test_a_line_held_for_another_reason_is_not_promised_to_open(paid: Account) -> None:
    Hold.objects.create(account=paid, cause="abuse", cause_key="x", level="suspend", why="spam")
    assert news(paid) == ("other", None)
    paid.service_lines.all().delete()
    assert news(paid) == ("none", None)


def test_a_part_leaves_it_held() -> None:
    account = make_customer("40001", make_version(), delinquent=True)
    assert news(account) == ("held", None)


# --- Automatic payment, and the second card ---


def with_charges(version: PolicyVersion) -> PolicyVersion:
    for position, rank in enumerate(("primary", "secondary")):
        version.steps.create(
            position=10 + position, key=rank, action="charge", anchor="due", offset_days=0, source=rank, at="06:00"
        )
    return version


def test_the_next_bill_is_charged_on_its_due_day() -> None:
    account = make_customer("40001", in_force(with_charges(make_version(published=False))))
    standing = Standing.objects.get(account=account)
    with clock.at(NOON):
        said = automatic_payment(account, standing, [])
        assert (said.on, said.on_day, said.number) == (True, date(2026, 2, 16), None)
        set_autopay(account, False, why="wish")
        assert automatic_payment(account, standing, []).on is False


def test_a_policy_that_charges_nothing_promises_nothing() -> None:
    account = make_customer("40001", make_version())
    assert automatic_payment(account, Standing.objects.get(), []).on_day is None
