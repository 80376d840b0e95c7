"""The verbs of the customers' room: open, close, switch the status, park, raise exceptions, keep cards."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row, lock_rows
from billing_project.kernel.nudge import nudge

from . import signals
from .models import Account, AccountStatus, AccountType, Attention, Company, Contact, FundingSource, Pause, User

# The column of the history tables is this long.
REASON_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRequest:
    """An exception for the clerks' queue: what kind, about what exactly, and in words."""

    code: str
    key: str
    words: str
    account_id: int | None = None


# --- Accounts ---


@transaction.atomic
def open_account(
    *,
    number: str,
    name: str,
    company: Company,
    account_type: AccountType,
    status: AccountStatus,
    timezone: str = "",
    address: str = "",
    note: str = "",
    opened_on: date | None = None,
    by: User | None = None,
) -> Account:
    """Open an account; its zone may be its company's (A33). Raises Refused if a field is impossible."""
    zone_name = timezone or company.timezone
    account = Account(
        number=number,
        name=name,
        company=company,
        account_type=account_type,
        status=status,
        timezone=zone_name,
        address=address,
        note=note,
        opened_on=opened_on,
        status_since_at=clock.now(),
    )
    try:
        account.full_clean()
    except ValidationError as error:
        field, words = next(iter(error.message_dict.items()))
        raise Refused("account_invalid", f"Account {number!r}: {field}: {' '.join(words)}") from error
    if account.opened_on is None:
        account.opened_on = clock.today(zone_name)
    _save(account, "opened", by)
    return account


@transaction.atomic
def close_account(
    account: Account,
    *,
    status: AccountStatus,
    reason: str,
    by: User | None = None,
    at: datetime | None = None,
) -> Account:
    """Close an account for good, once. Raises Refused if the status activates billing."""
    if status.activates_billing:
        raise Refused(
            "closing_status_bills",
            f"Account {account.number} cannot be closed into status {status.name}, which activates billing;"
            " choose one that does not, such as Inactive.",
        )
    moment = at or clock.now()
    change_status(account, status, reason=reason, by=by, at=moment)
    locked = lock_row(Account.objects.all(), account.pk)
    if locked.closed_on is None:
        locked.closed_on = clock.local(moment, locked.timezone).date()
        _save(locked, reason, by, fields=["closed_on"])
        signals.account_closed.send(sender=Account, account_id=locked.pk, at=moment)
    account.closed_on = locked.closed_on
    return locked


@transaction.atomic
def change_status(
    account: Account,
    status: AccountStatus,
    *,
    reason: str,
    by: User | None = None,
    at: datetime | None = None,
    by_delinquency: bool = False,
) -> Account:
    """Move an account to a status and announce it in the same transaction; once (D1, A19).

    Returns the locked row; the given object is brought up to date as well.
    """
    locked = lock_row(Account.objects.select_related("status"), account.pk)
    if locked.status_id != status.pk:
        before = locked.status
        moment = at or clock.now()
        locked.status, locked.status_since_at = status, moment
        _save(locked, reason, by, fields=["status", "status_since_at"])
        signals.status_changed.send(
            sender=Account,
            account_id=locked.pk,
            before_activates=before.activates_billing,
            after_activates=status.activates_billing,
            at=moment,
            by_delinquency=by_delinquency,
        )
    account.status, account.status_since_at = locked.status, locked.status_since_at
    return locked


@transaction.atomic
def park_account(account_id: int, why: str) -> None:
    """Leave an account alone until somebody looks: sweeps skip it. When in doubt, stop and show."""
    account = lock_row(Account.objects.all(), account_id)
    if account.parked_at is None:
        account.parked_at, account.parked_why = clock.now(), why
        _save(account, f"parked: {why}", fields=["parked_at", "parked_why"])
    raise_attention(
        code="account-parked",
        key=f"account:{account_id}",
        account=account,
        words=f"Account {account.number} is parked and left out of sweeps: {why} Mend that, then clear it.",
    )


@transaction.atomic
def unpark_account(account_id: int, by: User | None = None) -> None:
    """Let the sweeps take an account again."""
    account = lock_row(Account.objects.all(), account_id)
    if account.parked_at is not None:
        account.parked_at, account.parked_why = None, ""
        _save(account, "cleared", by, fields=["parked_at", "parked_why"])
    resolve_attention("account-parked", f"account:{account_id}", "cleared", by=by)


