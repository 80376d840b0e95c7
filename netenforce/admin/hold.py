"""Holds: why lines are restricted, and the buttons that restrict and free by hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import QUIET, WARN, ReadOnlyAdmin, admin_link, badge, local_time, number_of, staff_user
from accounts.admin.confirm import ReasonForm, confirm_one
from accounts.models import Account
from billing_project.kernel import clock
from netenforce.models import Hold
from netenforce.models.hold import Level
from netenforce.operations.by_hand import (
    CAUSES,
    after_lifting,
    after_placing,
    lift_by_hand,
    place_by_hand,
    why_not_lifted,
)
from netenforce.queries import active_holds, ending_holds

from .device import level_badge
from .enforcement import open_windows, windows_of
from .window import OpenWindowButton

CAUSE_CHOICES = [(str(value), str(value.label)) for value in CAUSES]
RESTRICT_WORDS = (
    "All lines of the account are restricted, beside whatever restricts them already: the hardest counts, and lifting"
    " one leaves the others. It goes to the devices at once."
)


class LocalMomentField(forms.DateTimeField):
    """A moment picked with the browser's own calendar, in the account's time."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def to_python(self, value: Any) -> datetime | None:
        """Return what was picked, without a zone: the account's is put to it by the form."""
        found = super().to_python(value)
        return found.replace(tzinfo=None) if found is not None else None


