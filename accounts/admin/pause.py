"""The global pause: one button that stops everything outside, one that goes on."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts import operations
from accounts.models import Pause
from accounts.queries import PAUSE, open_stops

from .base import BAD, QUIET, HistoryAdmin, badge, local_time, staff_user
from .confirm import confirm_whole

STOPS = (
    "No letter, message or call goes out, no card or bank account is charged, and no line is changed: nobody is cut,"
    " and nobody who has paid gets the line back either, until everything is resumed. What is in the air at this moment"
    " still arrives. Bills, checks and decisions go on and wait in the queues. Customers can go on paying in the"
    " portal by themselves; their payments are recorded."
)
GOES_ON = (
    "What waits in the queues goes out now: first the lines of those who have paid, then charges, then letters. Each"
    " cut and each letter is asked about once more before it leaves: what was paid meanwhile is not sent."
)


@admin.register(Pause)
class PauseAdmin(HistoryAdmin):
    """When everything was stopped, by whom, and why it could go on."""

    may_add = False
    may_change = False
    list_display = ("started", "state", "why", "started_by", "ended", "ended_by", "ended_why")
    list_select_related = ("started_by", "ended_by")
    search_fields = ("why", "ended_why")
    date_hierarchy = "started_at"
    actions_list = ("pause", "resume")
    fields = ("state", "started", "started_by", "why", "ended", "ended_by", "ended_why")
    readonly_fields = fields
    empty_words = (
        "Nothing was ever paused. “Pause everything” above stops all letters, charges and network orders"
        " within seconds."
    )

    @admin.display(description="since (UTC)", ordering="started_at")
    def started(self, pause: Pause) -> SafeString | str:
        """Return when it began."""
        return local_time(pause.started_at)

    @admin.display(description="until (UTC)", ordering="ended_at")
    def ended(self, pause: Pause) -> SafeString | str:
        """Return when it ended."""
        return local_time(pause.ended_at)

    @admin.display(description="state", ordering="ended_at")
    def state(self, pause: Pause) -> SafeString:
        """Tell whether it is on."""
        return badge("over", QUIET) if pause.ended_at else badge("everything is paused", BAD)

    @action(description="Pause everything", icon="front_hand", permissions=["operate"])
    def pause(self, request: HttpRequest) -> HttpResponse:
        """Ask why, and stop everything outside."""

        def carry_out(data: dict[str, Any]) -> str:
            operations.pause_everything(reason=data["reason"], by=staff_user(request))
            return "Everything is paused. Nothing leaves the program until it is resumed."

        return confirm_whole(
            self, request, title="Pause everything", words=STOPS, submit="Pause everything", danger=True,
            carry_out=carry_out,
        )  # fmt: skip

    @action(description="Resume", icon="play_arrow", permissions=["operate"])
    def resume(self, request: HttpRequest) -> HttpResponse:
        """Ask what made it safe, and let everything go on."""

        def carry_out(data: dict[str, Any]) -> str:
            operations.resume_everything(reason=data["reason"], by=staff_user(request))
            return "Resumed. What waited goes out now, restored lines first."

        return confirm_whole(
            self, request, title="Resume everything", words=GOES_ON, submit="Resume", carry_out=carry_out
        )

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        """Offer the one of the two buttons that makes sense now."""
        found: list[Any] = super().get_actions_list(request)
        wanted = "resume" if any(stop.kind == PAUSE for stop in open_stops()) else "pause"
        return [button for button in found if button.path == wanted]
