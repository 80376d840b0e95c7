"""The figures of months, by company: counted from ledger and journal in a few questions, and kept.

A month is the accounts' own: an invoice belongs to the month of its date, a payment to the month of the day on which
it counts, in the zone of the account. Counting again gives the same rows.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from accounts.models import Account, Company
from billing_project.kernel import clock, money
from billing_project.kernel.locks import advisory_lock

from ..models import MonthFigures
from ..rules.calendar import months_later

# So many whole months, and the one that runs.
MONTHS = 12
# From the invoice's date to the day on which nothing of it was left; the last is open.
SPANS: tuple[tuple[str, int, int | None], ...] = (
    ("0–7", 0, 7), ("8–15", 8, 15), ("16–30", 16, 30), ("31–60", 31, 60), ("61–90", 61, 90), ("over 90", 91, None),
)  # fmt: skip
LOCAL_DAY = "(entry.effective_at AT TIME ZONE account.timezone)::date"
STAGES = ("billed", "reminded", "fee", "delinquent", "cut", "recovered", "lost")
# Who paid what for which invoices of a month, and how far each of them went.
FUNNEL = f"""
    WITH billed AS (
        SELECT invoice.id, invoice.account_id, invoice.amount, account.company_id, account.timezone,
               date_trunc('month', invoice.issued_on)::date AS month, standing.first_delinquent_on
        FROM invoicing_invoice invoice
        JOIN accounts_account account ON account.id = invoice.account_id
        LEFT JOIN delinquency_invoicestanding standing ON standing.invoice_id = invoice.id
        WHERE invoice.issued_on >= %(first)s AND invoice.state <> 'void'
    ), steps AS (
        SELECT about.id AS invoice_id, bool_or(step.action = 'notice') AS reminded,
               bool_or(step.action = 'late_fee') AS fee,
               bool_or(step.action IN ('restrict', 'status_switch')) AS cut
        FROM delinquency_steprun step CROSS JOIN LATERAL (
            SELECT cause.value::bigint FROM jsonb_array_elements_text(step.invoices) cause
            UNION SELECT substr(step.anchor_key, 9)::bigint WHERE starts_with(step.anchor_key, 'invoice:')
        ) about (id)
        WHERE step.outcome = 'done' AND step."on" >= %(first)s
        GROUP BY 1
    ), came AS (
        SELECT entry.invoice_id,
               -sum(entry.amount) FILTER (
                   WHERE entry.kind IN ('payment', 'credit_used', 'reversal')
                   AND {LOCAL_DAY} >= account.first_delinquent_on
               ) AS recovered,
               -sum(entry.amount) FILTER (WHERE entry.kind = 'write_off') AS lost
        FROM invoicing_ledgerentry entry JOIN billed account ON account.id = entry.invoice_id
        GROUP BY 1
    ), whole AS (
        SELECT billed.*, coalesce(steps.reminded, false) AS reminded, coalesce(steps.fee, false) AS fee,
               billed.first_delinquent_on IS NOT NULL AS delinquent, coalesce(steps.cut, false) AS cut,
               coalesce(came.recovered, 0) AS recovered, coalesce(came.lost, 0) AS lost
        FROM billed LEFT JOIN steps ON steps.invoice_id = billed.id LEFT JOIN came ON came.invoice_id = billed.id
    )
    SELECT company_id, month, count(DISTINCT account_id), count(*), sum(amount),
           {
    ", ".join(
        f"count(DISTINCT account_id) FILTER (WHERE {name}), count(*) FILTER (WHERE {name}),"
        f" sum(amount) FILTER (WHERE {name})"
        for name in ("reminded", "fee", "delinquent", "cut")
    )
},
           {
    ", ".join(
        f"count(DISTINCT account_id) FILTER (WHERE {name} <> 0), count(*) FILTER (WHERE {name} <> 0), sum({name})"
        for name in ("recovered", "lost")
    )
}
    FROM whole GROUP BY 1, 2
"""  # noqa: S608 - every part is a constant of this module
RECOVERED = f"""
    SELECT account.company_id, date_trunc('month', {LOCAL_DAY})::date AS month, count(DISTINCT entry.account_id),
           count(DISTINCT entry.invoice_id), -sum(entry.amount)
    FROM invoicing_ledgerentry entry
    JOIN accounts_account account ON account.id = entry.account_id
    JOIN delinquency_invoicestanding standing ON standing.invoice_id = entry.invoice_id
    WHERE entry.kind IN ('payment', 'credit_used', 'reversal') AND entry.effective_at >= %(since)s
      AND {LOCAL_DAY} >= standing.first_delinquent_on AND {LOCAL_DAY} >= %(first)s
    GROUP BY 1, 2
"""  # noqa: S608 - every part is a constant of this module
DAYS = f"""
    WITH paid AS (
        SELECT account.company_id, max({LOCAL_DAY}) AS paid_on, max({LOCAL_DAY}) - invoice.issued_on AS days
        FROM invoicing_invoice invoice
        JOIN accounts_account account ON account.id = invoice.account_id
        JOIN invoicing_ledgerentry entry ON entry.invoice_id = invoice.id
        WHERE invoice.state = 'paid' AND entry.kind IN ('payment', 'credit_used') AND entry.effective_at >= %(since)s
        GROUP BY invoice.id, account.company_id
    )
    SELECT company_id, date_trunc('month', paid_on)::date, count(*),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days), percentile_cont(0.9) WITHIN GROUP (ORDER BY days),
           {
    ", ".join(
        f"count(*) FILTER (WHERE days >= {low}{'' if high is None else f' AND days <= {high}'})"
        for _words, low, high in SPANS
    )
}
    FROM paid WHERE paid_on >= %(first)s GROUP BY 1, 2