class RestrictForm(ReasonForm):
    """Ask why, how hard, and until when a line is restricted by hand."""

    field_order = ("cause", "level", "until", "reason")
    cause = forms.ChoiceField(label="For", choices=CAUSE_CHOICES)
    level = forms.ChoiceField(
        choices=[choice for choice in Level.choices if choice[0] != Level.OPEN],
        help_text="What can still be reached: everything but slowly, the payment page only, or nothing.",
    )
    until = LocalMomentField(required=False)

    def __init__(self, *args: Any, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone
        self.fields["until"].help_text = f"In {zone}. It lifts by itself then; blank: until somebody lifts it."

    def clean(self) -> dict[str, Any]:
        """Put the account's zone to the moment."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        local = found.get("until")
        found["until_at"] = clock.instant(local, self.zone) if local is not None else None
        return found


def _restrict(account: Account, data: Mapping[str, Any], request: HttpRequest) -> str:
    hold = place_by_hand(
        account, cause=data["cause"], level=data["level"], reason=data["reason"], until_at=data["until_at"],
        by=staff_user(request),
    )  # fmt: skip
    now_is = Level(after_placing(account, hold.level)).label
    return f"Restricted for {hold.get_cause_display()}. The account's lines should be {now_is} now."


class RestrictAction:
    """The button of an account's page that restricts its lines by hand."""

    def has_restrict_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may restrict lines by hand, and free them."""
        return bool(request.user.has_perm("netenforce.place_hold"))

    @action(description="Restrict the line", icon="pan_tool", permissions=["restrict"])
    def restrict_line(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for cause, level, end and reason, and restrict the account's lines."""
        desk = cast(Any, self)
        return confirm_one(
            desk, request, object_id, title="Restrict the line", submit="Restrict", form_class=RestrictForm,
            danger=True, words=RESTRICT_WORDS, form_kwargs=lambda account: {"zone": account.timezone},
            carry_out=lambda account, data: _restrict(account, data, request),
            facts=lambda account: _in_force(active_holds([account.pk]).get(account.pk, []), account.timezone),
        )  # fmt: skip


def _in_force(holds: list[Hold], zone: str) -> list[str]:
    """Return one sentence for each hold, or that there is none."""
    told = []
    for hold in holds:
        since = f"since {_moment(hold.placed_at, zone)}{_end(hold, zone)}"
        told.append(f"{hold.get_cause_display()}: {hold} ({since})")
    return told or ["Nothing restricts it now: the lines are open."]


def _moment(at: datetime, zone: str) -> str:
    return f"{clock.local(at, zone):%Y-%m-%d %H:%M}"


def _end(hold: Hold, zone: str) -> str:
    return f", until {_moment(hold.until_at, zone)}" if hold.until_at else ""


class InForceFilter(admin.SimpleListFilter):
    """Holds in force, or lifted ones."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("active", "in force"), ("lifted", "lifted")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Hold]) -> QuerySet[Hold]:
        """Narrow the list."""
        if self.value() in ("active", "lifted"):
            return rows.filter(lifted_at__isnull=self.value() == "active")
        return rows


class EndingFilter(admin.SimpleListFilter):
    """Holds that lift by themselves soon."""

    title = "end"
    parameter_name = "ending"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("week", "ends within 7 days")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Hold]) -> QuerySet[Hold]:
        """Narrow the list."""
        return ending_holds(rows) if self.value() == "week" else rows


@admin.register(Hold)
class HoldAdmin(OpenWindowButton, ReadOnlyAdmin):
    """Reasons to restrict an account's lines; lifting one leaves the others."""

    list_display = ("account_shown", "level_shown", "cause", "why", "placed", "until", "state")
    list_select_related = ("account",)
    list_filter = (InForceFilter, EndingFilter, "level", "cause")
    search_fields = ("account__number", "account__name", "why")
    date_hierarchy = "placed_at"
    empty_words = "Nobody's line is held back. A clerk restricts one with “Restrict the line” on an account's page."
    fields = (
        "account_shown", "level_shown", "cause", "why", "placed", "placed_by", "until", "state", "how_it_ends",
        "lifted_why", "lifted_by", "cause_key",
    )  # fmt: skip
    readonly_fields = ("account_shown", "level_shown", "placed", "until", "state", "how_it_ends")
    actions_detail = ("lift", "open_payment_window")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        """Read the running payment windows along."""
        rows: QuerySet[Hold] = super().get_queryset(request)
        return rows.prefetch_related(open_windows("account__payment_windows"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to lift only what is lifted by hand."""
        found: list[Any] = super().get_actions_detail(request, object_id)
        hold = Hold.objects.filter(pk=number_of(object_id)).first()
        fits = hold is not None and why_not_lifted(hold) is None
        return [button for button in found if fits or button.path != "lift"]

    @action(description="Lift", icon="lock_open_right", permissions=["operate"])
    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, say what the line will be then, and lift this hold alone."""

        def carry_out(hold: Hold, data: dict[str, Any]) -> str:
            lift_by_hand(hold, reason=data["reason"], by=staff_user(request))
            return f"Lifted. {_after_words(hold)}"

        return confirm_one(
            self, request, object_id, title="Lift this restriction", submit="Lift it", carry_out=carry_out,
            words=lambda hold: f"Restricted for {hold.get_cause_display()}: {hold.why}",
            facts=lambda hold: [_after_words(hold), *_in_force(after_lifting(hold)[1], hold.account.timezone)[:20]],
        )  # fmt: skip

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, hold: Hold) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(hold.account)

    @admin.display(description="level", ordering="level")
    def level_shown(self, hold: Hold) -> SafeString:
        """Return how hard it restricts."""
        return level_badge(hold.level)

    @admin.display(description="placed", ordering="placed_at")
    def placed(self, hold: Hold) -> SafeString | str:
        """Return since when, in the account's time."""
        return local_time(hold.placed_at, hold.account.timezone)

    @admin.display(description="until", ordering="until_at")
    def until(self, hold: Hold) -> SafeString | str:
        """Return when it lifts by itself, in the account's time."""
        return local_time(hold.until_at, hold.account.timezone)

    @admin.display(description="how it ends")
    def how_it_ends(self, hold: Hold) -> str:
        """Return what ends it, in words."""
        refusal = why_not_lifted(hold)
        if refusal is not None:
            return refusal.words
        by_itself = f"By itself on {_moment(hold.until_at, hold.account.timezone)}, or" if hold.until_at else "Only"
        return f"{by_itself} when somebody presses “Lift” here, with a reason."

    @admin.display(description="state", ordering="lifted_at")
    def state(self, hold: Hold) -> SafeString:
        """Tell whether it is in force, and until when it rests for a payment."""
        if hold.lifted_at:
            return badge("lifted", QUIET)
        resting = hold.over_money and windows_of(hold.account)
        return format_html("{} {}", badge("in force", WARN), resting or "")


def _after_words(hold: Hold) -> str:
    level, left = after_lifting(hold)
    if level == Level.OPEN:
        rests = " while the window runs" if left else ""
        return f"After that the account's lines are open{rests}; the devices are told at once."
    causes = ", ".join(dict.fromkeys(str(other.get_cause_display()) for other in left))
    return f"After that the account's lines are still {Level(level).label}, for what else restricts them: {causes}."
