"""Which columns each kind of file has here: what is in them, what they are called elsewhere, what may be joined."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delinquency.models import ImportFile

from . import accounts, devices, funding_sources, holds, invoices, old_states, payments, services

TEXT, REFERENCE, DAY, MOMENT, AMOUNT, BALANCE, WHOLE, CHOICE, YES_NO = (
    "text", "reference", "day", "moment", "amount", "balance", "whole", "choice", "yes_no",
)  # fmt: skip
Kind = ImportFile.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One of our columns. ``parts`` is how many of the file's columns may be joined to make it."""

    name: str
    holds: str = TEXT
    required: bool = False
    hint: str = ""
    also: tuple[str, ...] = ()
    parts: int = 1
    instead: int = 0  # how many may be joined where those are blank
    may_be_fixed: bool = False

    @property
    def places(self) -> list[str]:
        """Return the names of its places in a mapping: the column, those joined to it, those instead of it."""
        return [f"c{n}" for n in range(self.parts)] + [f"i{n}" for n in range(self.instead)]


@dataclass(frozen=True, slots=True)
class Choice:
    """How a file's columns become ours; kept as JSON."""

    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    date_order: str = ""
    decimal: str = ""
    negate: bool = False
    leave_out: dict[str, list[str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {
            "columns": self.columns, "fixed": self.fixed, "words": self.words, "date_order": self.date_order,
            "decimal": self.decimal, "negate": self.negate, "leave_out": self.leave_out,
        }  # fmt: skip

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Choice":
        """Return what JSON has kept."""
        return cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})


def _columns(required: Sequence[str], optional: Sequence[str], **known: Column) -> tuple[Column, ...]:
    found = []
    for name in (*required, *optional):
        column = known.get(name) or Column(name=name)
        found.append(
            Column(
                name=name, holds=column.holds, required=name in required, hint=column.hint, also=column.also,
                parts=column.parts, instead=column.instead, may_be_fixed=column.may_be_fixed,
            )
        )  # fmt: skip
    return tuple(found)


def _of(holds: str = TEXT, *also: str, hint: str = "", parts: int = 1, instead: int = 0, fixed: bool = False) -> Column:
    return Column(name="", holds=holds, also=also, hint=hint, parts=parts, instead=instead, may_be_fixed=fixed)