"""  # noqa: S608 - every part is a constant of this module
# What the program did by itself, by the journal's kinds.
ACTS = {
    "notice": "notices", "late_fee": "fees", "reconnection_fee": "fees", "ticket_opened": "tickets",
    "ticket_closed": "tickets", "charge": "charges", "restricted": "cuts", "status_switch": "cuts",
    "released": "restores", "status_restored": "restores",
}  # fmt: skip
EVENTS = """
    SELECT account.company_id, date_trunc('month', event."on")::date, event.kind, count(*)
    FROM delinquency_event event JOIN accounts_account account ON account.id = event.account_id
    WHERE event."on" >= %(first)s AND event.kind = ANY(%(kinds)s) GROUP BY 1, 2, 3
"""
# Table, its time, and what makes a row one that a person, or the customer alone, has made.
BY_PEOPLE = (
    ("call", "accounts_callrecord", "at", "made.by_id IS NOT NULL"),
    ("payment", "invoicing_payment", "recorded_at", "made.recorded_by_id IS NOT NULL"),
    ("payments", "invoicing_payment", "recorded_at", "made.recorded_by_id IS NULL AND made.method <> 'imported'"),
    ("grace", "delinquency_gracegrant", "granted_at", "made.granted_by_id IS NOT NULL"),
    ("extensions", "delinquency_promise", "made_at", "made.made_by_id IS NULL AND made.channel = 'portal'"),
    ("exception", "accounts_attention", "resolved_at", "made.resolved_by_id IS NOT NULL"),
)
COMMENTS = """
    SELECT account.company_id, date_trunc('month', made.at AT TIME ZONE account.timezone)::date,
           CASE made.direction WHEN 'out' THEN 'reply' ELSE 'note' END, count(*)
    FROM delinquency_ticketcomment made JOIN delinquency_ticket ticket ON ticket.id = made.ticket_id
    JOIN accounts_account account ON account.id = ticket.account_id
    WHERE made.author_id IS NOT NULL AND made.direction IN ('out', 'note') AND made.at >= %(since)s
    GROUP BY 1, 2, 3
"""
Key = tuple[int, date]


@transaction.atomic
def count_months() -> list[MonthFigures]:
    """Count the last twelve months and the one that runs anew for all companies, and keep them."""
    advisory_lock("delinquency.count_months")
    today = clock.today()
    first = months_later(today.replace(day=1), -MONTHS)
    figures: dict[Key, dict[str, Any]] = defaultdict(dict)
    asked = {"first": first, "since": f"{first} 00:00+14", "kinds": list(ACTS)}
    _funnel(figures, asked)
    for company, month, accounts, invoices, amount in _rows(RECOVERED, asked):
        figures[company, month]["came"] = _stage(accounts, invoices, amount)
    for company, month, count, median, ninetieth, *spread in _rows(DAYS, asked):
        figures[company, month]["days"] = {
            "count": count, "median": round(median, 1), "ninetieth": round(ninetieth, 1), "spread": spread,
        }  # fmt: skip
    _acts(figures, asked)
    made_at, theirs = clock.now(), Account.objects.filter(company=OuterRef("pk"))
    rows = [
        MonthFigures(company_id=company, month=months_later(first, place), made_at=made_at,
                     figures=figures.get((company, months_later(first, place)), {}))
        for company in Company.objects.filter(Exists(theirs)).order_by("pk").values_list("pk", flat=True)
        for place in range(MONTHS + 1)
    ]  # fmt: skip
    return MonthFigures.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["company", "month"], update_fields=["figures", "made_at"]
    )


def _funnel(figures: dict[Key, dict[str, Any]], asked: dict[str, Any]) -> None:
    for company, month, *values in _rows(FUNNEL, asked):
        figures[company, month]["funnel"] = {
            name: _stage(*values[3 * place : 3 * place + 3]) for place, name in enumerate(STAGES)
        }


def _acts(figures: dict[Key, dict[str, Any]], asked: dict[str, Any]) -> None:
    for company, month, kind, count in _rows(EVENTS, asked):
        _add(figures[company, month], ACTS[kind], count)
    for company, month, key, count in _rows(COMMENTS, asked):
        _add(figures[company, month], key, count)
    for key, table, at, condition in BY_PEOPLE:
        question = f"""
            SELECT account.company_id, date_trunc('month', made.{at} AT TIME ZONE account.timezone)::date, count(*)
            FROM {table} made JOIN accounts_account account ON account.id = made.account_id
            WHERE {condition} AND made.{at} >= %(since)s GROUP BY 1, 2
        """  # noqa: S608 - every part is a constant of this module
        for company, month, count in _rows(question, asked):
            _add(figures[company, month], key, count)


def _add(figures: dict[str, Any], key: str, count: int) -> None:
    acts = figures.setdefault("acts", {})
    acts[key] = acts.get(key, 0) + count


def _stage(accounts: int, invoices: int, amount: Decimal | None) -> dict[str, Any]:
    return {"accounts": accounts, "invoices": invoices, "amount": money.text(amount or money.ZERO)}


def _rows(question: str, asked: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, asked)
        yield from cursor.fetchall()
