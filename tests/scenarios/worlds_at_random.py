"""Random policies and customers as hypothesis strategies, and how they are entered into the database."""

import os
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from billing_project.kernel import clock
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

# One shifts its clocks by an hour, one by half an hour, one never, and one is a quarter of an hour beside the others.
ZONES = ["America/New_York", "Australia/Lord_Howe", "Pacific/Honolulu", "Asia/Kathmandu"]
# Eighteen months with 29 February and three changes of the clocks.
START, UNTIL = date(2027, 9, 1), date(2029, 2, 28)
# The night's hours are those in which clocks are changed; 09:00 is the check.
HOURS = ["00:00", "00:05", "00:30", "01:45", "02:15", "06:00", "08:59", "09:00", "09:20", "14:10", "23:59:59"]
AMOUNTS = ["100.00", "86.80", "30.00", "0.01"]
PARTS = ["10.00", "50.00", "130.00", "0.01"]
SEED = os.environ.get("SAME_STORY_SEED")
Line = tuple[str, str, str | None, str, str | None]

EXTRA_STEPS = [
    {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "5.00", "percent": "1.5"},
    {"key": "fee-2", "action": "late_fee", "anchor": "delinquent", "offset_days": 2, "flat": "7.00", "cap": "6.00"},
    {"key": "soon", "action": "notice", "anchor": "due", "offset_days": -3, "channels": ["sms"], "at": "12:00",
     "template": "due_soon"},
    {"key": "wall", "action": "restrict", "anchor": "delinquent", "offset_days": 4, "level": "walled_garden",
     "requires_notice": "notice", "at": "10:30"},
    {"key": "call", "action": "call_task", "anchor": "issued", "offset_days": 40, "honours_exclusions": True},
    {"key": "cut", "action": "restrict", "anchor": "due", "offset_days": 12, "level": "suspend",
     "honours_exclusions": False},
    {"key": "month-end", "action": "notice", "after_day_of_month": 31, "channels": ["email"], "template": "past_due"},
    {"key": "try", "action": "charge", "anchor": "due", "offset_days": 1, "source": "primary",
     "honours_exclusions": True},
    {"key": "again", "action": "ticket", "anchor": "delinquent", "offset_days": 9, "minimum_amount": "40.00"},
]  # fmt: skip


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a policy: either article's ladder with changes, or one of neither."""
    changes: dict[str, Any] = {
        "check_weekdays": draw(st.sampled_from([[*WORKDAYS, "sat", "sun"], WORKDAYS, ["tue", "fri"]])),
        "exclusions": [
            {"name": "Christmas", "month": 12, "day": 25, "year": None},
            {"name": "Leap day", "month": 2, "day": 29, "year": None},
            *draw(st.sampled_from([[], [{"name": "Once", "month": 2, "day": 21, "year": 2028}]])),
        ],
        "minimum_amount_due": draw(st.sampled_from(["0.01", "0.01", "25.00"])),
        "on_reversal": draw(st.sampled_from(["restart", "resume"])),
        "reconnection_fee": draw(st.sampled_from(["0.00", "25.00"])),
        "full_balance_clears": draw(st.sampled_from([False, False, True])),
        "grace_until_defers_fees": draw(st.booleans()),
        "seriously_late_window": draw(st.sampled_from(["calendar_year", "rolling_12_months"])),
        "seriously_late_after_days": draw(st.sampled_from([0, 4, 14])),
        "seriously_late_limit": draw(st.sampled_from([0, 1, 2])),
        "due_days": draw(st.sampled_from([None, 0, 10, 15, 30])),
        "bill_day": draw(st.sampled_from([1, 9, 28, 31])),
    }
    if draw(st.integers(0, 9)) < 4:
        return exchange(**changes)
    own = sonar(**changes, grace_days=draw(st.sampled_from([0, 3, 5])))
    own["status_switch_days"] = draw(st.sampled_from([None, 0, 7, 40]))
    own["steps"] += draw(st.lists(st.sampled_from(EXTRA_STEPS), max_size=6, unique_by=lambda step: step["key"]))
    return own


@st.composite
def moments(draw: st.DrawFn, low: date, days: int) -> str:
    """Draw a local date, or a local time, some days after another."""
    day = low + timedelta(days=draw(st.integers(0, days)))
    return draw(st.sampled_from([f"{day}", *(f"{day}T{hour}" for hour in HOURS)]))


