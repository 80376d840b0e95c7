"""What came in: letters and texts from customers, those of unknown senders first; and reports of providers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.models import Account, Contact, InboundAttachment, InboundMessage, ProviderEvent
from accounts.outreach import inbound_desk, inbound_who

from .base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    badge,
    local_time,
    number_of,
    staff_user,
    state_badge,
)
from .confirm import ReasonForm, confirm_many, confirm_one
from .field_help import DeskForm
from .moments import local_column
from .notice import letter

INBOUND_TONES = {"filed": GOOD, "unknown": WARN, "handled": NOTE, "ignored": QUIET}
CANDIDATES_MAX = 5


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin):
    """What providers reported about our letters, each once (R-08)."""

    list_display = ("received", "provider", "kind", "notice", "outcome", "detail")
    list_select_related = ("notice",)
    list_filter = ("provider", "kind")
    search_fields = ("event_key", "provider_id", "detail", "notice__to_address")
    date_hierarchy = "received_at"
    empty_words = "No provider has reported anything yet. Reports come in once its webhook points here."
    received = local_column("received_at", "received")


class WaitingFilter(admin.SimpleListFilter):
    """Messages by whether somebody must look at them; how many wait stands beside the name."""

    title = "state"
    parameter_name = "waits"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        waiting = InboundMessage.objects.filter(state="unknown").count()
        return [("unknown", f"unknown sender ({waiting})"), *(
            (state.value, str(state.label)) for state in InboundMessage.State if state != InboundMessage.State.UNKNOWN
        )]  # fmt: skip

    def queryset(self, _request: HttpRequest, rows: QuerySet[InboundMessage]) -> QuerySet[InboundMessage]:
        """Narrow the list."""
        return rows.filter(state=self.value()) if self.value() else rows


class FileForm(DeskForm):
    """Ask with which account a message is filed, and whether its sender becomes a contact."""

    account = forms.CharField(
        max_length=120, help_text="Its number, or its name, or an e-mail address or phone number of a contact."
    )
    name = forms.CharField(
        required=False, max_length=200, label="Add the sender as a contact named",
        help_text="Leave empty if the address is used only this once. A new contact is written to by e-mail at most.",
    )  # fmt: skip
    reason = forms.CharField(
        required=False, max_length=200, label="How you know", help_text="Optional, such as “Gave the account number”."
    )

    def clean_account(self) -> Account:
        """Find the account; raises ValidationError if there is none, or several."""
        words = self.cleaned_data["account"].strip()
        found = accounts_named(words)
        if len(found) == 1:
            return found[0]
        if not found:
            raise forms.ValidationError(f"No account is called {words[:60]!r}. Look it up under Accounts.")
        named = ", ".join(f"{account.number} ({account.name})" for account in found[:CANDIDATES_MAX])
        raise forms.ValidationError(f"Several accounts fit: {named}. Enter the number of the right one.")


def accounts_named(words: str) -> list[Account]:
    """Return the accounts that a number, else a name or an address of a contact, may mean."""
    exact = list(Account.objects.filter(number__iexact=words)[:1])
    if exact:
        return exact
    by_contact = Q(contacts__email__iexact=words) | Q(contacts__phone=words) | Q(contacts__name__iexact=words)
    return list(Account.objects.filter(Q(name__icontains=words) | by_contact).distinct()[: CANDIDATES_MAX + 1])


class AttachmentInline(ReadOnlyTabular):
    """The files that came with a message: kept ones as downloads, and why the others were not kept."""

    model = InboundAttachment
    fields = ("file", "content_type", "kilobytes", "state")
    readonly_fields = ("file", "kilobytes", "state")
    tab = False
    verbose_name_plural = "files"

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundAttachment]:
        """Leave the contents where they are."""
        rows: QuerySet[InboundAttachment] = super().get_queryset(request)
        return rows.defer("content")

    @admin.display(description="file")
    def file(self, row: InboundAttachment) -> SafeString | str:
        """Return the name, as a download where the file was kept."""
        if row.refused_why:
            return row.name
        url = reverse("admin:accounts_inboundmessage_file", args=[row.message_id, row.pk])
        return format_html('<a class="desk-link" href="{}" download>{}</a>', url, row.name)

    @admin.display(description="size")
    def kilobytes(self, row: InboundAttachment) -> str:
        """Return the size in kilobytes, one at least."""
        return f"{max(row.size // 1024, 1):,} kB"

    @admin.display(description="state")
    def state(self, row: InboundAttachment) -> SafeString:
        """Tell whether it was kept, or why not."""
        return format_html("{} {}", badge("not kept", BAD), row.refused_why) if row.refused_why else badge("kept", GOOD)


@admin.register(InboundMessage)
class InboundMessageAdmin(ReadOnlyAdmin):
    """Letters and texts from customers."""

    list_display = ("subject_or_text", "who", "channel", "state_shown", "account_shown", "when", "why")
    list_select_related = ("account",)
    list_filter = (WaitingFilter, "channel", "provider")
    search_fields = ("from_address", "from_name", "subject", "text", "account__number", "account__name")
    search_help_text = "Sender, subject, words of the text, account."
    date_hierarchy = "received_at"
    inlines = (AttachmentInline,)
    actions = ("leave_chosen_aside",)
    actions_detail = ("file_with", "leave_aside", "look_again")
    empty_words = "Nobody has written yet. Answers to notices arrive here and on the customer's ticket."
    fieldsets = (
        (None, {"fields": ("sender", "to_address", "channel", "when", "subject", "body")}),
        (
            "Whose it is",
            {"fields": ("state_shown", "why", "account_shown", "contact", "notice", "filed_by", "filed_at")},
        ),
        ("With what was quoted", {"fields": ("whole",), "classes": ("collapse",)}),
    )
    readonly_fields = ("sender", "body", "whole", "state_shown", "account_shown", "when")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundMessage]:
        """Leave the long texts to the page of each message."""
        rows: QuerySet[InboundMessage] = super().get_queryset(request)
        return rows.defer("whole_text")

    def get_fieldsets(self, request: HttpRequest, obj: InboundMessage | None = None) -> Any:
        """Leave out the whole text where nothing was quoted."""
        found = super().get_fieldsets(request, obj)
        return found if obj is not None and obj.whole_text else found[:-1]

    def get_inlines(self, request: HttpRequest, obj: InboundMessage | None = None) -> list[Any]:
        """Leave out the table of files where none came."""
        return list(super().get_inlines(request, obj)) if obj is None or obj.attachments.exists() else []

    def get_urls(self) -> list[URLPattern]:
        """Add the address of an attachment."""
        one = path(
            "<path:object_id>/file/<int:file_id>/", self.admin_site.admin_view(self.file_view),
            name="accounts_inboundmessage_file",
        )  # fmt: skip
        return [one, *super().get_urls()]

    def file_view(self, request: HttpRequest, object_id: str, file_id: int) -> HttpResponse:
        """Give a kept attachment as a download that no browser opens in place; raises PermissionDenied, Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        kept = InboundAttachment.objects.filter(pk=file_id, message=number_of(object_id), content__isnull=False).first()
        if kept is None or kept.content is None:
            raise Http404("There is no such file.")
        response = HttpResponse(bytes(kept.content), content_type=kept.content_type)
        # HttpResponse refuses line breaks in headers, and this writes any name as RFC 6266 wants it.
        response.headers["Content-Disposition"] = content_disposition_header(True, kept.name) or "attachment"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what fits the message's state."""
        found = super().get_actions_detail(request, object_id)
        row = InboundMessage.objects.filter(pk=number_of(object_id)).only("state").first()
        fits = {"unknown": {"file_with", "leave_aside"}, "ignored": {"file_with", "look_again"}}.get(
            row.state if row else "", set()
        )
        return [button for button in found if button.path.replace("-", "_") in fits]

    @action(description="File with an account", icon="drive_file_move", permissions=["operate"])
    def file_with(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whose it is, and file it as if its sender had been known."""

        def carry_out(message: InboundMessage, data: dict[str, Any]) -> str:
            inbound_desk.file_with(
                message, data["account"], by=staff_user(request), why=data["reason"], as_contact=data["name"]
            )
            return f"Filed with account {data['account'].number}, and put on its ticket."

        return confirm_one(
            self, request, object_id, title="File with an account", submit="File it", form_class=FileForm,
            words=lambda message: f"From {message.from_address}: {message.text[:200]}", carry_out=carry_out,
            facts=_candidates,
        )  # fmt: skip

    @action(description="Leave aside", icon="delete_sweep", permissions=["operate"])
    def leave_aside(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why it concerns nobody, and leave it aside."""

        def carry_out(message: InboundMessage, data: dict[str, Any]) -> str:
            inbound_desk.leave_aside(message, data["reason"], by=staff_user(request))
            return "Left aside. “Put back” takes that back."

        return confirm_one(
            self, request, object_id, title="Leave aside", submit="Leave aside", carry_out=carry_out,
            words="It stays here, and nobody is asked to look at it any more.",
        )  # fmt: skip

    @action(description="Put back", icon="undo", permissions=["operate"])
    def look_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and put it back among the messages of unknown senders."""

        def carry_out(message: InboundMessage, data: dict[str, Any]) -> str:
            inbound_desk.look_again(message, data["reason"], by=staff_user(request))
            return "It waits for somebody who knows its sender."

        return confirm_one(
            self, request, object_id, title="Put back", submit="Put back", carry_out=carry_out,
            words=lambda message: f"It was left aside: {message.why}",
        )  # fmt: skip

    @admin.action(description="Leave the chosen messages aside", permissions=["operate"])
    def leave_chosen_aside(self, request: HttpRequest, rows: QuerySet[InboundMessage]) -> HttpResponse | None:
        """Ask once why they concern nobody, and leave them aside."""
        return confirm_many(
            self, request, rows, action="leave_chosen_aside", title="Leave messages aside", submit="Leave them aside",
            words="Messages that are filed already stay where they are, and are listed.", form_class=ReasonForm,
            carry_out=lambda row, data: inbound_desk.leave_aside(row, data["reason"], by=staff_user(request)),
        )  # fmt: skip

    @admin.display(description="message", ordering="subject")
    def subject_or_text(self, message: InboundMessage) -> str:
        """Return the subject, or how the text begins."""
        return str(message)

    @admin.display(description="from", ordering="from_address")
    def who(self, message: InboundMessage) -> str:
        """Return the name of the sender, or the address of one who gives none."""
        return message.from_name or message.from_address

    @admin.display(description="from", ordering="from_address")
    def sender(self, message: InboundMessage) -> str:
        """Return the name and the address of the sender, as they say."""
        return f"{message.from_name} <{message.from_address}>" if message.from_name else message.from_address

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, message: InboundMessage) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(message.account)

    @admin.display(description="state", ordering="state")
    def state_shown(self, message: InboundMessage) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(message, INBOUND_TONES)

    @admin.display(description="when", ordering="received_at")
    def when(self, message: InboundMessage) -> SafeString | str:
        """Return when it came in, in the account's time."""
        return local_time(message.received_at, message.account.timezone if message.account else "UTC")

    @admin.display(description="text")
    def body(self, message: InboundMessage) -> SafeString:
        """Return the text as it was written."""
        return letter(message.text)

    @admin.display(description="the whole text")
    def whole(self, message: InboundMessage) -> SafeString | str:
        """Return the text with what it quotes."""
        return letter(message.whole_text) if message.whole_text else "Nothing else stands in it."


def _candidates(message: InboundMessage) -> list[str]:
    """Return the accounts that it may be from: those with the address, else those with a contact of that name."""
    pks = inbound_who.accounts_with(message.channel, message.from_address)
    said = "has this address" if message.channel == "email" else "has this number"
    if not pks and message.from_name:
        same = Contact.objects.filter(name__iexact=message.from_name)
        pks, said = list(same.values_list("account_id", flat=True)[:CANDIDATES_MAX]), "has a contact of this name"
    rows = Account.objects.filter(pk__in=pks[:CANDIDATES_MAX]).order_by("number")
    return [f"{account.number} ({account.name}) {said}" for account in rows]
