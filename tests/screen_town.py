"""A town of many accounts as they are after some months, made by the database itself, and the pages that show it."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Notice, NoticeAttempt
from billing_project.sidebar import SIDEBAR
from delinquency.models import CallTask, Case, Event, StepRun, Ticket, TicketComment, TicketQueue
from invoicing.operations.payments import record_payment
from netenforce.models import LineState
from tests.backoffice import NOON, make_customer, make_everything, make_invoice, make_version
from tests.factories import make_subscription
from tests.many_rows import ONCE, copy_everything

# What an operator sets up once, however many customers come.
SETTINGS = ONCE | {
    "accounts.company", "accounts.accountstatus", "accounts.accounttype", "accounts.noticetemplate",
    "accounts.noticetemplateversion", "accounts.outreachrules", "accounts.pause", "accounts.shadow", "accounts.user",
    "accounts.user_groups", "accounts.user_user_permissions", "accounts.channelbreaker", "accounts.channelday",
    "accounts.savedfilter", "accounts.auditcheck", "auth", "delinquency.policy", "delinquency.policyversion",
    "delinquency.policystep", "delinquency.exclusion", "delinquency.holidaycopy", "delinquency.macro",
    "delinquency.macroaction", "delinquency.cannedreply", "delinquency.ticketqueue", "delinquency.ticketqueue_members",
    "delinquency.ticketroute", "delinquency.apitoken", "delinquency.webhookendpoint", "delinquency.actminutes",
    "delinquency.gracelimit", "delinquency.reportsubscription", "delinquency.reportsubscription_recipients",
    "delinquency.study", "delinquency.importfile", "delinquency.importmapping", "delinquency.monthfigures",
    "delinquency.taskrun", "delinquency.runrequest", "delinquency.forecast", "delinquency.sweep",
    "delinquency.airbagtrip", "delinquency.movebatch", "delinquency.massaction", "invoicing.billingdefault",
    "invoicing.catalogitem", "invoicing.catalogitem_taxes", "invoicing.tax", "invoicing.discount",
    "invoicing.invoiceseries", "invoicing.moneylimit", "invoicing.gatewaypoll", "invoicing.bankfile",
    "invoicing.billingrun", "netenforce.device", "netenforce.addresslist", "netenforce.addresslist_devices",
    "netenforce.addresslist_statuses", "netenforce.addresslist_account_types", "netenforce.releaselimit",
}  # fmt: skip
LATE_ONE_IN = 20  # among so many accounts one is late, and has all that being late leaves behind
PAYER = "20001"


def make_town(many: int) -> Account:
    """Make ``many`` accounts: some late, the others with a settled past; return one that is late.

    Each has three services and six invoices with their lines, ledger entries and payments, besides a contact, a line,
    a card and terms.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # What the set-up itself left in the audit record belongs to no account, and would outweigh all else in copies.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in ("accounts_auditlink", "accounts_auditentry"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    _make_payer()
    with transaction.atomic():
        copy_everything(many, once=SETTINGS, history=True, spread=True)
    late = make_everything()
    with transaction.atomic():
        copy_everything(max(many // LATE_ONE_IN, 1), once=SETTINGS, history=True, spread=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return late


def _make_payer() -> Account:
    """Make a customer who was late once, paid, and has been on time since."""
    version = make_version("Rules of the town")
    account = make_customer(PAYER, version)
    LineState.objects.filter(line__account=account).update(desired_level="open", observed_level="open")
    for price in ("5.00", "7.25"):
        make_subscription(account, price)
    for month in range(7, 12):
        make_invoice(account, f"A-{PAYER}-{month}", due_on=date(2025, month, 16))
    for invoice in account.invoices.order_by("due_on"):
        record_payment(
            account=account, reference=f"PAID-{invoice.number}", amount=Decimal(invoice.amount), received_at=NOON
        )
    case = Case.objects.create(
        account=account, number=1, opened_on=date(2025, 9, 21), closed_on=date(2025, 9, 24), stage="closed",
        closed_why="paid", stage_since_at=NOON,
    )  # fmt: skip
    for number, kind in enumerate(("delinquent", "account_delinquent", "account_cured"), start=1):
        Event.objects.create(
            account=account, sequence=number, on=date(2025, 9, 21), local_at="2025-09-21T09:00:00", kind=kind,
            why="100.00 is unpaid.", rule="S9", case=case, policy_version=version,
        )  # fmt: skip
    for key in ("notice-1", "slow"):
        StepRun.objects.create(
            account=account, anchor_key="case:1", step_key=key, action="restrict", on=date(2025, 9, 21), at=NOON
        )
    ticket = Ticket.objects.create(
        account=account, case=case, number="T-0", subject="100.00 unpaid", opened_on=date(2025, 9, 21), opened_at=NOON,
        state="closed", closed_at=NOON, closed_how="payment", closed_why="paid",
        customer_contact=account.contacts.get(), queue=TicketQueue.objects.get(name="Billing"),
    )  # fmt: skip
    TicketComment.objects.create(ticket=ticket, text="Paid.")
    CallTask.objects.create(
        account=account, anchor_key="case:1", step_key="call", due_on=date(2025, 9, 21), why="Unpaid.",
        contact=account.contacts.get(), outcome="reached", outcome_at=NOON,
    )  # fmt: skip
    for step in ("notice-1", "receipt"):
        notice = Notice.objects.create(
            account=account, contact=account.contacts.get(), anchor_key="case:1", step_key=step, channel="email",
            template="delinquent", to_address=f"{PAYER}@customer.example", subject="Your account", body="Hello",
            state="delivered", accepted_at=NOON, created_at=NOON,
        )  # fmt: skip
        NoticeAttempt.objects.create(notice=notice, outcome="accepted")
    return account


def lists() -> dict[str, Any]:
    """Return the list of every model, with the admin that shows it."""
    return {
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"): desk
        for model, desk in admin.site._registry.items()
    }


def sidebar_pages() -> Iterator[str]:
    """Return every page that the sidebar offers and that is no list."""
    for group in SIDEBAR:
        yield from (str(item["link"]) for item in group["items"] if str(item["link"]) not in lists())


def pages_about(account: Account) -> list[str]:
    """Return the pages of one account and of what belongs to it."""
    ticket = Ticket.objects.filter(account=account)[0]
    invoice = account.invoices.all()[0]
    return [
        reverse("admin:accounts_account_change", args=[account.pk]),
        f"{reverse('admin:accounts_account_change', args=[account.pk])}?tab=form",
        reverse("admin:accounts_account_history", args=[account.pk]),
        reverse("admin:delinquency_ticket_change", args=[ticket.pk]),
        reverse("admin:invoicing_invoice_change", args=[invoice.pk]),
        f"/admin/search/?{urlencode({'q': account.number})}",
        f"/admin/search/?{urlencode({'q': 'customer'})}",
    ]


def turned(client: Client, url: str, desk: Any) -> list[str]:
    """Return a list's other looks: searched, each filter once, each way of time, and its last page."""
    response = client.get(url, follow=True)
    shown = (getattr(response, "context_data", None) or {}).get("cl")
    if shown is None:  # a page in the place of a list
        return []
    found = [f"{url}?q=10001"] if desk.search_fields else []
    for spec in shown.filter_specs:
        choices = [choice["query_string"] for choice in spec.choices(shown) if "query_string" in choice]
        found += [url + choice for choice in choices[1:2]]
    if shown.date_hierarchy:
        year = f"{url}?{shown.date_hierarchy}__year=2025"
        found += [year, f"{year}&{shown.date_hierarchy}__month=12"]
    if shown.multi_page:
        found.append(f"{url}?p={shown.paginator.num_pages}")
    return found
