"""Write the operator's rows: company, catalogue, devices, and the accounts with all that belongs to them."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from accounts.models import Account, AccountStatus, AccountType, Company, Contact, FundingSource, ServiceLine
from accounts.operations import ensure_basics as ensure_customers_basics
from billing_project.kernel import clock
from billing_project.kernel.bulk import insert_with_history
from delinquency.operations import ensure_standings, load_shipped
from invoicing.models import BillingDefault, CatalogItem, Discount, Subscription, Tax
from invoicing.operations.terms import Start, start_billing_many
from invoicing.rules.periods import next_bill_on_after
from netenforce.models import Device, LinePlacement
from netenforce.operations import ensure_basics as ensure_network_basics

from .people import Subscriber

COMPANY = "Valley Fibre"
HOUSEHOLD_DEFAULT, BUSINESS_DEFAULT = "Sonar example", "ExchangeDefender"
DEVICE_NAMES = ("edge-north", "edge-south")
REASON = "the town is founded"
PRICES = {
    "Fibre 100": "49.00", "Fibre 300": "65.00", "Fibre 1000": "89.00", "Business 500": "149.00",
    "Business 1000": "249.00", "Home phone": "15.00", "Wi-Fi care": "5.50", "Static address": "12.00",
}  # fmt: skip
TAXED = ("Home phone", "Business 500", "Business 1000")
TAX = ("County telecom tax", Decimal("4.2500"))
DISCOUNTS = {"New customer": (Decimal(10), Decimal(0)), "Two lines": (Decimal(0), Decimal("20.00"))}
# The operator has been there for years; only its last months are played.
YEARS_OPEN = 4


def found_town(subscribers: Sequence[Subscriber], first_on: date) -> dict[str, Account]:
    """Write the town as it stands before its first played day; return the accounts by number."""
    ensure_customers_basics()
    ensure_network_basics()
    load_shipped()
    accounts = _accounts(subscribers, _company(), first_on)
    pairs = list(zip(subscribers, accounts, strict=True))
    insert_with_history(
        [
            Contact(
                account=account, name=who.contact, is_billing_contact=True, email=who.email, phone=who.phone,
                consented_at=account.status_since_at, language="es" if int(who.number) % 11 == 0 else "en",
            )
            for who, account in pairs
        ],
        reason=REASON,
    )  # fmt: skip
    insert_with_history(
        [
            FundingSource(
                account=account, rank=card.rank, source_token=card.token, customer_token=f"cus_{who.number}",
                brand=card.brand, last4=card.last4, expires_on=first_on.replace(day=1) + timedelta(days=900),
            )
            for who, account in pairs
            for card in who.cards
        ],
        reason=REASON,
    )  # fmt: skip
    _lines(pairs)
    _terms(pairs, first_on)
    ensure_standings([account.pk for account in accounts])
    return {account.number: account for account in accounts}


def _company() -> Company:
    """Return the demo's company: the one that ships with an empty database takes its name."""
    company = Company.objects.order_by("pk").first()
    assert company is not None  # the basics have been written
    company.name, company.invoice_prefix = COMPANY, "VF-"
    company.address = "Valley Fibre\n1 Depot Road\nMillbridge"
    company.email_sender = "Valley Fibre <billing@valley-fibre.example>"
    company.phone = company.sms_sender = "+15550100177"
    company.save()
    return company


def _accounts(subscribers: Sequence[Subscriber], company: Company, first_on: date) -> list[Account]:
    types = {row.is_business: row for row in AccountType.objects.filter(name__in=["Residential", "Business"])}
    active = AccountStatus.objects.get(name="Active")
    accounts = [
        Account(
            number=who.number, name=who.name, company=company, account_type=types[who.is_business], status=active,
            status_since_at=clock.now(), timezone=who.zone, address=who.address,
            opened_on=first_on - timedelta(days=30 + int(who.number) * 37 % (365 * YEARS_OPEN)),
        )
        for who in subscribers
    ]  # fmt: skip
    insert_with_history(accounts, reason="opened")
    return accounts


def _lines(pairs: Sequence[tuple[Subscriber, Account]]) -> None:
    devices = []
    for name in DEVICE_NAMES:
        device, _ = Device.objects.get_or_create(name=name, defaults={"driver": Device.Driver.SIMULATED})
        devices.append(device)
    lines = [ServiceLine(account=account, ipv4=who.ipv4, radius_username=f"vf{who.number}") for who, account in pairs]
    insert_with_history(lines, reason=REASON)
    insert_with_history(
        [LinePlacement(line=line, device=devices[who.device]) for line, (who, _) in zip(lines, pairs, strict=True)],
        reason=REASON,
    )


def _terms(pairs: Sequence[tuple[Subscriber, Account]], first_on: date) -> None:
    defaults = {row.name: row for row in BillingDefault.objects.all()}
    start_billing_many(
        [
            Start(
                account=account, bill_day=who.bill_day,
                billing_default=defaults[BUSINESS_DEFAULT if who.is_business else HOUSEHOLD_DEFAULT],
                next_bill_on=next_bill_on_after(first_on - timedelta(days=1), who.bill_day),
            )
            for who, account in pairs
        ]
    )  # fmt: skip
    items, discounts = _catalogue()
    insert_with_history(
        [
            Subscription(
                account=account, item=items[service], starts_on=account.opened_on,
                # A discount is on the line itself, not on what comes with it.
                discount=discounts.get(who.discount) if place == 0 else None,
            )
            for who, account in pairs
            for place, service in enumerate(who.services)
        ],
        reason=REASON,
    )  # fmt: skip


def _catalogue() -> tuple[dict[str, CatalogItem], dict[str, Discount]]:
    tax, _ = Tax.objects.get_or_create(name=TAX[0], defaults={"percent": TAX[1]})
    items = {}
    for name, price in PRICES.items():
        items[name], _ = CatalogItem.objects.get_or_create(name=name, defaults={"price": Decimal(price)})
        if name in TAXED:
            items[name].taxes.add(tax)
    discounts = {}
    for name, (percent, amount) in DISCOUNTS.items():
        discounts[name], _ = Discount.objects.get_or_create(name=name, defaults={"percent": percent, "amount": amount})
    return items, discounts
