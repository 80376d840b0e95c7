"""How much more time a role may give alone, and what waits for a second person (A9, SEC-21)."""

from django.contrib import admin

from accounts.admin.fresh import LimitAdmin
from accounts.admin.second_person import SecondPersonAdmin
from billing_project.kernel import clock
from delinquency.extensions import given_on
from delinquency.models import GraceLimit, GraceRequest
from delinquency.operations import asked_time


@admin.register(GraceLimit)
class GraceLimitAdmin(LimitAdmin):
    """How many days at once, and how often, a role may give more time alone; only superusers change it."""

    list_display = ("group", "days_max", "times_a_year")
    list_select_related = ("group",)
    search_fields = ("group__name",)
    empty_words = (
        "No role may give more time alone: every extension and promise waits for a second person. Add a limit for a"
        " role."
    )


@admin.register(GraceRequest)
class GraceRequestAdmin(SecondPersonAdmin):
    """More time and promises above somebody's limit."""

    operations = asked_time
    done = "Approved; the time is given."
    empty_words = (
        "Nobody has asked for more time above their limit. Limits are set by role; a date or a promise beyond one waits"
        " here for a second person."
    )
    empty_link = ("Grace limits", "admin:delinquency_gracelimit_changelist")

    def facts_of(self, row: GraceRequest) -> list[str]:
        """Return the reason, the length, and how often the account got more time."""
        today = clock.today(row.account.timezone)
        given = given_on(row.account, today)
        days = ", ".join(str(on) for on in given)
        facts = [
            f"Reason: {row.reason}",
            f"Protected through the day before {row.until_on}: {max((row.until_on - today).days, 0)} days from today.",
            f"More time in the last 12 months: {len(given)} ({days})." if given else
            "No more time in the last 12 months.",
        ]  # fmt: skip
        if row.lift_now:
            facts.append("Lift now: a running case ends and the line opens at once; that cannot be undone (A8).")
        return facts
