"""The home page: today's numbers, each one click from its rows; ageing; what happened last."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.base import local_time, staff_user
from accounts.models import Account, Attention, Notice
from accounts.queries import open_stops
from billing_project.kernel import clock
from delinquency.models import AirbagTrip, CallTask, Event, Standing, Sweep, Ticket
from delinquency.ticketing import counts
from invoicing.admin.lateness import BUCKETS, bucket, open_around_today, past_due, with_days_late
from invoicing.models import BankFile, BillingRun, Invoice, Payment, PaymentAttempt
from invoicing.operations import approvals
from netenforce.models import Device, LineState

from .journal import event_badge

LAST_EVENTS = 12
WAITING = "queued,claimed,sending"
# The hourly tick and the five-minute check are late when they are older than this.
TICK_HOURS_MAX, CHECK_HOURS_MAX = 2, 1


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the day, and where its rows are."""

    words: str
    count: int
    url: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the ageing chart, in the chart's own units."""

    words: str
    amount: Decimal
    count: int
    url: str
    x: int
    y: int
    height: int
    tone: str


@dataclass(frozen=True, slots=True)
class Ageing:
    """What is unpaid in one currency, by how late it is."""

    currency: str
    bars: tuple[Bar, ...]
    total: Decimal
    count: int


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows; the number of queries does not depend on the number of rows."""
    if not request.user.has_perm("accounts.view_account"):
        return context
    return {
        **context,
        "title": "Today",
        "groups": (
            ("Money", _money_numbers(request)),
            ("Delinquency", _delinquency_numbers()),
            ("Needs a person", _attention_numbers()),
        ),
        "ticks": _ticks(),
        "brakes": _brakes(request),
        "desk": _desk(request),
        "till_url": _till(request),
        "ageing": _ageing(),
        "last_events": _last_events(),
        "events_url": reverse("admin:delinquency_event_changelist"),
    }


def _list(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def _money_numbers(request: HttpRequest) -> list[Number]:
    due = open_around_today(Invoice.objects.all()).count()
    late = past_due(Invoice.objects.all()).aggregate(n=Count("pk"), accounts=Count("account", distinct=True))
    attempts = PaymentAttempt.objects.aggregate(
        unknown=Count("pk", filter=Q(state="unknown")), parked=Count("pk", filter=Q(state="parked"))
    )
    return [
        Number("due today", due, _list("invoicing_invoice", "late=today")),
        Number("past due", late["n"], _list("invoicing_invoice", "late=yes"), "warn" if late["n"] else "",
               f"of {late['accounts']} accounts"),
        Number("charges of unknown outcome", attempts["unknown"], _list("invoicing_paymentattempt",
        "state__exact=unknown"),
               "bad" if attempts["unknown"] else ""),
        Number("charges parked", attempts["parked"], _list("invoicing_paymentattempt", "state__exact=parked"),
               "bad" if attempts["parked"] else ""),
        *_waiting_numbers(request),
    ]  # fmt: skip


def _waiting_numbers(request: HttpRequest) -> list[Number]:
    """Return what waits for this user as the second person, and the bank files that were not recorded yet."""
    user, found = staff_user(request), []
    if user.has_perm(approvals.RIGHT_TO_DECIDE):
        waiting = approvals.waiting_for(user)
        words = "requests wait for a second person"
        found.append(Number(words, waiting, _list("invoicing_approval", "waits=me"), "warn" if waiting else ""))
    if user.has_perm("invoicing.record_payment"):
        drafts = BankFile.objects.filter(state=BankFile.State.DRAFT).count()
        words = "bank files to record"
        found.append(Number(words, drafts, _list("invoicing_bankfile", "state__exact=draft"), "warn" if drafts else ""))
        since = clock.now() - timedelta(days=7)
        back = Payment.objects.filter(reversed_at__gte=since).exclude(reversed_as=Payment.Reversal.MISTAKE).count()
        words = "payments came back in 7 days"
        found.append(Number(words, back, _list("invoicing_payment", "back=week"), "bad" if back else ""))
    return found


def _till(request: HttpRequest) -> str:
    """Return where somebody who may take money finds the account that it is for (K4)."""
    may = request.user.has_perm("invoicing.record_payment")
    return reverse("admin:accounts_account_take_payment") if may else ""


def _delinquency_numbers() -> list[Number]:
    standings = Standing.objects.aggregate(
        delinquent=Count("pk", filter=Q(delinquent_since__isnull=False)),
        flagged=Count("pk", filter=Q(flagged_on__isnull=False)),
    )
    lines = LineState.objects.aggregate(
        restricted=Count("line__account", distinct=True, filter=~Q(desired_level="open")),
        unrestored=Count("line__account", distinct=True, filter=Q(desired_level="open") & ~Q(observed_level="open")),
        differ=Count("pk", filter=~Q(desired_level=F("observed_level"))),
    )
    return [
        Number("accounts delinquent", standings["delinquent"], _list("accounts_account", "standing=delinquent"),
               "bad" if standings["delinquent"] else ""),
        Number("accounts restricted", lines["restricted"], _list("accounts_account", "standing=restricted"),
               "warn" if lines["restricted"] else ""),
        Number("free to go, still blocked", lines["unrestored"], _list("accounts_account", "standing=unrestored"),
               "bad" if lines["unrestored"] else "good", "must be 0"),
        Number("accounts flagged", standings["flagged"], _list("accounts_account", "standing=flagged")),
        Number("lines not confirmed", lines["differ"], _list("netenforce_linestate", "agreement=no"),
               "warn" if lines["differ"] else ""),
    ]  # fmt: skip


def _attention_numbers() -> list[Number]:
    notices = Notice.objects.filter(state__in=["queued", "claimed", "sending", "parked", "ambiguous"]).aggregate(
        waiting=Count("pk", filter=Q(state__in=WAITING.split(","))),
        parked=Count("pk", filter=Q(state="parked")), ambiguous=Count("pk", filter=Q(state="ambiguous")),
    )  # fmt: skip
    open_rows = Attention.objects.filter(resolved_at__isnull=True).count()
    tickets = Ticket.objects.exclude(state="closed").count()
    calls = CallTask.objects.filter(outcome="waiting").count()
    parked = Account.objects.filter(parked_at__isnull=False).count()
    failing = Device.objects.filter(failing_since_at__isnull=False).count()
    notice, bad = "accounts_notice", "bad"
    return [
        Number("exceptions", open_rows, _list("accounts_attention", "state=open"), bad if open_rows else "good"),
        Number("open tickets", tickets, _list("delinquency_ticket", "view=open"),
        "warn" if tickets else ""),
        Number("calls to make", calls, _list("delinquency_calltask", "outcome__exact=waiting"),
        "warn" if calls else ""),
        Number("accounts parked", parked, _list("accounts_account", "standing=parked"), bad if parked else ""),
        Number("devices failing", failing, _list("netenforce_device", "failing_since_at__isnull=False"),
        bad if failing else ""),
        Number("notices waiting", notices["waiting"], _list(notice, f"state__in={WAITING}")),
        Number("notices parked", notices["parked"], _list(notice, "state__exact=parked"),
        bad if notices["parked"] else ""),
        Number("notices ambiguous", notices["ambiguous"], _list(notice, "state__exact=ambiguous"),
               "warn" if notices["ambiguous"] else ""),
    ]  # fmt: skip


def _desk(request: HttpRequest) -> dict[str, Any]:
    """Return what the ticket desk holds for the user, and the button for the next ticket (H6)."""
    if not request.user.has_perm("delinquency.change_ticket"):
        return {}
    found = counts(staff_user(request), clock.now())
    return {"next_url": reverse("admin:delinquency_ticket_next"), "list_url": _list("delinquency_ticket"), **found}


def _brakes(request: HttpRequest) -> dict[str, str]:
    """Return the global pause and the airbag in one sentence each, and where to press."""
    stops = open_stops()
    pause = next((stop for stop in stops if not stop.is_shadow), None)
    held = AirbagTrip.objects.filter(state__in=AirbagTrip.OPEN).annotate(n=Count("steps")).order_by("pk")
    words = [stop.words for stop in stops] or ["Nothing is paused: letters, charges and network orders go out."]
    words += [f"The airbag holds {trip.n} steps of {trip.on}: {trip.get_kind_display()}." for trip in held]
    may = request.user.has_perm("accounts.change_pause")
    return {
        "words": " ".join(words if held else [*words, "The airbag holds nothing."]),
        "pause_url": reverse("admin:accounts_pause_pause") if may and pause is None else "",
        "resume_url": reverse("admin:accounts_pause_resume") if may and pause is not None else "",
        "airbag_url": _list("delinquency_airbagtrip"),
    }


def _ticks() -> list[dict[str, Any]]:
    found = []
    for words, row, url, hours in (
        (
            "Last billing tick",
            BillingRun.objects.order_by("-tick_at").first(),
            "invoicing_billingrun",
            TICK_HOURS_MAX,
        ),
        (
            "Last delinquency check",
            Sweep.objects.order_by("-tick_at").first(),
            "delinquency_sweep",
            CHECK_HOURS_MAX,
        ),
    ):
        age = (clock.now() - row.tick_at).total_seconds() / 3600 if row else None
        found.append(
            {
                "words": words, "url": _list(url), "at": local_time(row.tick_at) if row else "never",
                "tone": "good" if age is not None and age <= hours else "warn",
                "state": "on time" if age is not None and age <= hours else "late" if row else "not yet",
            }
        )  # fmt: skip
    return found


def _ageing() -> list[Ageing]:
    """Return what is unpaid by currency and lateness, in one query; the sums are those of the ledger's invoices."""
    rows = (
        with_days_late(Invoice.objects.filter(state="open"))
        .order_by()
        .values(currency=F("account__company__currency"))
        .annotate(
            **{
                f"sum_{place}": Sum("remaining", filter=bucket(low, high))
                for place, (_n, _w, low, high) in enumerate(BUCKETS)
            },
            **{
                f"count_{place}": Count("pk", filter=bucket(low, high))
                for place, (_n, _w, low, high) in enumerate(BUCKETS)
            },
        )
        .order_by("currency")
    )
    return [_chart(row) for row in rows]


