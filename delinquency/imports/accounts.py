"""import_accounts: who is billed, how they are reached, their line and what they pay each month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import Account, AccountStatus, AccountType, Company, Contact, ServiceLine
from accounts.models.service_line import validate_ipv4
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.operations.standings import ensure_standings, look_again
from invoicing.models import BillingDefault, CatalogItem
from netenforce.models import Device
from netenforce.operations.lists import follow_new_lines
from netenforce.queries import why_a_devices_own

from . import accounts_write
from .reader import Row, Sheet, read_sheet, refuse_twice, some_names
from .report import Report, run_import

REQUIRED = (
    "number", "name", "status", "billing_default", "timezone", "bill_day", "next_bill_on",
    "contact_name", "email", "phone",
)  # fmt: skip
OPTIONAL = ("address", "ipv4", "radius_username", "monthly_charge", "device")
MONTHLY_CHARGE = "Monthly charge"
USUAL_TYPE = "Residential"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """A row without mistakes; None in an optional column means that the file does not say."""

    row: Row
    number: str
    name: str
    status: AccountStatus
    billing_default: BillingDefault
    timezone: str
    bill_day: int
    next_bill_on: date | None
    contact_name: str
    email: str
    phone: str
    address: str | None
    ipv4: str | None
    radius_username: str | None
    monthly_charge: Decimal | None
    devices: tuple[Device, ...]

    @property
    def has_line(self) -> bool:
        """Tell whether the row describes a line."""
        return bool(self.ipv4 or self.radius_username)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the names in the file may stand for."""

    company: Company
    account_type: AccountType
    statuses: Mapping[str, AccountStatus]
    defaults: Mapping[str, BillingDefault]
    devices: Mapping[str, Device]


def import_accounts(path: str, *, dry_run: bool = False) -> Report:
    """Import accounts; raises BadArguments or Refused if the file as a whole is of no use."""
    return run_import(read_sheet(path, REQUIRED, OPTIONAL), "account", work, dry_run=dry_run)


def work(sheet: Sheet, report: Report) -> None:
    """Import the rows of a sheet; what is wrong with them is noted there, and then nothing may be kept."""
    known = _read_known()
    refuse_twice(sheet.rows, "number")
    rows = [read for row in sheet.rows if (read := _read(row, known)) is not None]
    for column in ("ipv4", "radius_username"):
        refuse_twice(sheet.rows, column)
    _refuse_taken(rows)
    _refuse_overlaps(rows)
    _refuse_our_own(rows)
    if sheet.problems:
        return
    existing = accounts_write.load_existing([row.number for row in rows])
    fresh = [row for row in rows if row.number not in existing.accounts]
    item = _monthly_charge() if any(row.monthly_charge for row in rows) else _monthly_charge_if_any()
    created = accounts_write.create(fresh, known.company, known.account_type, item)
    changed = accounts_write.update([row for row in rows if row.number in existing.accounts], existing, item)
    if sheet.problems:
        return
    ensure_standings([*created, *changed])
    # Lists may take new accounts by their status, and a new line may belong to an account that is restricted.
    follow_new_lines([*created, *changed])
    look_again([*created, *changed])
    report.created, report.updated = len(created), len(changed)
    report.unchanged = len(rows) - len(created) - len(changed)


def _read_known() -> _Known:
    company = Company.objects.order_by("pk").first()
    types = {row.name: row for row in AccountType.objects.all()}
    if company is None or not types:
        raise Refused(
            "no_company",
            "There is no company or no account type yet; run 'manage.py migrate', or add them in the admin.",
        )
    return _Known(
        company=company,
        account_type=types.get(USUAL_TYPE) or next(iter(types.values())),
        statuses={row.name: row for row in AccountStatus.objects.all()},
        defaults={row.name: row for row in BillingDefault.objects.all()},
        devices={row.name: row for row in Device.objects.all()},
    )


def _read(row: Row, known: _Known) -> AccountRow | None:
    """Return the row as data, or None with all of its mistakes noted."""
    number = row.reference("number")
    name = row.text("name", longest=200, required=True)
    status = row.one_of("status", known.statuses, "account status")
    default = row.one_of("billing_default", known.defaults, "billing default")
    zone = _zone(row, known.company)
    bill_day = row.whole("bill_day", 1, 31)
    next_bill_on = None if row.blank("next_bill_on") else row.day("next_bill_on")
    contact_name = row.text("contact_name", longest=200, required=True)
    email, phone = _email(row), _phone(row)
    address = row.text("address", longest=1000, lines=True) if row.has("address") else None
    ipv4 = _ipv4(row) if row.has("ipv4") else None
    radius = row.text("radius_username", longest=64) if row.has("radius_username") else None
    charge = _charge(row) if row.has("monthly_charge") else None
    devices = _devices(row, known.devices)
    if not row.blank("device") and not (ipv4 or radius):
        row.refuse("device", "needs a line; give its ipv4 or radius_username too.")
    if row.bad or status is None or default is None or bill_day is None:
        return None
    return AccountRow(
        row=row, number=number, name=name, status=status, billing_default=default, timezone=zone,
        bill_day=bill_day, next_bill_on=next_bill_on, contact_name=contact_name, email=email, phone=phone,
        address=address, ipv4=ipv4,
        radius_username=radius, monthly_charge=charge, devices=devices,
    )  # fmt: skip


