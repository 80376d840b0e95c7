"""Sweeps on the database give the very events that `timeline` gives for the same facts (D2, contract section 4)."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing_project.kernel import clock
from delinquency.history import run_days
from delinquency.models import Event, GraceGrant, Policy
from delinquency.operations import import_version
from delinquency.rules.scenario import parse_scenario
from invoicing.models import BillingDefault
from invoicing.operations.imports import (
    ImportedInvoice,
    ImportedPayment,
    record_imported_invoices,
    record_imported_payments,
)
from invoicing.operations.terms import start_billing
from tests.factories import make_account, make_contact
from tests.worlds import WORKDAYS, exchange, in_force, sonar

pytestmark = pytest.mark.django_db

ZONES = ["America/New_York", "Australia/Lord_Howe", "Pacific/Honolulu", "Asia/Kathmandu"]
START = date(2027, 9, 1)
UNTIL = date(2028, 12, 31)


def some_policy(dice: random.Random) -> dict[str, Any]:
    """Return a random policy: either article's ladder, or one of neither."""
    changes: dict[str, Any] = {
        "check_weekdays": dice.choice([WORKDAYS, ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ["tue", "fri"]]),
        "exclusions": [{"name": "Christmas", "month": 12, "day": 25}, {"name": "Leap day", "month": 2, "day": 29}],
        "minimum_amount_due": dice.choice(["0.01", "0.01", "25.00"]),
        "on_reversal": dice.choice(["restart", "resume"]),
        "reconnection_fee": dice.choice(["0.00", "25.00"]),
        "full_balance_clears": dice.random() < 0.2,
        "grace_until_defers_fees": dice.random() < 0.7,
        "seriously_late_window": dice.choice(["calendar_year", "rolling_12_months"]),
        "due_days": dice.choice([None, 0, 10, 15, 30]),
        "bill_day": dice.choice([1, 9, 28, 31]),
    }
    if dice.random() < 0.4:
        return exchange(**changes)
    own = sonar(**changes, grace_days=dice.choice([0, 3, 5]), status_switch_days=dice.choice([None, 0, 7, 40]))
    own["steps"] += dice.sample(
        [
            {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "5.00", "percent": "1.5"},
            {"key": "fee-2", "action": "late_fee", "anchor": "delinquent", "offset_days": 2, "flat": "7.00",
             "cap": "6.00"},
            {"key": "soon", "action": "notice", "anchor": "due", "offset_days": -3, "channels": ["sms"], "at": "12:00",
             "template": "due_soon"},
            {"key": "wall", "action": "restrict", "anchor": "delinquent", "offset_days": 4, "level": "walled_garden",
             "requires_notice": "notice", "at": "10:30"},
            {"key": "call", "action": "call_task", "anchor": "issued", "offset_days": 40, "honours_exclusions": True},
            {"key": "cut", "action": "restrict", "anchor": "due", "offset_days": 12, "level": "suspend",
             "honours_exclusions": False},
        ],
        dice.randint(0, 5),
    )  # fmt: skip
    return own


def some_facts(dice: random.Random, name: str) -> dict[str, Any]:
    """Return the facts of one customer: late, early, in part, returned, with grants."""

    def on(low: date, days: int) -> date:
        return low + timedelta(days=dice.randint(0, days))

    def at(day: date) -> str:
        return (
            day.isoformat()
            if dice.random() < 0.5
            else f"{day}T{dice.choice(['00:30', '08:59', '09:00', '09:20', '23:59:59'])}"
        )

    invoices, payments, reversals = [], [], []
    month = START
    for index in range(dice.randint(1, 13)):
        issued = month.replace(day=dice.choice([1, 1, 1, 9, 28]))
        amount = Decimal(dice.choice(["100.00", "86.80", "30.00"]))
        number = f"{name}-{index:02d}"
        invoices.append(
            {
                "number": number,
                "issued_on": str(issued),
                "due_on": str(issued + timedelta(days=20)),
                "amount": str(amount),
            }
        )
        month = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
        for part in range(dice.choice([0, 1, 1, 1, 2])):
            received = on(issued, 75)
            reference = f"P-{number}-{part}"
            paid = amount if dice.random() < 0.7 else Decimal(dice.choice(["10.00", "50.00", "130.00"]))
            payments.append(
                {"reference": reference, "received": at(received), "amount": str(paid),
                 "invoice": number if dice.random() < 0.4 else None}
            )  # fmt: skip
            if dice.random() < 0.15:
                reversals.append({"payment": reference, "recorded": at(received + timedelta(days=dice.randint(1, 30)))})
    granted = [on(START, 400) for _ in range(dice.choice([0, 0, 1, 2]))]
    grace = [
        {"granted": at(day), "until": str(day + timedelta(days=dice.randint(1, 20))), "lift_now": dice.random() < 0.5}
        for day in sorted(granted)
    ]
    return {"invoices": invoices, "payments": payments, "reversals": reversals, "grace": grace, "until": str(UNTIL)}


