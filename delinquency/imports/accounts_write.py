"""Write imported accounts: new ones in bulk, known ones where the file differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from accounts.models import Account, AccountType, Company, Contact, ServiceLine
from accounts.operations import change_status
from billing_project.kernel import clock
from billing_project.kernel.bulk import insert_with_history, reserve_keys, update_with_history
from billing_project.kernel.locks import lock_rows
from invoicing.models import BillingParameters, CatalogItem, Invoice, Subscription
from invoicing.operations.terms import Start, start_billing_many
from netenforce.models import LinePlacement
from netenforce.operations.lines import place_on

if TYPE_CHECKING:
    from .accounts import AccountRow

# The reasons under which history keeps what an import said about fields that the program moves by itself.
IMPORTED = "imported"
DETAILS = "details imported"
_FIRST_SAID = ("opened", "billing started", IMPORTED)


@dataclass(slots=True)
class Existing:
    """The accounts of a file that are there already, with what belongs to them; keys are account ids."""

    accounts: dict[str, Account] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    parameters: dict[int, BillingParameters] = field(default_factory=dict)
    lines: dict[int, list[ServiceLine]] = field(default_factory=lambda: defaultdict(list))
    device_ids: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # by line id
    statuses_said: dict[int, int] = field(default_factory=dict)
    dates_said: dict[int, date | None] = field(default_factory=dict)
    billed_until: dict[int, date] = field(default_factory=dict)


def load_existing(numbers: Collection[str]) -> Existing:
    """Lock the known accounts of a file and read what belongs to them, in a constant number of queries."""
    found = Existing()
    rows = lock_rows(Account.objects.filter(number__in=numbers), seconds_max=60)
    found.accounts = {account.number: account for account in rows}
    ids = [account.pk for account in rows]
    if not ids:
        return found
    for contact in Contact.objects.filter(account_id__in=ids, is_billing_contact=True):
        found.contacts[contact.account_id] = contact
    found.parameters = {row.account_id: row for row in BillingParameters.objects.filter(account_id__in=ids)}
    for line in ServiceLine.objects.filter(account_id__in=ids).order_by("pk"):
        found.lines[line.account_id].append(line)
    for placement in LinePlacement.objects.filter(line__account_id__in=ids):
        found.device_ids[placement.line_id].add(placement.device_id)
    history: Any = Account.history
    said = history.filter(id__in=ids, history_change_reason__in=_FIRST_SAID).order_by("history_id")
    found.statuses_said = dict(said.values_list("id", "status_id"))
    history = BillingParameters.history
    said = history.filter(account_id__in=ids, history_change_reason__in=_FIRST_SAID).order_by("history_id")
    found.dates_said = dict(said.values_list("account_id", "next_bill_on"))
    billed = Invoice.objects.filter(account_id__in=ids, source=Invoice.Source.BILLING_RUN).exclude(
        state=Invoice.State.VOID
    )
    for account_id, period_start_on in billed.order_by("period_start_on").values_list("account_id", "period_start_on"):
        if period_start_on is not None:
            found.billed_until[account_id] = period_start_on
    return found


def create(
    rows: Sequence[AccountRow], company: Company, account_type: AccountType, item: CatalogItem | None
) -> list[int]:
    """Open the accounts of new rows with all that belongs to them and return their ids."""
    now = clock.now()
    accounts = [
        Account(
            number=row.number, name=row.name, company=company, account_type=account_type, status=row.status,
            status_since_at=now, timezone=row.timezone, address=row.address or "",
        )
        for row in rows
    ]  # fmt: skip
    insert_with_history(accounts, reason=IMPORTED)
    pairs = list(zip(accounts, rows, strict=True))
    insert_with_history([_contact(account, row) for account, row in pairs], reason=IMPORTED)
    start_billing_many(
        [
            Start(
                account=account,
                billing_default=row.billing_default,
                bill_day=row.bill_day,
                next_bill_on=row.next_bill_on,
            )
            for account, row in pairs
        ]
    )
    if item is not None:
        charged = [(account, row) for account, row in pairs if row.monthly_charge]
        insert_with_history(
            [Subscription(account=account, item=item, price=row.monthly_charge) for account, row in charged],
            reason=IMPORTED,
        )
    _add_lines([(account, row) for account, row in pairs if row.has_line])
    return [account.pk for account in accounts]


def update(rows: Sequence[AccountRow], existing: Existing, item: CatalogItem | None) -> list[int]:
    """Bring known accounts in line with their rows and return the ids of those that differed."""
    changed: set[int] = set()
    for step in (_update_details, _update_contacts, _update_parameters, _update_lines):
        changed |= step(rows, existing)
    changed |= _update_subscriptions(rows, existing, item)
    changed |= _update_statuses(rows, existing)
    return sorted(changed)


def _contact(account: Account, row: AccountRow) -> Contact:
    return Contact(account=account, name=row.contact_name, is_billing_contact=True, email=row.email, phone=row.phone)


def _add_lines(pairs: Sequence[tuple[Account, AccountRow]]) -> None:
    lines = [
        ServiceLine(account=account, ipv4=row.ipv4 or "", radius_username=row.radius_username or "")
        for account, row in pairs
    ]
    insert_with_history(lines, reason=IMPORTED)
    placed = [(line, device) for line, (_, row) in zip(lines, pairs, strict=True) for device in row.devices]
    insert_with_history([LinePlacement(line=line, device=device) for line, device in placed], reason=IMPORTED)


def _differs(target: Any, wanted: dict[str, Any]) -> bool:
    """Set the wanted values and tell whether one was another; None means that the file does not say."""
    different = {name: value for name, value in wanted.items() if value is not None and getattr(target, name) != value}
    for name, value in different.items():
        setattr(target, name, value)
    return bool(different)


def _update_details(rows: Sequence[AccountRow], existing: Existing) -> set[int]:
    changed = [
        account
        for row in rows
        if _differs(
            account := existing.accounts[row.number],
            {"name": row.name, "timezone": row.timezone, "address": row.address},
        )
    ]
    update_with_history(changed, ["name", "timezone", "address"], reason=DETAILS)
    return {account.pk for account in changed}


def _update_contacts(rows: Sequence[AccountRow], existing: Existing) -> set[int]:
    changed, fresh = [], []
    for row in rows:
        account = existing.accounts[row.number]
        contact = existing.contacts.get(account.pk)
        if contact is None:
            fresh.append(_contact(account, row))
        elif _differs(contact, {"name": row.contact_name, "email": row.email, "phone": row.phone}):
            changed.append(contact)
    insert_with_history(fresh, reason=IMPORTED)
    update_with_history(changed, ["name", "email", "phone"], reason=DETAILS)
    return {contact.account_id for contact in (*changed, *fresh)}


def _update_parameters(rows: Sequence[AccountRow], existing: Existing) -> set[int]:
    changed, dated, fresh = [], [], []
    for row in rows:
        account = existing.accounts[row.number]
        found = existing.parameters.get(account.pk)
        if found is None:
            fresh.append(
                Start(
                    account=account,
                    billing_default=row.billing_default,
                    bill_day=row.bill_day,
                    next_bill_on=row.next_bill_on,
                )
            )
            continue
        wanted: dict[str, Any] = {"bill_day": row.bill_day}
        if found.billing_default_id != row.billing_default.pk:
            # Another default brings its own terms along (X12).
            default = row.billing_default
            wanted |= {"billing_default": default} | {name: getattr(default, name) for name in _TERMS}
        if _differs(found, wanted):
            changed.append(found)
        if _next_bill_on_said(row, found, existing):
            found.next_bill_on = row.next_bill_on
            dated.append(found)
    start_billing_many(fresh)
    update_with_history(changed, ["billing_default", "bill_day", *_TERMS], reason=DETAILS)
    update_with_history(dated, ["next_bill_on"], reason=IMPORTED)
    return {found.account_id for found in (*changed, *dated)} | {start.account.pk for start in fresh}


_TERMS = (
    "due_days", "daily_billing", "prorate_account_status_change", "prorate_account_delinquency_status_change",
    "autopay_entire_amount_due",
)  # fmt: skip


def _next_bill_on_said(row: AccountRow, found: BillingParameters, existing: Existing) -> bool:
    """Tell whether the file newly asks for another next bill date.

    Billing moves that date on by itself, so the same file a month later still says the old one: only a date
    that differs from what was said last is a wish.
    """
    wanted = row.next_bill_on
    if wanted is None or wanted in (found.next_bill_on, existing.dates_said.get(found.account_id)):
        return False
    billed = existing.billed_until.get(found.account_id)
    if billed is not None and wanted <= billed:
        row.row.refuse("next_bill_on", f"is billed already (up to the bill date {billed}); write a later one.")
        return False
    return True


def _update_lines(rows: Sequence[AccountRow], existing: Existing) -> set[int]:
    changed, fresh, placed = [], [], []
    for row in rows:
        account = existing.accounts[row.number]
        lines = existing.lines.get(account.pk, [])
        if not row.has_line:
            continue
        if not lines:
            fresh.append((account, row))
            continue
        same = [line for line in lines if row.ipv4 == line.ipv4 or row.radius_username == line.radius_username]
        if len(lines) > 1 and len(same) != 1:
            row.row.refuse(
                "ipv4", f"fits none of the {len(lines)} lines of this account; change its lines in the admin."
            )
            continue
        line = same[0] if len(lines) > 1 else lines[0]
        if _differs(line, {"ipv4": row.ipv4, "radius_username": row.radius_username}):
            changed.append(line)
        if row.devices and {device.pk for device in row.devices} != existing.device_ids[line.pk]:
            placed.append((line, row.devices))
    touched = {line.account_id for line in changed} | {account.pk for account, _ in fresh}
    touched |= {line.account_id for line, _ in placed}
    update_with_history(changed, ["ipv4", "radius_username"], reason=DETAILS)
    _add_lines(fresh)
    # One by one through the network room: a line that should be restricted is ordered so on its new devices.
    for line, devices in placed:
        place_on(line, devices)
    return touched


def _update_subscriptions(rows: Sequence[AccountRow], existing: Existing, item: CatalogItem | None) -> set[int]:
    if item is None or not rows:
        return set()
    ids = {row.number: existing.accounts[row.number].pk for row in rows}
    open_ones = Subscription.objects.filter(item=item, account_id__in=ids.values(), ends_on__isnull=True).order_by(
        "-pk"
    )
    found = {subscription.account_id: subscription for subscription in open_ones}
    repriced, ended, fresh = [], [], []
    for row in rows:
        subscription = found.get(ids[row.number])
        if row.monthly_charge is None:
            continue
        if subscription is None:
            if row.monthly_charge:
                fresh.append(Subscription(account_id=ids[row.number], item=item, price=row.monthly_charge))
        elif not row.monthly_charge:
            today = clock.today(row.timezone)
            subscription.ends_on = max(today, subscription.starts_on or today)
            ended.append(subscription)
        elif _differs(subscription, {"price": row.monthly_charge}):
            repriced.append(subscription)
    reserve_keys(fresh)
    insert_with_history(fresh, reason=IMPORTED)
    update_with_history(repriced, ["price"], reason=DETAILS)
    update_with_history(ended, ["ends_on"], reason=DETAILS)
    return {subscription.account_id for subscription in (*repriced, *ended, *fresh)}


def _update_statuses(rows: Sequence[AccountRow], existing: Existing) -> set[int]:
    """Switch the statuses that the file newly asks for; what delinquency switched since is left as it is."""
    changed = set()
    for row in rows:
        account = existing.accounts[row.number]
        if row.status.pk in (account.status_id, existing.statuses_said.get(account.pk)):
            continue
        change_status(account, row.status, reason=IMPORTED)
        changed.add(account.pk)
    return changed
