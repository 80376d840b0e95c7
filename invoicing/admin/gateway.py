"""What the payment gateway reports to us, and the pages on which customers add cards."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    NOTHING,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    admin_link,
    badge,
    local_time,
    money,
    state_badge,
)  # fmt: skip
from accounts.admin.confirm import confirm_one, confirm_pass
from billing_project.kernel import clock
from invoicing.models import GatewayEvent, GatewayPoll, Payment, PaymentAttempt, SandboxPage, SourcePage
from invoicing.operations.gateway_events import handle_again, process_events

EVENT_TONES = {"queued": NOTE, "claimed": NOTE, "done": GOOD, "parked": BAD}
PAGE_TONES = {"open": NOTE, "done": GOOD, "left": QUIET}


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnlyAdmin):
    """Reports of the gateway. Each is a reason to ask how something stands there; what came of that is beside it."""

    list_display = ("type", "object_id", "received", "state_shown", "outcome")
    list_filter = ("state", "provider", "type")
    search_fields = ("event_id", "object_id")
    date_hierarchy = "received_at"
    actions_list = ("handle_now",)
    actions_detail = ("handle_once_more",)
    empty_words = (
        "No gateway has reported anything. The sandbox never does; Stripe does once an endpoint is made in its"
        " dashboard (docs/payments.md)."
    )
    fields = (
        "provider", "event_id", "type", "object_id", "ours", "happened", "received", "state_shown", "tries", "due",
        "outcome",
    )  # fmt: skip
    readonly_fields = ("ours", "happened", "received", "state_shown", "due")

    @admin.display(description="happened (UTC)")
    def happened(self, event: GatewayEvent) -> SafeString | str:
        """Return when it happened at the gateway."""
        return local_time(event.happened_at)

    @admin.display(description="received (UTC)", ordering="received_at")
    def received(self, event: GatewayEvent) -> SafeString | str:
        """Return when it arrived here."""
        return local_time(event.received_at)

    @admin.display(description="tried again (UTC)")
    def due(self, event: GatewayEvent) -> SafeString | str:
        """Return when it is tried again, if it waits."""
        return local_time(event.due_at) if event.state == GatewayEvent.State.QUEUED else NOTHING

    @admin.display(description="state", ordering="state")
    def state_shown(self, event: GatewayEvent) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(event, EVENT_TONES)

    @admin.display(description="here")
    def ours(self, event: GatewayEvent) -> SafeString | str:
        """Return the payment or the attempt that it is about, if it is one of ours."""
        payment = Payment.objects.filter(reference=event.object_id).first() if event.object_id else None
        if payment is not None:
            return admin_link(payment)
        rows = PaymentAttempt.objects.exclude(provider_id="", page_id="")
        found = rows.filter(provider_id=event.object_id).first() or rows.filter(page_id=event.object_id).first()
        return admin_link(found) if event.object_id and found is not None else NOTHING

    @action(description="Handle what waits", icon="bolt", permissions=["operate"])
    def handle_now(self, request: HttpRequest) -> HttpResponse:
        """Ask for confirmation, and handle the reports that are due."""
        return confirm_pass(
            self, request, title="Handle what waits", submit="Handle now",
            carry_out=lambda: {"handled": process_events(clock.now())},
            words="The worker does this each minute. The gateway is asked how each thing stands; nothing is charged.",
        )  # fmt: skip

    @action(description="Handle again", icon="replay", permissions=["operate"])
    def handle_once_more(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and ask the gateway again about what the report is about."""

        def carry_out(event: GatewayEvent, data: dict[str, Any]) -> str:
            handle_again(event.pk)
            process_events(clock.now())
            event.refresh_from_db()
            return f"It is {event.get_state_display()}: {event.outcome or 'it is handled within a minute'}."

        return confirm_one(
            self, request, object_id, title="Handle again", submit="Handle it", form_class=forms.Form,
            words=lambda event: f"The gateway is asked how {event.object_id or 'it'} stands now, and the books are"
            " brought to that. Doing it twice changes nothing.",
            carry_out=carry_out,
        )  # fmt: skip


@admin.register(GatewayPoll)
class GatewayPollAdmin(ReadOnlyAdmin):
    """When the gateway was last asked who has paid; nobody is charged a fee or cut off before."""

    list_display = ("provider", "asked", "state")
    empty_words = "The gateway was not asked yet. It is asked before each check of the late accounts."
    fields = ("provider", "asked", "state")
    readonly_fields = fields

    @admin.display(description="last answered (UTC)", ordering="asked_at")
    def asked(self, poll: GatewayPoll) -> SafeString | str:
        """Return when it last told which payments were made."""
        return local_time(poll.asked_at)

    @admin.display(description="state", ordering="blind_since_at")
    def state(self, poll: GatewayPoll) -> SafeString:
        """Tell whether it can be asked, and what waits if not."""
        if poll.blind_since_at is None:
            return badge("can be asked", GOOD)
        return badge(f"silent since {poll.blind_since_at:%Y-%m-%d %H:%M}: fees and cuts wait", BAD)


@admin.register(SourcePage)
class SourcePageAdmin(ReadOnlyAdmin):
    """Pages of the gateway's on which customers add a card; its number never comes here."""

    list_display = ("account_shown", "rank", "opened", "state")
    list_select_related = ("account",)
    list_filter = (("taken_at", admin.EmptyFieldListFilter),)
    search_fields = ("account__number", "account__name", "page_id")
    date_hierarchy = "opened_at"
    empty_words = "No customer has opened a page to add a card."
    fields = ("account_shown", "rank", "opened", "state", "page_id")
    readonly_fields = ("account_shown", "opened", "state")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: SourcePage) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, row: SourcePage) -> SafeString | str:
        """Return when it was opened, in the account's time."""
        return local_time(row.opened_at, row.account.timezone)

    @admin.display(description="state", ordering="taken_at")
    def state(self, row: SourcePage) -> SafeString:
        """Tell whether a card was added on it."""
        return badge("card stored", GOOD) if row.taken_at else badge("no card yet", WARN)


@admin.register(SandboxPage)
class SandboxPageAdmin(ReadOnlyAdmin):
    """Pages of the sandbox gateway, on which test cards are chosen."""

    list_display = ("key", "amount_shown", "until", "state_shown", "source_token")
    list_filter = ("state",)
    search_fields = ("key", "source_token")
    empty_words = "No page of the sandbox was opened; choose “a new card” in the portal."
    readonly_fields = ("amount_shown", "until", "state_shown")

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, row: SandboxPage) -> SafeString | str:
        """Return the amount to pay; none on a page that only adds a card."""
        return money(row.amount, row.currency) if row.amount is not None else NOTHING

    @admin.display(description="open until (UTC)", ordering="open_until")
    def until(self, row: SandboxPage) -> SafeString | str:
        """Return when it closes by itself."""
        return local_time(row.open_until)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: SandboxPage) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, PAGE_TONES)