_ACCOUNT = _of(REFERENCE, "account number", "account id", "client id", "customer id", "customer", "client", "user id")

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    Kind.ACCOUNTS: _columns(
        accounts.REQUIRED, accounts.OPTIONAL,
        number=_of(REFERENCE, "account number", "account id", "client id", "customer id", "id", "login", "user id"),
        name=_of(
            TEXT, "full name", "customer name", "client name", "account name", "company name", parts=2, instead=2,
            hint="One column, or two that are joined; others where those are blank, such as for persons without a"
            " company.",
        ),
        status=_of(CHOICE, "account status", "state", "client status", fixed=True),
        billing_default=_of(CHOICE, "policy", "billing profile", fixed=True,
                            hint="Which policy bills them; usually one for the whole file."),
        timezone=_of(TEXT, "time zone", "tz", fixed=True, hint="Blank: the company's."),
        bill_day=_of(WHOLE, "billing day", "invoice day", "day of month", "invoicing day", fixed=True,
                     hint="From 1 to 31."),
        next_bill_on=_of(DAY, "next bill date", "next invoice date", "next due date", "next billing date", fixed=True),
        contact_name=_of(TEXT, "contact", "billing contact", "full name", "name", parts=2, instead=2),
        email=_of(TEXT, "e-mail", "email address", "billing email"),
        phone=_of(TEXT, "phone number", "telephone", "mobile", "phone 1"),
        address=_of(TEXT, "street", "address 1", "service address", "street 1", parts=4,
                    hint="Up to four columns, joined with commas."),
        ipv4=_of(TEXT, "ip", "ip address", "ipv4 address"),
        radius_username=_of(TEXT, "pppoe username", "radius user", "username", "login"),
        monthly_charge=_of(AMOUNT, "monthly price", "price", "recurring amount", "mrr", "amount", fixed=True),
        device=_of(CHOICE, "router", "nas", fixed=True),
    ),
    Kind.SERVICES: _columns(
        services.REQUIRED, services.OPTIONAL,
        account=_ACCOUNT,
        monthly_charge=_of(AMOUNT, "price", "monthly price", "recurring amount", "unit price", "amount",
                           hint="Several services of an account are added up."),
        ipv4=_of(TEXT, "ip", "ip address", "ipv4 address", "dedicated ip"),
        radius_username=_of(TEXT, "pppoe username", "radius user", "username", "login"),
        device=_of(CHOICE, "router", "nas", fixed=True),
    ),
    Kind.INVOICES: _columns(
        invoices.REQUIRED, (),
        number=_of(REFERENCE, "invoice number", "invoice id", "invoice no", "invoice", "id"),
        account=_ACCOUNT,
        issued_on=_of(DAY, "date", "invoice date", "created", "date created", "issued", "issue date", fixed=True),
        due_on=_of(DAY, "due date", "due", "date due", "payment due", fixed=True),
        amount=_of(AMOUNT, "total", "total amount", "amount due", "balance due"),
        description=_of(TEXT, "note", "notes", "memo", "period", parts=2, fixed=True),
    ),
    Kind.PAYMENTS: _columns(
        payments.REQUIRED, payments.OPTIONAL,
        reference=_of(REFERENCE, "payment id", "transaction id", "payment number", "receipt", "receipt number", "id"),
        account=_ACCOUNT,
        received=_of(MOMENT, "date", "payment date", "received on", "created date", "date received"),
        amount=_of(AMOUNT, "total", "amount in", "payment amount", "sum"),
        invoice=_of(REFERENCE, "invoice number", "invoice id"),
        method=_of(CHOICE, "payment method", "payment type", "gateway", fixed=True),
        reversed_on=_of(MOMENT, "returned on", "refunded on", "reversal date"),
    ),
    Kind.FUNDING_SOURCES: _columns(
        funding_sources.REQUIRED, (),
        account=_ACCOUNT,
        rank=_of(WHOLE, "priority", fixed=True, hint="1 is charged first, 2 after it."),
        gateway=_of(CHOICE, "provider", "processor", fixed=True),
        customer_token=_of(REFERENCE, "stripe customer", "gateway customer id", "customer profile"),
        source_token=_of(REFERENCE, "token", "payment method id", "gateway token", "remote token"),
        brand=_of(TEXT, "card type", "card brand"),
        last4=_of(TEXT, "last four", "card last four", "last 4"),
        expires_on=_of(DAY, "expiry", "expiry date", "expiration"),
    ),
    Kind.DEVICES: _columns(
        devices.REQUIRED, (),
        driver=_of(CHOICE, "type", fixed=True), host=_of(TEXT, "address", "ip", "ip address"),
        port=_of(WHOLE, fixed=True), username=_of(TEXT, "user", "login", fixed=True),
        secret=_of(TEXT, "password"), options=_of(TEXT, fixed=True),
    ),
    Kind.HOLDS: _columns(
        holds.REQUIRED, holds.OPTIONAL,
        account=_ACCOUNT,
        until=_of(DAY, "until date", "grace until", "extended to", fixed=True,
                  hint="More time: the first day on which they may become delinquent."),
        reason=_of(TEXT, "note", "notes", "comment", parts=2, fixed=True),
        kind=_of(CHOICE, "type", fixed=True, hint="“grace” (more time; also where it is blank), “abuse” or “request”."),
        level=_of(CHOICE, fixed=True, hint="How hard a line is restricted: throttle, walled_garden or suspend."),
    ),
    Kind.OLD_STATES: _columns(
        old_states.REQUIRED, old_states.OPTIONAL,
        account=_ACCOUNT,
        on=_of(DAY, "date", "as of", "export date", fixed=True, hint="The day of the export."),
        status=_of(CHOICE, "account status", "state", "client status"),
        balance=_of(BALANCE, "amount due", "account balance", "outstanding", "total due", "owed",
                    hint="What they owe; a minus sign is credit."),
        delinquent=_of(YES_NO, "overdue", "past due", "is delinquent", "has overdue invoice"),
        since=_of(DAY, "delinquent since", "overdue since", "past due since"),
        restricted=_of(YES_NO, "suspended", "blocked", "is suspended", "has suspended service"),
    ),
}  # fmt: skip


def guess(kind: str, headers: Sequence[str]) -> Choice:
    """Guess by name which of a file's columns is which of ours; each is used once."""
    by_name = {_plain(name): name for name in reversed(headers)}
    columns: dict[str, dict[str, str]] = {}
    used: set[str] = set()
    for names_of in (lambda column: (column.name,), lambda column: column.also):
        for column in COLUMNS[kind]:
            if column.name in columns:
                continue
            found = next((by_name[plain] for name in names_of(column) if (plain := _plain(name)) in by_name), None)
            if found is not None and found not in used:
                columns[column.name] = {"c0": found}
                used.add(found)
    return Choice(columns=columns)


def shape_of(headers: Iterable[str]) -> str:
    """Return what two files share whose columns have the same names, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(headers)).encode()).hexdigest()


def missing(kind: str, mapping: Choice) -> list[str]:
    """Return our required columns that neither a column nor a fixed value fills."""
    return [
        column.name
        for column in COLUMNS[kind]
        if is_needed(kind, column) and not any(mapping.columns.get(column.name, {}).values())
        and not mapping.fixed.get(column.name)
    ]  # fmt: skip


def is_needed(kind: str, column: Column) -> bool:
    """Tell whether a column must be chosen, or filled with one value for all rows."""
    return column.required and column.name not in MAY_LACK.get(kind, ())


# Columns that the commands ask for although each of their cells may be blank: another program need not know them.
MAY_LACK: Mapping[str, tuple[str, ...]] = {
    Kind.ACCOUNTS: ("timezone", "next_bill_on", "email", "phone"),
    Kind.INVOICES: ("description",),
    Kind.FUNDING_SOURCES: ("customer_token", "brand", "last4", "expires_on"),
    Kind.DEVICES: ("port", "username", "secret", "options"),
}


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())