def moment(text: str, zone: str) -> datetime:
    """Return the instant of a scenario's local time."""
    return clock.instant(datetime.fromisoformat(text), zone)


def enter(name: str, zone: str, facts: dict[str, Any], default: BillingDefault, bill_day: int) -> int:
    """Enter the facts of a scenario into the database, all at once and ahead of time."""
    account = make_account(number=name, timezone=zone)
    make_contact(account)
    parameters = start_billing(account, default, bill_day=bill_day)
    parameters.next_bill_on = None  # a scenario brings its own invoices
    parameters.save()
    for row in facts["invoices"]:
        record_imported_invoices(
            [
                ImportedInvoice(
                    account_id=account.pk, number=row["number"], issued_on=date.fromisoformat(row["issued_on"]),
                    due_on=date.fromisoformat(row["due_on"]), amount=Decimal(row["amount"]), description="",
                    effective_at=moment(f"{row['issued_on']}T00:05", zone),
                )
            ]
        )  # fmt: skip
    ids = dict(account.invoices.values_list("number", "pk"))
    returned = {row["payment"]: row["recorded"] for row in facts["reversals"]}
    record_imported_payments(
        [
            ImportedPayment(
                account_id=account.pk, reference=row["reference"], received_at=moment(row["received"], zone),
                amount=Decimal(row["amount"]), invoice_id=ids.get(row["invoice"]), method="imported",
                reversed_at=moment(returned[row["reference"]], zone) if row["reference"] in returned else None,
            )
            for row in facts["payments"]
        ]
    )  # fmt: skip
    for row in facts["grace"]:
        GraceGrant.objects.create(
            account=account, until_on=date.fromisoformat(row["until"]), lift_now=row["lift_now"], reason="asked",
            granted_at=moment(row["granted"], zone),
        )  # fmt: skip
    return account.pk


@pytest.mark.parametrize("seed", range(4))
def test_sweeps_day_by_day_tell_the_same_story_as_the_timeline(seed: int) -> None:
    dice = random.Random(seed)
    policy = some_policy(dice)
    default = BillingDefault.objects.create(name="Terms", bill_day=1, due_days=policy["due_days"] or 0)
    in_force(import_version(policy, policy=Policy.objects.create(name=policy["name"], billing_default=default)))
    stories: dict[str, tuple[int, dict[str, Any]]] = {}
    for index in range(8):
        name, zone = f"{seed}-{index}", dice.choice(ZONES)
        facts = some_facts(dice, name)
        account_id = enter(name, zone, facts, default, policy["bill_day"])
        stories[name] = (account_id, facts | {"timezone": zone, "policy": policy})
    run_days(START, UNTIL, outside=False)
    for name, (account_id, scenario) in stories.items():
        told = [
            (str(e.on), str(e.kind), e.number, str(e.amount), e.step_key) for e in parse_scenario(scenario).answer()
        ]
        rows = Event.objects.filter(account=account_id).select_related("invoice").order_by("sequence")
        lived = [
            (str(r.on), r.kind, r.invoice.number if r.invoice else None, str(r.amount), r.step or None) for r in rows
        ]
        assert "\n".join(map(str, lived)) == "\n".join(map(str, told)), name