def _zone(row: Row, company: Company) -> str:
    """Return the account's zone; a blank one is the company's (A33)."""
    name = row.cells["timezone"].strip()
    if not name:
        return company.timezone
    try:
        clock.zone(name)
    except Refused:
        row.refuse(
            "timezone",
            "is no time zone; use an IANA name such as America/New_York, America/Chicago, America/Denver,"
            " America/Los_Angeles or Pacific/Honolulu.",
        )
    return name


def _email(row: Row) -> str:
    text = row.text("email", longest=254)
    if text:
        try:
            validate_email(text)
        except ValidationError:
            row.refuse("email", "is no e-mail address; write it like name@example.com, or leave it blank.")
    return text


def _phone(row: Row) -> str:
    """Return the number in its international form; ten digits are taken as a number in North America."""
    text = row.text("phone", longest=40)
    if not text:
        return ""
    digits = "".join(sign for sign in text if sign.isdigit())
    wanted = text if text.startswith("+") else f"+1{digits}" if len(digits) == 10 else ""
    try:
        number = phonenumbers.parse(wanted, None)
        written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if phonenumbers.is_possible_number(number) and not number.extension:
            Contact._meta.get_field("phone").run_validators(written)
            return str(written)
    except (phonenumbers.NumberParseException, ValidationError):
        written = ""
    row.refuse(
        "phone",
        "is no telephone number; write it with its country code, like +15550109999, or leave it blank.",
    )
    return ""


def _ipv4(row: Row) -> str:
    text = row.text("ipv4", longest=18)
    if not text:
        return ""
    try:
        validate_ipv4(text)
    except ValidationError as error:
        row.refuse(
            "ipv4",
            f"cannot be a line: {' '.join(error.messages)} Write one like 100.64.3.7 or 203.0.113.8/29.",
        )
    # One address is written one way, so that the same line is not taken twice.
    return text.removesuffix("/32")


def _devices(row: Row, known: Mapping[str, Device]) -> tuple[Device, ...]:
    """Return the devices that the line is on: one name, or several with semicolons; none if the file does not say."""
    cell = row.cells.get("device", "").strip()
    # A name may hold a semicolon itself.
    names = [cell] if cell in known else [part.strip() for part in cell.split(";") if part.strip()]
    found = []
    for name in dict.fromkeys(names):
        if name in known:
            found.append(known[name])
        elif len(names) == 1:
            row.one_of("device", known, "device")
        else:
            row.refuse("device", f"names {name!r}, which is no device; use {some_names(known)}.")
    return tuple(found)


def _charge(row: Row) -> Decimal:
    if row.blank("monthly_charge"):
        return Decimal("0.00")
    return row.amount("monthly_charge", zero=True) or Decimal("0.00")


def _refuse_taken(rows: list[AccountRow]) -> None:
    """Note lines whose address or RADIUS user another account has in the database."""
    for column in ("ipv4", "radius_username"):
        wanted = {value: row for row in rows if (value := getattr(row, column))}
        taken = ServiceLine.objects.filter(**{f"{column}__in": list(wanted)}).values_list(column, "account__number")
        for value, owner in taken:
            if owner != wanted[value].number:
                wanted[value].row.refuse(column, f"is a line of account {owner} already; mend one of the two.")


def _refuse_overlaps(rows: list[AccountRow]) -> None:
    """Note addresses that lie inside another account's line, or around it, in the database or in the file."""
    by_number = {row.number: row for row in rows if row.ipv4}
    lines = ServiceLine.objects.exclude(ipv4="").exclude(account__number__in=by_number)
    held = [(ip_network(text), number) for text, number in lines.values_list("ipv4", "account__number")]
    held += [(ip_network(row.ipv4 or ""), row.number) for row in by_number.values()]
    # Prefixes only ever nest: in this order an overlap is with the last one that reaches as far as here.
    held.sort(key=lambda pair: (pair[0].network_address, pair[0].prefixlen))
    cover: tuple[IPv4Network | IPv6Network, str] | None = None
    for network, number in held:
        if cover is not None and network.network_address <= cover[0].broadcast_address:  # type: ignore[operator]
            row = by_number.get(number) or by_number.get(cover[1])
            other = cover if row is not None and row.number == number else (network, number)
            if row is not None and network != cover[0] and number != cover[1]:
                row.row.refuse("ipv4", f"overlaps with {other[0]} of account {other[1]}; mend one of the two.")
        else:
            cover = (network, number)


def _refuse_our_own(rows: list[AccountRow]) -> None:
    """Note addresses at which one of our devices is reached: restricted, they would cut us off from it."""
    devices = list(Device.objects.exclude(host="").order_by("name"))
    for row in rows:
        words = why_a_devices_own([row.ipv4] if row.ipv4 else [], devices)
        if words:
            row.row.refuse("ipv4", f"cannot be a line: {words}")


def _monthly_charge() -> CatalogItem:
    item, _ = CatalogItem.objects.get_or_create(
        name=MONTHLY_CHARGE, defaults={"kind": CatalogItem.Kind.RECURRING, "price": Decimal("0.00")}
    )
    return item


def _monthly_charge_if_any() -> CatalogItem | None:
    return CatalogItem.objects.filter(name=MONTHLY_CHARGE).first()


def known_numbers(numbers: set[str]) -> dict[str, Account]:
    """Return the accounts of these numbers, as the other imports look them up."""
    return {account.number: account for account in Account.objects.filter(number__in=numbers)}
