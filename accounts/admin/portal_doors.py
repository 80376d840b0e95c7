"""The portal's doors: who asked to come in, who came in, and links that were closed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.access import close_doors
from accounts.models import Account, PortalDoor, PortalEntry, SignInRequest
from billing_project.kernel import clock

from .base import BAD, GOOD, NOTE, QUIET, HistoryAdmin, ReadOnlyAdmin, admin_link, local_time, staff_user, state_badge
from .confirm import ReasonForm, confirm_one

OUTCOME_TONES = {
    "waiting": NOTE, "sent": GOOD, "unknown": QUIET, "unreachable": BAD, "limited": BAD, "late": BAD, "failed": BAD,
}  # fmt: skip


class CloseLinksAction:
    """The button of an account's page that closes all its links."""

    def has_close_links_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Tell whether the user may close links."""
        return bool(request.user.has_perm("accounts.close_links"))

    @action(description="Close all links", icon="link_off", permissions=["close_links"])
    def close_links(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close every link that was sent to the customer so far, and sign every browser out."""

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            close_doors(account, data["reason"], by=staff_user(request))
            return f"All links of {account.number} are closed. “Send pay link” sends a new one."

        def words(account: Account) -> str:
            door = PortalDoor.objects.filter(account=account).first()
            before = f" They were closed before, on {_closed_before(account, door)}." if door else ""
            return (
                "Every link in a letter or text sent until now stops working, every code too, and whoever is signed in"
                f" is signed out. Links in later letters work. This cannot be undone.{before}"
            )

        return confirm_one(
            self, request, object_id, title="Close all links", submit="Close all links", form_class=ReasonForm,
            words=words, carry_out=carry_out, danger=True, facts=_entries,
        )  # fmt: skip


def _closed_before(account: Account, door: PortalDoor) -> str:
    """Return when and why the links were closed last, in the account's time."""
    return f"{clock.local(door.closed_at, account.timezone):%Y-%m-%d %H:%M}: {door.why}"


def _entries(account: Account) -> list[str]:
    """Say when the customer came in last, so that a stranger's entry is noticed."""
    rows = PortalEntry.objects.filter(account=account).order_by("-at")[:5]
    return [
        f"Came in on {clock.local(row.at, account.timezone):%Y-%m-%d %H:%M} by {row.get_door_display()}" for row in rows
    ] or ["Nobody has come in yet."]


@admin.register(SignInRequest)
class SignInRequestAdmin(ReadOnlyAdmin):
    """Who asked for a link and a code within the last day. What was typed, and the code, are not kept."""

    list_display = ("when", "outcome_shown", "account_shown", "channel", "tries", "used")
    list_select_related = ("account",)
    list_filter = ("outcome", "channel")
    search_fields = ("account__number", "account__name")
    search_help_text = "Number or name of the account."
    date_hierarchy = "asked_at"
    empty_words = "Nobody asked for a link today. Requests are kept for a day."
    fields = ("when", "outcome_shown", "account_shown", "channel", "tries", "used")
    readonly_fields = ("when", "outcome_shown", "account_shown", "used")

    @admin.display(description="when (UTC)", ordering="asked_at")
    def when(self, row: SignInRequest) -> SafeString | str:
        """Return when it was asked for."""
        return local_time(row.asked_at)

    @admin.display(description="outcome", ordering="outcome")
    def outcome_shown(self, row: SignInRequest) -> SafeString:
        """Return the outcome in words and colour."""
        return state_badge(row, OUTCOME_TONES, "outcome")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: SignInRequest) -> SafeString | str:
        """Return the account as a link, where one is known."""
        return admin_link(row.account) if row.account else "–"

    @admin.display(description="came in (UTC)", ordering="used_at")
    def used(self, row: SignInRequest) -> SafeString | str:
        """Return when its code was used."""
        return local_time(row.used_at) if row.used_at else "–"


@admin.register(PortalEntry)
class PortalEntryAdmin(ReadOnlyAdmin):
    """When customers came in, and by which door."""

    list_display = ("when", "account_shown", "door")
    list_select_related = ("account",)
    list_filter = ("door",)
    search_fields = ("account__number", "account__name")
    search_help_text = "Number or name of the account."
    date_hierarchy = "at"
    empty_words = "No customer has opened the portal yet. “Send pay link” on an account's page sends a link."
    empty_link = ("Accounts", "admin:accounts_account_changelist")
    fields = ("when", "account_shown", "door")
    readonly_fields = ("when", "account_shown")

    @admin.display(description="when", ordering="at")
    def when(self, row: PortalEntry) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(row.at, row.account.timezone)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: PortalEntry) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)


@admin.register(PortalDoor)
class PortalDoorAdmin(HistoryAdmin):
    """Accounts whose links were closed: until when, and why. The history keeps each time."""

    may_add = False
    may_change = False
    list_display = ("account_shown", "closed", "why", "times")
    list_select_related = ("account",)
    search_fields = ("account__number", "account__name", "why")
    search_help_text = "Number or name of the account, or words of the reason."
    date_hierarchy = "closed_at"
    empty_words = "No links were closed. “Close all links” on an account's page does it, and so can the customer."
    empty_link = ("Accounts", "admin:accounts_account_changelist")
    fields = ("account_shown", "closed", "why", "times")
    readonly_fields = ("account_shown", "closed")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: PortalDoor) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)

    @admin.display(description="closed", ordering="closed_at")
    def closed(self, row: PortalDoor) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(row.closed_at, row.account.timezone)
