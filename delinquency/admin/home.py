"""The home page: what each role looks at first; today's numbers, each one click from its rows; what happened last."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.base import local_time, staff_user
from accounts.models import User
from accounts.queries import open_stops
from billing_project.kernel import clock
from delinquency.counting import count_all
from delinquency.models import AirbagTrip, Event, Sweep
from delinquency.reports.unpaid import ageing
from delinquency.runs import Line, lines
from invoicing.models import BillingRun

from .figures import parts
from .home_numbers import BAD, DESK, GOOD, LATE, MONEY, PEOPLE, Number, asked_by, grouped
from .home_setup import steps_to_do
from .journal import event_badge

LAST_EVENTS = 12
# The hourly tick and the five-minute check are late when they are older than this.
TICK_HOURS_MAX, CHECK_HOURS_MAX = 2, 1
MANAGES, TAKES_MONEY, ANSWERS = "delinquency.run_sweep", "invoicing.record_payment", "delinquency.work_ticket"
# What stands first on the page, for who: the pieces are templates, the rest groups of numbers.
ORDERS = {
    MANAGES: (("setup", "brakes"), (PEOPLE, MONEY, LATE, DESK), ("desk", "till")),
    TAKES_MONEY: (("till",), (MONEY, LATE, PEOPLE, DESK), ("desk", "brakes")),
    ANSWERS: (("desk", "find"), (DESK, LATE, PEOPLE, MONEY), ()),
    "": ((), (MONEY, LATE, PEOPLE, DESK), ("look",)),
}


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows; the number of queries does not depend on the number of rows."""
    if not request.user.has_perm("accounts.view_account"):
        return context
    user = staff_user(request)
    right = next((right for right in (MANAGES, TAKES_MONEY, ANSWERS) if user.has_perm(right)), "")
    first, groups, then = ORDERS[right]
    numbers = _numbers(user)
    return {
        **context,
        "title": "Today",
        "first": [f"admin/home_{piece}.html" for piece in first],
        "groups": [(heading, numbers[heading]) for heading in groups if heading in numbers],
        "then": [f"admin/home_{piece}.html" for piece in then],
        "steps": steps_to_do(user) if "setup" in first else (),
        "ticks": _ticks(),
        "brakes": _brakes(request),
        "desk": _desk(user, numbers),
        "till_url": reverse("admin:accounts_account_take_payment") if user.has_perm(TAKES_MONEY) else "",
        "runs_url": reverse("admin:delinquency_taskrun_runs"),
        "ageing": ageing(_list("invoicing_invoice")),
        "figures": parts() if right in (MANAGES, "") else (),
        "shows_charts": right in (MANAGES, ""),
        "last_events": _last_events(),
        "events_url": _list("delinquency_event"),
    }


def _list(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def _numbers(user: User) -> dict[str, list[Number]]:
    """Return the numbers by group, all counted in one query, and the runs of the timetable that are late."""
    asked = asked_by(user)
    counts = count_all({words: one.rows(user) for words, one in asked.items()})
    found = grouped(asked, counts)
    wrong = [line for line in lines(clock.now()) if line.is_wrong]
    number = Number(
        "runs missed or failed", len(wrong), reverse("admin:delinquency_taskrun_runs") + "?state=wrong",
        BAD if wrong else GOOD, _which(wrong),
    )  # fmt: skip
    found[PEOPLE].append(number)
    return found


def _which(wrong: list[Line]) -> str:
    """Name the first task that is late, and since when."""
    if not wrong:
        return ""
    run = wrong[0].last
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{wrong[0].entry.words}{more}, last ran {run.last_at:%Y-%m-%d %H:%M} UTC" if run else ""


def _desk(user: User, numbers: dict[str, list[Number]]) -> dict[str, Any]:
    """Return what the ticket desk holds for the user, and the button for the next ticket (H6)."""
    if not user.has_perm(ANSWERS):
        return {}
    by_words = {number.words: number.count for number in numbers[DESK]}
    return {
        "next_url": reverse("admin:delinquency_ticket_next"), "list_url": _list("delinquency_ticket"),
        "calls_url": reverse("admin:delinquency_calltask_worklist"), "mine": by_words["my tickets"],
        "unowned": by_words["unowned tickets in my queues"], "late": by_words["answers are late"],
        "calls": by_words["calls to make"],
    }  # fmt: skip


def _brakes(request: HttpRequest) -> dict[str, str]:
    """Return the global pause and the airbag in one sentence each, and where to press."""
    stops = open_stops()
    pause = next((stop for stop in stops if not stop.is_shadow), None)
    held = AirbagTrip.objects.filter(state__in=AirbagTrip.OPEN).annotate(n=Count("steps")).order_by("pk")
    words = [stop.words for stop in stops] or ["Nothing is paused: letters, charges and network orders go out."]
    words += [f"The airbag holds {trip.n} steps of {trip.on}: {trip.get_kind_display()}." for trip in held]
    may = request.user.has_perm("accounts.pause_everything")
    return {
        "words": " ".join(words if held else [*words, "The airbag holds nothing."]),
        "pause_url": reverse("admin:accounts_pause_pause") if may and pause is None else "",
        "resume_url": reverse("admin:accounts_pause_resume") if may and pause is not None else "",
        "airbag_url": _list("delinquency_airbagtrip"),
    }


def _ticks() -> list[dict[str, Any]]:
    found = []
    for words, row, url, hours in (
        ("Last billing tick", BillingRun.objects.order_by("-tick_at").first(), "invoicing_billingrun", TICK_HOURS_MAX),
        ("Last delinquency check", Sweep.objects.order_by("-tick_at").first(), "delinquency_sweep", CHECK_HOURS_MAX),
    ):
        age = (clock.now() - row.tick_at).total_seconds() / 3600 if row else None
        on_time = age is not None and age <= hours
        found.append(
            {
                "words": words, "url": _list(url), "at": local_time(row.tick_at) if row else "never",
                "tone": "good" if on_time else "warn",
                "state": "on time" if on_time else "late" if row else "not yet",
            }
        )  # fmt: skip
    return found


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