# --- The clerks' exception queue ---


def raise_attention(*, code: str, key: str, words: str, account: Account | None = None) -> None:
    """Put something before the clerks, once while the same code and key are open (A26, D9)."""
    raise_attentions([AttentionRequest(code=code, key=key, words=words, account_id=account.pk if account else None)])


def raise_attentions(requests: Iterable[AttentionRequest]) -> None:
    """Put several things before the clerks in one statement; what is open already stays as it is."""
    rows = [
        Attention(code=row.code, key=row.key, words=row.words, account_id=row.account_id, raised_at=clock.now())
        for row in requests
    ]
    if rows:
        # ON CONFLICT DO NOTHING: the partial unique constraint decides, and no transaction is spoilt by it.
        Attention.objects.bulk_create(rows, ignore_conflicts=True)


def resolve_attention(code: str, key: str, resolution: str, by: User | None = None) -> int:
    """Close the open exception of this code and key, and return how many there were (0 or 1)."""
    return resolve_attentions(code, [key], resolution, by=by)


def resolve_attentions(code: str, keys: Iterable[str], resolution: str, by: User | None = None) -> int:
    """Close the open exceptions of one code and several keys in one statement; return how many there were."""
    return Attention.objects.filter(code=code, key__in=list(keys), resolved_at__isnull=True).update(
        resolved_at=clock.now(), resolution=resolution[:300], resolved_by=by
    )


# --- The global pause ---

# Woken when a pause ends, in this order: who has paid gets the line back before anybody is cut, charged or written to.
WAKE_ON_RESUME = (
    "netenforce.restore", "netenforce.dispatch", "invoicing.dispatch_charges", "accounts.dispatch_notices",
)  # fmt: skip


def pause_everything(*, reason: str, by: User | None = None) -> Pause:
    """Stop every letter, charge and network order from this moment; what is in the air at this moment arrives.

    Raises Refused if there is a pause already, or without a reason.
    """
    if not reason.strip():
        raise Refused("no_reason", "Say why everything is to stop; the reason is shown to all staff.")
    try:
        with transaction.atomic():
            pause = Pause(started_at=clock.now(), started_by=by, why=reason.strip()[:200])
            _save(pause, reason, by)
    except IntegrityError as race:
        raise Refused("paused_already", "Everything is paused already; nothing was changed.") from race
    return pause


@transaction.atomic
def resume_everything(*, reason: str, by: User | None = None) -> Pause:
    """End the pause; what waits in the queues goes out, restores first. Raises Refused if there is none."""
    if not reason.strip():
        raise Refused("no_reason", "Say what made it safe to go on.")
    found = lock_rows(Pause.objects.filter(ended_at__isnull=True))
    if not found:
        raise Refused("not_paused", "Nothing is paused; nothing was changed.")
    pause = found[0]
    pause.ended_at, pause.ended_by, pause.ended_why = max(clock.now(), pause.started_at), by, reason.strip()[:200]
    _save(pause, reason, by, fields=["ended_at", "ended_by", "ended_why"])
    for task in WAKE_ON_RESUME:
        nudge(task)
    return pause


# --- Contacts and funding sources ---


@transaction.atomic
def set_billing_contact(contact: Contact, *, by: User | None = None) -> Contact:
    """Make a person the one billing contact of their account (E2, A26)."""
    lock_row(Account.objects.all(), contact.account_id)
    contacts = {row.pk: row for row in lock_rows(Contact.objects.filter(account_id=contact.account_id))}
    for other in contacts.values():
        # The old one goes first: the database allows one at any moment.
        if other.is_billing_contact and other.pk != contact.pk:
            other.is_billing_contact = False
            _save(other, f"replaced by {contact.name}", by, fields=["is_billing_contact"])
    chosen = contacts[contact.pk]
    if not chosen.is_billing_contact:
        chosen.is_billing_contact = True
        _save(chosen, "made billing contact", by, fields=["is_billing_contact"])
    resolve_attention(
        "no-billing-contact", f"account:{contact.account_id}", f"{contact.name} is the billing contact", by
    )
    contact.is_billing_contact = True
    return chosen


