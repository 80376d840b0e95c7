"""Make an evidence pack: the same rows make the same bytes, as JSON and as PDF."""

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from accounts.audit.chain import COLUMNS, rows, written
from accounts.audit.sealing import head
from accounts.audit.words import line_words, lines_of, names_for, row_words
from accounts.models import Account, AuditEntry
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.documents.typesetting import typeset
from invoicing.documents.words import printable

from . import contact, decisions, money
from .sections import Span, Table, table

# What a page can make while somebody waits; more is made by a task, up to what a machine can set.
ROWS_MAX = 20_000
ROWS_MOST = 200_000
HOW_TO_VERIFY = (
    "Each audit entry above names its link in the chain. The hash of a link is the SHA-256 of three lines: the hash of "
    "the link before it, its own number, and the entry as sealed (in the JSON of this pack). Computed again it must be "
    "the hash printed here. “manage.py verify_audit --head NUMBER:HASH”, with the head below, checks that the record "
    "this was taken from is still whole and the same."
)


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that was read: the account's number, its days, its parts, the chain's head, and the sealed entries."""

    number: str
    name: str
    currency: str
    operator: str
    span: Span
    tables: tuple[Table, ...]
    policies: dict[str, Any]
    head: str
    sealed: tuple[dict[str, Any], ...]


def read_pack(account: Account, first: date, last: date, *, rows_max: int | None = None) -> Pack:
    """Read everything about an account from one day to another, both included.

    Raises Refused where the days make no sense, or there are more rows than ``rows_max`` (``too_much``).
    """
    if first > last:
        raise Refused("wrong_days", f"The first day, {first}, is after the last, {last}; swap them.")
    if last > clock.today(account.timezone):
        raise Refused("wrong_days", f"The last day, {last}, is yet to come; a pack tells what happened.")
    span = Span(account, first, last)
    most = rows_max or ROWS_MAX
    audit, sealed = _audit(span, most)
    policies, policy_files = decisions.policies(span)
    tables = (
        decisions.the_account(span), contact.contacts(span), policies, money.invoices(span),
        money.payments(span), money.ledger(span), decisions.events(span), contact.notices(span), contact.calls(span),
        contact.tickets(span), decisions.more_time(span), decisions.holds(span), decisions.orders(span), audit,
    )  # fmt: skip
    count = sum(len(one.rows) for one in tables)
    if count > most:
        raise Refused("too_much", f"That is {count:,} rows, and a pack holds {most:,}; choose fewer days.")
    company = account.company
    end = head()
    return Pack(
        account.number, account.name, company.currency, company.name, span, tables, policy_files,
        str(end) if end else "", sealed,
    )  # fmt: skip


def _audit(span: Span, most: int) -> tuple[Table, tuple[dict[str, Any], ...]]:
    """Return the audit entries of the account as a table, and as they were sealed."""
    found = list(
        rows(
            f"SELECT l.number, l.hash, p.hash, {COLUMNS} FROM accounts_auditentry e"  # noqa: S608 - our own columns
            " LEFT JOIN accounts_auditlink l ON l.entry_id = e.id"
            " LEFT JOIN accounts_auditlink p ON p.number = l.number - 1"
            " WHERE e.account_id = %s AND e.at >= %s AND e.at < %s ORDER BY e.id LIMIT %s",
            [span.account.pk, span.start, span.end, most + 1],
        )
    )
    entries = {one.pk: one for one in AuditEntry.objects.filter(pk__in=[row[3] for row in found])}
    names = names_for(entries.values(), only_small=False)
    sealed, shown = [], []
    for number, hash_kept, before, *fields in found:
        entry = entries[fields[0]]
        lines = lines_of(entry, names, span.account.timezone)
        shown.append(
            (
                span.at(entry.at), entry.by, f"{row_words(entry)} {entry.get_act_display()}",
                "\n".join(f"{line.column}: {line_words(line)}" for line in lines), entry.why,
                f"{number}: {hash_kept}" if number else "not sealed yet",
            )
        )  # fmt: skip
        sealed.append({"number": number, "hash": hash_kept, "hash_before": before, "entry": written(fields)})
    columns = ("At", "Who", "What", "Difference", "Why", "Link and hash")
    made = table(
        "audit", "Audit entries", columns, shown, empty="Nothing was noted in these days.",
        note="Personal values and secrets are never kept in the audit record; it says only that they changed.",
    )  # fmt: skip
    return made, tuple(sealed)


def json_bytes(pack: Pack) -> bytes:
    """Return the pack as canonical JSON: keys sorted, no spaces, amounts as texts."""
    document = {
        "pack": 1, "account": pack.number, "from": str(pack.span.first), "to": str(pack.span.last),
        "timezone": pack.span.account.timezone, "currency": pack.currency, "operator": pack.operator,
        "parts": {one.key: [dict(zip(one.columns, row, strict=True)) for row in one.rows] for one in pack.tables},
        "policies": pack.policies, "notes": {one.key: one.note for one in pack.tables if one.note},
        "chain": {"head": pack.head, "entries": pack.sealed, "how_to_verify": HOW_TO_VERIFY},
    }  # fmt: skip
    return (json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n").encode()


def pdf_bytes(pack: Pack) -> bytes:
    """Return the pack as PDF, dated its last day; raises Refused if it cannot be set."""
    span = pack.span
    page = {
        "title": f"Evidence pack, account {printable(pack.number)}", "operator": printable(pack.operator),
        "about": printable(f"{pack.number} {pack.name}"), "days": f"{span.first} to {span.last}",
        "times": f"Times are local to {span.account.timezone}; amounts in {pack.currency}.",
        "tables": [_printed(one) for one in pack.tables], "how": HOW_TO_VERIFY,
        "head": printable(pack.head or "Nothing is sealed yet.", longest=80),
        "contents": [[one.title, str(len(one.rows))] for one in pack.tables],
    }  # fmt: skip
    return typeset("evidence", page, stamp=int(span.end.timestamp()))


def _printed(one: Table) -> dict[str, Any]:
    return {
        "title": printable(one.title), "columns": list(one.columns),
        "right": [name in one.right for name in one.columns], "wide": [name in WIDE for name in one.columns],
        "rows": [[printable(cell, longest=12) for cell in row] for row in one.rows], "empty": one.empty,
        "note": printable(one.note, longest=60),
    }  # fmt: skip


WIDE = frozenset(
    (
        "Text", "Why", "Compared", "Terms", "What the provider said", "What the device read back", "Difference",
        "Value", "Reason", "Which", "About", "Link and hash",
    )
)  # fmt: skip


def file_name(pack: Pack, ending: str) -> str:
    """Return the name under which a pack is saved, such as evidence-10001-2026-01-01-2026-01-31.pdf."""
    return file_name_of(pack.number, pack.span.first, pack.span.last, ending)


def file_name_of(number: str, first: date, last: date, ending: str) -> str:
    """Return the same for a pack that is not made yet."""
    clean = re.sub(r"[^A-Za-z0-9]+", "-", number).strip("-")[:60] or "x"
    return f"evidence-{clean}-{first}-{last}.{ending}"