@st.composite
def customers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the facts of one customer: late, early, in part, returned, with grants; and the zone they live in."""
    invoices, payments, reversals = [], [], []
    month = START
    for index in range(draw(st.integers(1, 15))):
        issued = month.replace(day=draw(st.sampled_from([1, 1, 1, 9, 28])))
        amount, number = draw(st.sampled_from(AMOUNTS)), f"{index:02d}"
        invoices.append(
            {"number": number, "issued_on": str(issued), "due_on": str(issued + timedelta(days=20)), "amount": amount}
        )
        month = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
        for part in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
            received = draw(moments(issued, 75))
            paid = draw(st.sampled_from([amount, amount, amount, *PARTS]))
            named = draw(st.sampled_from([None, None, number]))
            reference = f"P-{number}-{part}"
            payments.append({"reference": reference, "received": received, "amount": paid, "invoice": named})
            if draw(st.integers(0, 6)) == 0:
                back = draw(moments(date.fromisoformat(received[:10]) + timedelta(days=1), 29))
                reversals.append({"payment": reference, "recorded": back})
    grace = []
    for granted in sorted(draw(st.lists(moments(START, 500), max_size=2))):
        until = date.fromisoformat(granted[:10]) + timedelta(days=draw(st.integers(1, 20)))
        grace.append({"granted": granted, "until": str(until), "lift_now": draw(st.booleans())})
    return {
        "timezone": draw(st.sampled_from(ZONES)), "invoices": invoices, "payments": payments, "reversals": reversals,
        "grace": grace, "until": str(UNTIL),
    }  # fmt: skip


def drawn(accounts: int) -> list[dict[str, Any]]:
    """Draw that many scenarios, each a policy and a customer of its own."""
    found: list[dict[str, Any]] = []

    @settings(
        max_examples=accounts, derandomize=SEED is None, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(policies(), customers())
    def draw(policy: dict[str, Any], customer: dict[str, Any]) -> None:
        found.append(customer | {"policy": policy})

    if SEED is not None:
        draw = seed(int(SEED))(draw)
    draw()
    return found[:accounts]


def told(scenario: dict[str, Any]) -> list[Line]:
    """Return the events that `timeline` gives."""
    events = parse_scenario(scenario).answer()
    return [(str(e.on), str(e.kind), e.number, str(e.amount), e.step_key) for e in events]


def lived(account_id: int) -> list[Line]:
    """Return the events that the sweeps wrote; numbers of invoices as the scenario has them."""
    rows = Event.objects.filter(account=account_id).select_related("invoice").order_by("sequence")
    return [
        (str(r.on), r.kind, r.invoice.number.split("/")[1] if r.invoice else None, str(r.amount), r.step or None)
        for r in rows
    ]


def under(policy: dict[str, Any], name: str) -> BillingDefault:
    """Put a policy into the database, with a billing default of its own."""
    default = BillingDefault.objects.create(name=name, bill_day=1, due_days=policy["due_days"] or 0)
    in_force(import_version(policy | {"name": name}, policy=Policy.objects.create(name=name, billing_default=default)))
    return default


def enter(name: str, facts: dict[str, Any], default: BillingDefault, bill_day: int) -> int:
    """Enter the facts of a scenario into the database, all at once and ahead of time; return the account's key."""
    zone = facts["timezone"]

    def moment(text: str) -> datetime:
        return clock.instant(datetime.fromisoformat(text), zone)

    account = make_account(number=name, timezone=zone)
    make_contact(account)
    parameters = start_billing(account, default, bill_day=bill_day)
    parameters.next_bill_on = None  # a scenario brings its own invoices
    parameters.save()
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=f"{name}/{row['number']}", issued_on=date.fromisoformat(row["issued_on"]),
                due_on=date.fromisoformat(row["due_on"]), amount=Decimal(row["amount"]), description="",
                effective_at=moment(f"{row['issued_on']}T00:05"),
            )
            for row in facts["invoices"]
        ]
    )  # fmt: skip
    ids = dict(account.invoices.values_list("number", "pk"))
    returned = {row["payment"]: row["recorded"] for row in facts["reversals"]}
    record_imported_payments(
        [
            ImportedPayment(
                account_id=account.pk, reference=f"{name}/{row['reference']}", received_at=moment(row["received"]),
                amount=Decimal(row["amount"]), invoice_id=ids.get(f"{name}/{row['invoice']}"), method="imported",
                reversed_at=moment(returned[row["reference"]]) if row["reference"] in returned else None,
            )
            for row in facts["payments"]
        ]
    )  # fmt: skip
    for row in facts["grace"]:
        GraceGrant.objects.create(
            account=account, until_on=date.fromisoformat(row["until"]), lift_now=row["lift_now"], reason="asked",
            granted_at=moment(row["granted"]),
        )  # fmt: skip
    return account.pk