@transaction.atomic
def replace_funding_source(
    account: Account,
    rank: int,
    *,
    source_token: str,
    customer_token: str = "",
    gateway: str = "sandbox",
    brand: str = "",
    last4: str = "",
    expires_on: date | None = None,
    by: User | None = None,
) -> FundingSource:
    """Put a new card or bank account in a rank; a bar on the old one ends with it (E7, E12).

    Raises Refused if the token is in another rank of the account, or a field is impossible.
    """
    lock_row(Account.objects.all(), account.pk)
    known = {row.rank: row for row in lock_rows(FundingSource.objects.filter(account=account))}
    if any(row.source_token == source_token and row.gateway == gateway and row.rank != rank for row in known.values()):
        raise Refused(
            "funding_source_taken",
            f"Account {account.number} has this card in another rank; add a different one.",
        )
    # The row stays the same, since payments point at it; its history keeps the old card.
    source = known.get(rank) or FundingSource(account=account, rank=rank)
    source.gateway, source.customer_token, source.source_token = gateway, customer_token, source_token
    source.brand, source.last4, source.expires_on = brand, last4, expires_on
    source.barred_at, source.barred_why = None, ""
    try:
        source.full_clean()
    except ValidationError as error:
        field, words = next(iter(error.message_dict.items()))
        raise Refused("funding_source_invalid", f"Account {account.number}: {field}: {' '.join(words)}") from error
    _save(source, "replaced" if rank in known else "added", by)
    return source


@transaction.atomic
def bar_funding_source(source: FundingSource, why: str, *, at: datetime | None = None) -> FundingSource:
    """Charge a source no more until it is re-verified (A23); a second bar changes nothing."""
    locked = lock_row(FundingSource.objects.all(), source.pk)
    if locked.barred_at is None:
        locked.barred_at, locked.barred_why = at or clock.now(), why[:200]
        _save(locked, f"barred: {why}", fields=["barred_at", "barred_why"])
    source.barred_at, source.barred_why = locked.barred_at, locked.barred_why
    return locked


@transaction.atomic
def refresh_funding_source(source: FundingSource, *, brand: str, last4: str, expires_on: date | None) -> bool:
    """Note what a card's bank has renewed, such as its expiry, and tell whether anything changed; a bar stays."""
    locked = lock_row(FundingSource.objects.all(), source.pk)
    if (locked.brand, locked.last4, locked.expires_on) == (brand, last4, expires_on):
        return False
    locked.brand, locked.last4, locked.expires_on = brand, last4, expires_on
    _save(locked, "renewed by its bank", fields=["brand", "last4", "expires_on"])
    return True


# --- Rows that ship with the program ---

SHIPPED_TYPES = (("Residential", False), ("Business", True))
SHIPPED_STATUSES = (
    ("Active", True, AccountStatus.Colour.GREEN),
    ("Delinquent", False, AccountStatus.Colour.RED),
    ("Inactive", False, AccountStatus.Colour.GREY),
    ("Vacation", False, AccountStatus.Colour.BLUE),
)


@transaction.atomic
def ensure_basics() -> None:
    """Write a first company, the account types and the statuses, each only into an empty table (S22)."""
    if not Company.objects.exists():
        Company(
            name="Demo Internet",
            currency="USD",
            timezone="America/New_York",
            phone="+15550100199",
            email_sender="Demo Internet <billing@demo.example>",
            sms_sender="+15550100199",
        ).save()
    if not AccountType.objects.exists():
        for name, is_business in SHIPPED_TYPES:
            AccountType(name=name, is_business=is_business).save()
    if not AccountStatus.objects.exists():
        for name, activates, colour in SHIPPED_STATUSES:
            AccountStatus(name=name, activates_billing=activates, colour=colour).save()


def _save(row: Any, reason: str, by: User | None = None, fields: list[str] | None = None) -> None:
    """Save a business row, with its history row saying who, why, and when it was recorded."""
    row._change_reason, row._history_date = reason[:REASON_LENGTH], clock.now()
    if by is not None:
        row._history_user = by
    try:
        row.save(update_fields=fields)
    finally:
        # The caller may save the same object again, for another reason and at another time.
        for name in ("_change_reason", "_history_date", "_history_user"):
            row.__dict__.pop(name, None)
