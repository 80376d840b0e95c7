"""One row of every model, and the pages of the back office that show them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import operations as accounts_operations
from accounts.audit.sealing import seal_entries
from accounts.models import (
    Account,
    AuditCheck,
    CallRecord,
    ChannelBreaker,
    ChannelDay,
    InboundAttachment,
    InboundMessage,
    Notice,
    NoticeAttempt,
    NoticeTemplate,
    NoticeTemplateVersion,
    OutreachRules,
    PortalDoor,
    PortalEntry,
    ProviderEvent,
    ServiceLine,
    SignInRequest,
    SimulatedMessage,
    Suppression,
    TemplateTest,
    User,
)
from delinquency.models import (
    AirbagStep,
    AirbagTrip,
    CallTask,
    CannedReply,
    Case,
    Dispute,
    Event,
    Exclusion,
    Forecast,
    GraceGrant,
    HolidayCopy,
    InvoiceStanding,
    Macro,
    MacroAction,
    MoveBatch,
    Policy,
    PolicyMove,
    PolicyStep,
    PolicyVersion,
    Promise,
    Standing,
    StepRun,
    Study,
    StudyFinding,
    Sweep,
    Ticket,
    TicketComment,
    TicketQueue,
    TicketView,
)
from invoicing.models import (
    BillingRun,
    Discount,
    GatewayEvent,
    GatewayPoll,
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    PaymentAttempt,
    SandboxCharge,
    SandboxPage,
    SourcePage,
    Tax,
)
from invoicing.operations.charges import add_charge
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.payments import record_payment
from netenforce.models import (
    Device,
    LinePlacement,
    LineState,
)
from tests.desk_rows import (
    make_desk_rows,
    make_import_rows,
    make_integrator_rows,
    make_mass_rows,
    make_network_rows,
    make_run_rows,
)
from tests.factories import bill_by, make_account, make_contact, make_source
from tests.page_words import other_dates

NOON = datetime(2026, 1, 20, 17, tzinfo=UTC)  # 12:00 in New York
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def staff_client(**fields: Any) -> Client:
    """Return a browser in which a superuser is logged in."""
    word = "a long enough password"
    boss = User.objects.create_user("boss", password=word, is_staff=True, is_superuser=True, **fields)
    client = Client()
    client.force_login(boss)
    return client


def make_version(policy_name: str = "House rules", *, published: bool = True) -> PolicyVersion:
    """Make a policy with one version: grace 5, a late fee, a notice and a throttle."""
    policy, _ = Policy.objects.get_or_create(name=policy_name)
    version = PolicyVersion.objects.create(
        policy=policy, number=policy.versions.count() + 1, due_days=15, grace_days=5, check_weekdays=EVERY_DAY,
        state="published" if published else "draft", published_at=NOON if published else None, removal_status="Active",
    )  # fmt: skip
    for position, fields in enumerate(
        (
            {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": Decimal("10.00")},
            {
                "key": "notice-1",
                "action": "notice",
                "anchor": "delinquent",
                "offset_days": 0,
                "channels": ["email"],
                "template": "delinquent",
            },
            {"key": "slow", "action": "restrict", "anchor": "delinquent", "offset_days": 0, "level": "throttle"},
        )
    ):
        PolicyStep.objects.create(version=version, position=position, **fields)  # fmt: skip
    return version


def make_invoice(account: Account, number: str, *, due_on: date = date(2026, 1, 16), amount: str = "100.00") -> Invoice:
    """Make an open invoice of an account, with its ledger entry."""
    issued = date(due_on.year, due_on.month, 1)
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=number, issued_on=issued, due_on=due_on, amount=Decimal(amount),
                description="Internet", effective_at=datetime.combine(issued, time(5, 5), UTC),
            )
        ]
    )  # fmt: skip
    return Invoice.objects.get(number=number)


def make_customer(number: str, version: PolicyVersion, *, delinquent: bool = False) -> Account:
    """Make a customer with a line on a device, a card, a contact, an open invoice and a standing."""
    account = make_account(number=number, name=f"Customer {number}")
    make_contact(account, email=f"{number}@customer.example")
    make_source(account)
    bill_by(account, date(2026, 2, 1))
    place = int(number) % 250
    line = ServiceLine.objects.create(account=account, ipv4=f"100.64.{int(number) // 250 % 250}.{place}")
    device, _ = Device.objects.get_or_create(name="Edge 1")
    LinePlacement.objects.create(line=line, device=device)
    LineState.objects.create(
        line=line,
        device=device,
        desired_level="throttle" if delinquent else "open",
        observed_level="open",
        desired_since_at=NOON,
    )
    invoice = make_invoice(account, f"A-{number}")
    Standing.objects.filter(account=account).delete()
    Standing.objects.create(
        account=account, policy_version=version, delinquent_since=date(2026, 1, 21) if delinquent else None,
        next_look_at=NOON, looked_until_at=NOON,
    )  # fmt: skip
    InvoiceStanding.objects.update_or_create(
        invoice=invoice,
        defaults={
            "account": account, "past_due_on": date(2026, 1, 17),
            "delinquent_on": date(2026, 1, 21) if delinquent else None,
        },
    )  # fmt: skip
    return account


def make_everything() -> Account:
    """Make at least one row of every model that has a screen, and return the account they belong to."""
    version = make_version()
    account = make_customer("10001", version, delinquent=True)
    line = account.service_lines.get()
    invoice = Invoice.objects.get(account=account)
    _make_money(account, invoice)
    _make_delinquency(account, invoice, version)
    _make_letters(account)
    make_network_rows(account, line)
    make_integrator_rows()
    make_run_rows(account)
    make_import_rows(account)
    make_mass_rows(account)
    accounts_operations.pause_everything(reason="Letters name the wrong amount")
    seal_entries(pass_max=1, seconds_max=0)
    AuditCheck.objects.create(asked_at=NOON, asked_by="mia")
    accounts_operations.raise_attention(code="cut-held", key="x", words="A cut was held back.", account=account)
    return account


def _make_money(account: Account, invoice: Invoice) -> None:
    payment = record_payment(account=account, reference="P-1", amount=Decimal("40.00"), received_at=NOON)
    add_charge(
        account=account, kind="late_fee", key="fee:1", amount=Decimal("10.00"), description="Late fee",
        about_invoice=invoice,
        charged_on=date(2026, 1, 19), effective_at=NOON,
    )  # fmt: skip
    PaymentAttempt.objects.create(
        account=account,
        invoice=invoice,
        key="attempt-1",
        amount=Decimal("40.00"),
        state="done",
        payment=payment,
    )
    if not invoice.lines.exists():
        InvoiceLine.objects.create(
            invoice=invoice,
            position=1,
            description="Internet",
            unit_price=invoice.amount,
            amount=invoice.amount,
        )
    SandboxCharge.objects.create(
        key="attempt-1", source_token="tok_ok", amount=Decimal("40.00"), currency="USD", outcome="charged"
    )
    GatewayPoll.objects.create(provider="sandbox")
    GatewayEvent.objects.create(
        provider="stripe", event_id="evt_1", type="payment_intent.succeeded", object_id="pi_1", happened_at=NOON,
        received_at=NOON, handled_at=NOON, state="done", outcome="done",
    )  # fmt: skip
    SourcePage.objects.create(account=account, key="add-1", page_id="cs_1", rank=2, opened_at=NOON)
    SandboxPage.objects.create(
        key="page-1", account_ref=str(account.public_id), amount=Decimal("40.00"), currency="USD", open_until=NOON,
        return_url="/portal/", leave_url="/portal/",
    )  # fmt: skip
    make_desk_rows(account, invoice, payment)
    InvoiceSeries.objects.get_or_create(company=account.company)
    BillingRun.objects.create(tick_at=NOON, started_at=NOON, finished_at=NOON)
    Tax.objects.create(name="City tax", percent=Decimal("8.8750"))
    Discount.objects.create(name="Staff", percent=Decimal(10))


def _make_delinquency(account: Account, invoice: Invoice, version: PolicyVersion) -> None:
    case = Case.objects.create(account=account, number=1, opened_on=date(2026, 1, 21), stage_since_at=NOON)
    StepRun.objects.create(
        account=account, anchor_key="case:1", step_key="slow", action="restrict", on=date(2026, 1, 21),
        level="throttle",
        invoices=[invoice.pk], in_force=True,
    )  # fmt: skip
    Event.objects.create(
        account=account, sequence=1, on=date(2026, 1, 21), local_at="2026-01-21T09:00:00", kind="account_delinquent",
        invoice=invoice, why="60.00 is unpaid.", rule="S9", case=case, policy_version=version,
    )  # fmt: skip
    Standing.objects.filter(account=account).update(events_count=1)
    Sweep.objects.create(tick_at=NOON, started_at=NOON, finished_at=NOON, counts={"issued": 1})
    ticket = Ticket.objects.create(
        account=account, case=case, number="T-1", subject="60.00 unpaid", opened_on=date(2026, 1, 21),
        customer_contact=account.contacts.get(), invoices=[invoice.pk], queue=TicketQueue.objects.get(name="Billing"),
    )  # fmt: skip
    canned = CannedReply.objects.create(title="House thanks", shortcut="house-thanks", text_en="Thanks.")
    macro = Macro.objects.create(name="House thanks")
    MacroAction.objects.create(macro=macro, does="reply", canned=canned)
    TicketView.objects.create(ticket=ticket, user=User.objects.create_user("reader"))
    TicketComment.objects.create(ticket=ticket, text="Opened.")
    CallTask.objects.create(
        account=account, anchor_key="case:1", step_key="call", due_on=date(2026, 1, 21), why="Unpaid.",
        contact=account.contacts.get(),
    )  # fmt: skip
    copy = HolidayCopy.objects.create(
        country="US", place="United States", categories=["public"], first_year=2026, last_year=2026, dates_added=1
    )
    Exclusion.objects.create(name="Christmas Day", month=12, day=25, copied_in=copy)
    study = Study.objects.create(
        version=version, name=str(version), policy_file={}, kind="ahead", scope_policy=version.policy,
        from_on=date(2026, 1, 20), to_on=date(2026, 2, 18), state="cancelled", requested_at=NOON, finished_at=NOON,
    )  # fmt: skip
    StudyFinding.objects.create(
        study=study, account=account, differences=[{"live": None, "draft": {"at": "2026-01-21T09:00", "what": ["x"]}}]
    )
    Forecast.objects.create(for_on=date(2026, 1, 21), made_at=NOON, cuts=1)
    batch = MoveBatch.objects.create(
        to_version=version, state="done", reason="longer grace", account_ids=[account.pk], total=1, place=1, moved=1,
        finished_at=NOON,
    )  # fmt: skip
    PolicyMove.objects.create(
        account=account, from_version=make_version("Rules before"), to_version=version, reason="longer grace",
        moved_at=NOON, batch=batch,
    )  # fmt: skip
    until_on = date(2026, 1, 26)
    grant = GraceGrant.objects.create(account=account, until_on=until_on, reason="asked for it", granted_at=NOON)
    Promise.objects.create(
        account=account, pay_by_on=date(2026, 1, 25), owed=Decimal("60.00"), invoices=[invoice.pk], made_at=NOON,
        made_on=date(2026, 1, 20), grant=grant,
    )  # fmt: skip
    Dispute.objects.create(
        account=account, invoice=invoice, ticket=ticket, text="The router came back.", state="asked", by_customer=True,
        opened_at=NOON, opened_on=date(2026, 1, 20),
    )  # fmt: skip
    trip = AirbagTrip.objects.create(
        kind="cuts", on=date(2026, 1, 21), tripped_at=NOON, planned=Decimal(60), limit=Decimal(20), words="60 cuts."
    )
    AirbagStep.objects.create(
        trip=trip, account=account, kind="restricted", step="slow", anchor_key="case:1", on=date(2026, 1, 21),
        why="60.00 is unpaid.",
    )  # fmt: skip


def _make_letters(account: Account) -> None:
    notice = Notice.objects.create(
        account=account, contact=account.contacts.get(), anchor_key="case:1", step_key="notice-1", channel="email",
        template="delinquent", to_address="ann@customer.example", subject="Your account", body="Hello <b>Ann</b>",
    )  # fmt: skip
    NoticeAttempt.objects.create(notice=notice, outcome="accepted")
    template = NoticeTemplate.objects.create(key="delinquent", channel="email", language="en")
    NoticeTemplateVersion.objects.create(
        template=template, number=1, state="published", subject="Please pay", body="Hello", note="Shorter",
        published_at=NOON,
    )  # fmt: skip
    TemplateTest.objects.create(
        template_key="delinquent", channel="email", language="en", to_address="me@x.example",
        sent_by=User.objects.create(username="tester"), outcome="accepted",
    )  # fmt: skip
    CallRecord.objects.create(account=account, number="+15550100123", notice=notice, outcome="voicemail")
    OutreachRules.objects.create(company=account.company)
    ChannelDay.objects.create(company=account.company, channel="sms", on=date(2026, 1, 21), sent=3, spent=Decimal(1))
    ChannelBreaker.objects.create(company=account.company, channel="sms", why="Texts cost 200.00 of 200.00 already.")
    Suppression.objects.create(channel="sms", address="+15550100123", reason="opted_out", words="STOP by text")
    ProviderEvent.objects.create(
        provider="mailgun", event_key="e1", kind="delivered", notice=notice, happened_at=NOON, outcome="delivered"
    )
    message = InboundMessage.objects.create(
        provider="mailgun", provider_id="m1", channel="email", from_address="ann@customer.example", text="<b>Hi</b>",
        state="filed", account=account, notice=notice,
    )  # fmt: skip
    InboundAttachment.objects.create(message=message, name="a.exe", content_type="x/y", size=9, refused_why="No file.")
    SimulatedMessage.objects.create(key="notice:1", channel="email", to_address="ann@customer.example", body="Hello")
    SignInRequest.objects.create(
        account=account, mark_hash="a", ip_hash="b", asked_at=NOON, answered_at=NOON, outcome="sent"
    )
    PortalEntry.objects.create(account=account, door="link", mark_hash="c", at=NOON)
    PortalDoor.objects.create(account=account, closed_at=NOON, why="Letter passed on")


def screens_of(app: str) -> list[type[Model]]:
    """Return the models of a room that have a screen."""
    return [model for model in admin.site._registry if model._meta.app_label == app]


def broken_pages(client: Client, models: Iterable[type[Model]], *, rows_needed: bool = True) -> list[str]:
    """Open list, add, change and history page of each model, and return what did not work."""
    broken = []
    for model in models:
        name, desk = f"{model._meta.app_label}_{model._meta.model_name}", admin.site._registry[model]
        row = model._default_manager.first()
        if row is None and rows_needed:
            broken.append(f"{name}: the test made no row")
        pages = [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_changelist") + "?q=zzz"]
        if row is not None:
            pages.append(reverse(f"admin:{name}_change", args=[row.pk]))
            pages.append(reverse(f"admin:{name}_history", args=[row.pk]))
        for url in pages:
            page = client.get(url)
            broken += [f"{url}: {page.status_code}"] if page.status_code != 200 else []
            broken += [f"{url} says {words}" for words in other_dates(page)]
        lost = client.get(reverse(f"admin:{name}_change", args=["no/such-row"])).status_code
        if lost not in (302, 404):
            broken.append(f"{name} with a key that is no number: {lost}")
        added = client.get(reverse(f"admin:{name}_add")).status_code
        if added != (200 if getattr(desk, "may_add", True) else 403):
            broken.append(f"{name} add page: {added}")
    return broken


def queries_for(client: Client, url: str) -> int:
    """Return how many queries a page needs."""
    client.get(url)  # content types and the session are cached by the first call
    with CaptureQueriesContext(connection) as asked:
        response = client.get(url)
    assert response.status_code == 200, url
    return len(asked)