CHART_HEIGHT, BAR_STEP, BAR_FOOT = 120, 92, 150
TONES = ("good", "warn", "warn", "bad", "bad")


def _chart(row: dict[str, Any]) -> Ageing:
    sums = [row[f"sum_{place}"] or Decimal("0.00") for place in range(len(BUCKETS))]
    counts = [row[f"count_{place}"] for place in range(len(BUCKETS))]
    tallest = max(sums) or Decimal(1)
    bars = []
    for place, (name, words, _low, _high) in enumerate(BUCKETS):
        # One unit at least for an amount that is there, so that no bar is hidden.
        height = max(int(sums[place] / tallest * CHART_HEIGHT), 1 if sums[place] else 0)
        bars.append(
            Bar(
                words, sums[place], counts[place], _list("invoicing_invoice", f"late={name.replace('+', '%2B')}"),
                x=place * BAR_STEP + 12, y=BAR_FOOT - height, height=height, tone=TONES[place],
            )
        )  # fmt: skip
    return Ageing(row["currency"], tuple(bars), sum(sums, Decimal("0.00")), sum(counts))


def _last_events() -> list[dict[str, Any]]:
    events = Event.objects.select_related("account__company", "invoice").order_by("-pk")[:LAST_EVENTS]
    return [
        {
            "on": event.on, "account": event.account, "what": event_badge(event.kind), "why": event.why,
            "amount": event.amount,
            "currency": event.account.company.currency,
            "url": reverse("admin:accounts_account_change", args=[event.account_id]),
        }
        for event in events
    ]  # fmt: skip
