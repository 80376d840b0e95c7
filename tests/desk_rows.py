"""One row of every model with which clerks put money right, and of the network's models."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group

from accounts.models import Account, DataExport, Presence, SavedFilter, ServiceLine, Shadow, User
from delinquency.models import (
    AcceptedDifference,
    AccountHold,
    ApiRequest,
    ApiToken,
    ApiUse,
    Event,
    GraceLimit,
    GraceRequest,
    ImportFile,
    ImportMapping,
    ImportProblem,
    MassAction,
    MassItem,
    MonthFigures,
    OldState,
    ReportMailing,
    ReportSubscription,
    RunRequest,
    TaskRun,
    WebhookDelivery,
    WebhookEndpoint,
)  # fmt: skip
from invoicing.models import (
    Approval,
    BankFile,
    BankFileRow,
    Invoice,
    MoneyLimit,
    Payment,
    Payout,
    PayoutLine,
    RefundAttempt,
)  # fmt: skip
from netenforce.models import (
    AddressList,
    Device,
    DeviceReading,
    EnforcementAttempt,
    EnforcementTask,
    Hold,
    PaymentWindow,
    RadiusAnswer,
    ReleaseLimit,
    ReleaseRequest,
    SimulatedEntry,
)

NOON = datetime(2026, 1, 20, 17, tzinfo=UTC)  # 12:00 in New York


def make_desk_rows(account: Account, invoice: Invoice, payment: Payment) -> None:
    """Make a refund, a bank file with a row, a limit, and a request that waits for a second person."""
    RefundAttempt.objects.create(
        payment=payment, key="refund-1", amount=Decimal("1.00"), state="declined", settled_at=NOON, reason="Paid twice"
    )
    file = BankFile.objects.create(kind="transfers", name="january.csv", sha256="0" * 64)
    BankFileRow.objects.create(file=file, line=2, cells={"reference": "B-1", "received": "2026-01-20", "amount": "1"})
    MoneyLimit.objects.create(group=Group.objects.create(name="Tellers"), waive_max=Decimal(10))
    Approval.objects.create(
        kind="write_off", account=account, invoice=invoice, amount=Decimal("60.00"), reason_code="hardship",
        asked_by=User.objects.create_user("asker"), asked_at=NOON,
    )  # fmt: skip
    make_report_rows(payment)


def make_report_rows(payment: Payment) -> None:
    """Make what exports, kept filters, reports by e-mail and payouts leave behind."""
    reader = User.objects.create_user("report-reader", is_staff=True)
    DataExport.objects.create(
        source="accounts.account", title="accounts", file_name="a.csv", asked_by=reader, asked_at=NOON
    )
    SavedFilter.objects.create(owner=reader, source="accounts.account", name="All", query="q=1")
    one = ReportSubscription.objects.create(report="ageing", timezone="America/New_York", made_at=NOON)
    ReportMailing.objects.create(
        subscription=one, recipient=reader, first_on=NOON.date(), last_on=NOON.date(), due_at=NOON
    )
    payout = Payout.objects.create(
        provider="sandbox", provider_id="po_1", currency="USD", amount=Decimal("38.54"), made_at=NOON,
        arrives_on=NOON.date(),
    )  # fmt: skip
    PayoutLine.objects.create(
        payout=payout, provider_id="txn_1", kind="charge", about="P-1", gross=Decimal("40.00"), fee=Decimal("1.46"),
        net=Decimal("38.54"), happened_at=NOON, payment=payment,
    )  # fmt: skip


def make_run_rows(account: Account) -> None:
    """Make a run of a task, one that was asked for, and the figures of a month."""
    TaskRun.objects.create(task="delinquency.tick", first_at=NOON, last_at=NOON, count=3)
    RunRequest.objects.create(kind="check", state="done", asked_at=NOON, finished_at=NOON, words="3 accounts.")
    MonthFigures.objects.create(company=account.company, month=date(2026, 1, 1), made_at=NOON)


def make_import_rows(account: Account) -> None:
    """Make an imported file, its columns as they are remembered, and what an old system said."""
    file = ImportFile.objects.create(
        kind="accounts", source="ours", name="a.csv", sha256="0" * 64, size=9, content=b"x"
    )
    ImportProblem.objects.create(file=file, line=2, column="status", value="Gone", message="is no account status.")
    ImportMapping.objects.create(kind="accounts", source="ours", shape="0" * 64, mapping={})
    Shadow.objects.create(why="The old system bills until March", started_at=NOON, ended_at=NOON, ended_why="Live")
    OldState.objects.create(account=account, on=NOON.date(), status="Active", balance=Decimal("60.00"))
    AcceptedDifference.objects.create(account=account, field="status", ours="Active", theirs="OK", reason="The same")


def make_network_rows(account: Account, line: ServiceLine) -> None:
    """Make the rows that a restricted line leaves behind."""
    device = Device.objects.get(name="Edge 1")
    AddressList.objects.get_or_create(level="throttle", defaults={"name": "Delinquent"})
    Hold.objects.create(account=account, cause="non_payment", cause_key="case:1", level="throttle", why="unpaid")
    task = EnforcementTask.objects.create(
        line=line, device=device, level="throttle", restores=False, generation=1, why="unpaid", state="confirmed"
    )
    PaymentWindow.objects.create(
        account=account, key="attempt:1", why="the payment page was opened", opened_at=NOON,
        closes_at=NOON + timedelta(minutes=15), ended_at=NOON, ended_how="left",
    )  # fmt: skip
    EnforcementAttempt.objects.create(task=task, outcome="confirmed", read_back="throttle")
    SimulatedEntry.objects.create(device=device, address=line.ipv4, level="throttle", list_name="Delinquent")
    DeviceReading.objects.create(device=device, held=1, missing=1)
    RadiusAnswer.objects.create(device=device, username="rosa", session_id="8000-1", list_name="Delinquent")
    clerks = Group.objects.get_or_create(name="Clerks")[0]
    ReleaseLimit.objects.create(group=clerks, hours_max=24, releases_a_month=2)
    GraceLimit.objects.create(group=clerks, days_max=14, times_a_year=2)
    asker = User.objects.get_or_create(username="asker")[0]
    ReleaseRequest.objects.create(account=account, hours=48, reason="storm", asked_by=asker)
    GraceRequest.objects.create(account=account, until_on="2026-03-01", reason="storm", asked_by=asker)


def make_integrator_rows() -> None:
    """Make a token that was used, a webhook, and a call that waits for it."""
    group = Group.objects.get_or_create(name="Programs")[0]
    token = ApiToken.objects.create(
        name="Website", user=User.objects.create_user("api:Website"), role=group, prefix="abcd1234", digest="0" * 64
    )
    ApiUse.objects.create(token=token, minute_at=NOON, calls=3)
    ApiRequest.objects.create(token=token, key="k-1", what="POST /api/v1/payments", body_digest="0" * 64, status=201)
    endpoint = WebhookEndpoint.objects.create(name="CRM", url="https://crm.example.com/hook", kinds=["payment"])
    WebhookDelivery.objects.create(endpoint=endpoint, event=Event.objects.order_by("pk")[0], due_at=NOON)


def make_mass_rows(account: Account) -> None:
    """Make an action on many that waits to be looked at, and a hold that was ended."""
    planner = User.objects.create_user("planner")
    action = MassAction.objects.create(
        kind="hold", parameters={"until_on": "2026-01-26", "resume": "go_on"}, total=1, asked_at=NOON,
        asked_by=planner,
    )  # fmt: skip
    MassItem.objects.create(action=action, object_id=account.pk, account=account)
    Presence.objects.create(user=planner, page=f"account:{account.pk}", seen_at=NOON)
    AccountHold.objects.create(
        account=account, until_on=date(2026, 1, 19), reason="Storm", held_at=NOON, ended_at=NOON, ended_why="Up again"
    )
