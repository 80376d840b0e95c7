"""Keys of programs, and the programs that are told of events."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    DeskAdmin,
    HistoryAdmin,
    ReadOnlyAdmin,
    badge,
    local_time,
    staff_user,
    state_badge,
)  # fmt: skip
from accounts.admin.confirm import confirm_many, confirm_one
from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import ApiRequest, ApiToken, ApiUse, WebhookDelivery, WebhookEndpoint
from delinquency.operations.api_tokens import make_token, revoke_token
from delinquency.operations.webhooks import check_endpoint, rotate_secret, save_endpoint, tell_again
from delinquency.rules.telling import NAMES
from delinquency.telling import try_endpoint

DELIVERY_TONES = {"queued": WARN, "claimed": NOTE, "sent": GOOD, "parked": BAD}


class TokenForm(forms.ModelForm[ApiToken]):
    """What is asked of a new token."""

    class Meta:
        model = ApiToken
        fields = ("name", "role", "per_minute_max", "expires_at")

    by: User | None = None  # who asks, set for each request
    text = ""

    def clean(self) -> dict[str, Any]:
        """Make the token; what is refused is said on the form."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors or self.by is None:
            return cleaned
        try:
            self.made, self.text = make_token(
                name=cleaned["name"], role=cleaned["role"], per_minute_max=cleaned["per_minute_max"],
                expires_at=cleaned.get("expires_at"), by=self.by,
            )  # fmt: skip
        except Refused as refusal:
            raise ValidationError(refusal.words)
        return cleaned

    def _post_clean(self) -> None:
        """Leave the row alone: the operation has made it."""


@admin.register(ApiToken)
class ApiTokenAdmin(DeskAdmin):
    """Keys with which other programs use the API: made by role, shown once, revoked with a reason."""

    may_change = False
    list_display = ("name", "state", "role", "prefix", "per_minute_max", "last_used", "made_by", "expires")
    list_select_related = ("role", "made_by")
    list_filter = ("role", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "prefix")
    actions_detail = ("revoke",)
    empty_words = "No program uses the API. Add a token for each program that should, with the lowest role that does."
    shown: ClassVar[tuple[str, ...]] = (
        "name", "state", "role", "prefix", "per_minute_max", "expires", "made", "made_by", "last_used", "revoked_by",
        "revoked_why",
    )  # fmt: skip

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may make and revoke tokens."""
        return bool(request.user.has_perm("delinquency.make_apitoken"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may make tokens."""
        return self.has_operate_permission(request)

    def get_fields(self, _request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        """Ask for what a token needs; show everything of one."""
        return self.shown if obj else ("name", "role", "per_minute_max", "expires_at")

    def get_readonly_fields(self, _request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        """Show a token for reading only."""
        return self.shown if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the form, which knows who asks."""
        if obj is None:
            kwargs["form"] = TokenForm
        form: Any = super().get_form(request, obj, **kwargs)
        form.by = staff_user(request)  # the class is made anew for each request
        return form

    def save_form(self, _request: HttpRequest, form: Any, change: bool) -> Any:
        """Take the row that the operation has made."""
        return form.made if not change else form.instance

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write nothing more: the operation has."""
        request.new_token_text = form.text  # type: ignore[attr-defined]

    def save_related(self, _request: HttpRequest, _form: Any, _formsets: Any, _change: bool) -> None:
        """Write nothing more: a token has no rows of its own."""

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token's text, this once."""
        words = (
            f"Copy it now: it is kept only as a digest and can never be shown again. It may do what {obj.role} may."
            " Send it as “Authorization: Bearer …”."
        )
        back = reverse("admin:delinquency_apitoken_changelist")
        return _shown_once(self, request, f"Token for {obj.name}", request.new_token_text, words, back)  # type: ignore[attr-defined]

    @admin.display(description="state")
    def state(self, token: ApiToken) -> SafeString:
        """Tell whether it is in force."""
        if token.revoked_at:
            return badge("revoked", QUIET)
        return badge("expired", WARN) if token.expires_at and token.expires_at <= clock.now() else badge("in use", GOOD)

    @admin.display(description="last used (UTC)", ordering="last_used_at")
    def last_used(self, token: ApiToken) -> SafeString | str:
        """Return when it was last used, within the minute."""
        return local_time(token.last_used_at)

    @admin.display(description="made (UTC)", ordering="made_at")
    def made(self, token: ApiToken) -> SafeString | str:
        """Return when it was made."""
        return local_time(token.made_at)

    @admin.display(description="expires (UTC)", ordering="expires_at")
    def expires(self, token: ApiToken) -> SafeString | str:
        """Return when it ends by itself."""
        return local_time(token.expires_at)

    @action(description="Revoke", icon="block", permissions=["operate"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and end the token."""

        def carry_out(row: ApiToken, data: dict[str, Any]) -> str:
            revoke_token(row, reason=data["reason"], by=staff_user(request))
            return f"The token {row} is revoked: its next call is refused."

        return confirm_one(
            self, request, object_id, title="Revoke token", submit="Revoke", carry_out=carry_out, danger=True,
            words="The program that uses it is refused from its next call on. This cannot be undone: make a new token"
            " for it then.",
        )  # fmt: skip


@admin.register(ApiUse)
class ApiUseAdmin(ReadOnlyAdmin):
    """How many calls each token made, minute by minute, for a month."""

    list_display = ("token", "minute", "calls")
    list_select_related = ("token",)
    list_filter = ("token",)
    empty_words = "No program has called the API in the last 30 days."
    empty_link = ("API tokens", "admin:delinquency_apitoken_changelist")

    @admin.display(description="minute (UTC)", ordering="minute_at")
    def minute(self, row: ApiUse) -> SafeString | str:
        """Return which minute it was."""
        return local_time(row.minute_at)


@admin.register(ApiRequest)
class ApiRequestAdmin(ReadOnlyAdmin):
    """What programs have had done, under which key, and how it was answered; for a month."""

    list_display = ("what", "token", "key", "status", "asked")
    list_select_related = ("token",)
    list_filter = ("token", "status")
    search_fields = ("key", "what")
    empty_words = "No program has had anything done in the last 30 days."
    empty_link = ("API tokens", "admin:delinquency_apitoken_changelist")

    @admin.display(description="asked (UTC)", ordering="asked_at")
    def asked(self, row: ApiRequest) -> SafeString | str:
        """Return when it was asked for."""
        return local_time(row.asked_at)


class EndpointForm(forms.ModelForm[WebhookEndpoint]):
    """An endpoint, its events as boxes to tick."""

    kinds = forms.MultipleChoiceField(
        label="Events", choices=[*NAMES.items()], widget=forms.CheckboxSelectMultiple,
        help_text="Which events it hears of, such as line.released; from today on.",
    )  # fmt: skip

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url", "kinds", "is_active")

    def clean(self) -> dict[str, Any]:
        """Pass an address that may be called."""
        cleaned = super().clean() or self.cleaned_data
        if "url" in cleaned and "kinds" in cleaned:
            try:
                check_endpoint(WebhookEndpoint(url=cleaned["url"], kinds=cleaned["kinds"]))
            except Refused as refusal:
                raise ValidationError({"url": refusal.words})
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HistoryAdmin):
    """Programs that are told of events by signed calls (docs/api.md)."""

    form = EndpointForm
    may_delete = True
    list_display = ("name", "url", "hears", "health", "waiting_count", "parked_count", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "url")
    actions_detail = ("try_it", "show_secret", "rotate")
    empty_words = "No program is told of events. Add one, and it hears of payments and cuts within seconds."

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may see and change secrets, and make test calls."""
        return bool(request.user.has_perm("delinquency.change_webhookendpoint"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        """Count what waits for each, and what was given up."""
        rows: QuerySet[WebhookEndpoint] = super().get_queryset(request)
        return rows.annotate(
            waiting=Count("deliveries", filter=Q(deliveries__state__in=["queued", "claimed"])),
            parked=Count("deliveries", filter=Q(deliveries__state="parked")),
        )

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        """Save through the operation, which gives a new one its secret."""
        save_endpoint(obj)

    @admin.display(description="hears of")
    def hears(self, row: WebhookEndpoint) -> str:
        """Return its events."""
        return ", ".join(NAMES.get(kind, kind) for kind in row.kinds)

    @admin.display(description="state")
    def health(self, row: WebhookEndpoint) -> SafeString:
        """Tell whether it answers."""
        if not row.is_active:
            return badge("off", QUIET)
        return badge(f"fails: {row.failure[:80]}", BAD) if row.failing_since_at else badge("answers", GOOD)

    @admin.display(description="waiting", ordering="waiting")
    def waiting_count(self, row: Any) -> int:
        """Return how many calls wait."""
        return int(row.waiting)

    @admin.display(description="given up", ordering="parked")
    def parked_count(self, row: Any) -> int:
        """Return how many calls were given up."""
        return int(row.parked)

    @action(description="Test call", icon="send", permissions=["operate"])
    def try_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and make a test call."""
        return confirm_one(
            self, request, object_id, title="Test call", submit="Call it now", form_class=forms.Form,
            words="A signed call of type “test” is made to it now; its answer is shown.",
            carry_out=lambda row, _data: try_endpoint(row),
        )  # fmt: skip

    @action(description="Show secret", icon="key", permissions=["operate"])
    def show_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and show the secret, which the other side needs to check signatures."""
        row = self.get_object(request, object_id)
        if request.method == "POST" and row is not None and self.has_view_permission(request, row):
            back = reverse("admin:delinquency_webhookendpoint_change", args=[row.pk])
            words = "The other side checks with it that a call is from here (docs/api.md)."
            return _shown_once(self, request, f"Secret of {row}", row.secret, words, back)
        return confirm_one(
            self, request, object_id, title="Show secret", submit="Show it", form_class=forms.Form,
            words="It is shown on the next page. Whoever has it can pretend to be this program.",
            carry_out=lambda _row, _data: "",
        )  # fmt: skip

    @action(description="New secret", icon="autorenew", permissions=["operate"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and change the secret; the old one signs beside it for a day."""

        def carry_out(row: WebhookEndpoint, data: dict[str, Any]) -> str:
            rotate_secret(row, reason=data["reason"], by=staff_user(request))
            return "The secret is changed. Press “Show secret”, and enter it at the other side within 24 hours."

        return confirm_one(
            self, request, object_id, title="New secret", submit="Change it", carry_out=carry_out,
            words="Calls carry a signature by each of both secrets for 24 hours; enter the new one at the other side in"
            " that time.",
        )  # fmt: skip


def _shown_once(desk: DeskAdmin, request: HttpRequest, title: str, text: str, words: str, back: str) -> HttpResponse:
    """Show a secret on a page, which like all of the admin no cache keeps."""
    context = {
        **desk.admin_site.each_context(request), "opts": desk.opts, "title": title, "text": text, "words": words,
        "back": back,
    }  # fmt: skip
    return TemplateResponse(request, "admin/secret_shown.html", context)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Each event for each endpoint: waiting, delivered, given up."""

    list_display = ("what", "account", "endpoint", "state_shown", "attempts", "tried", "answer")
    list_select_related = ("endpoint", "event__account")
    list_filter = ("state", "endpoint")
    search_fields = ("event__account__number",)
    actions = ("tell_chosen_again",)
    empty_words = "Nothing was told to any program yet. What happens from the day a webhook is added is listed here."
    empty_link = ("Webhooks", "admin:delinquency_webhookendpoint_changelist")

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may have calls made again."""
        return bool(request.user.has_perm("delinquency.resend_webhookdelivery"))

    @admin.display(description="event", ordering="event")
    def what(self, row: WebhookDelivery) -> str:
        """Return the event as the other side reads it."""
        return f"{NAMES.get(row.event.kind, row.event.kind)} of {row.event.on}"

    @admin.display(description="account")
    def account(self, row: WebhookDelivery) -> str:
        """Return the account's number."""
        return row.event.account.number

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: WebhookDelivery) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, DELIVERY_TONES)

    @admin.display(description="last try (UTC)", ordering="tried_at")
    def tried(self, row: WebhookDelivery) -> SafeString | str:
        """Return when it was last tried."""
        return local_time(row.tried_at)

    @admin.action(description="Send the chosen calls again", permissions=["operate"])
    def tell_chosen_again(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> HttpResponse | None:
        """Ask once, and put the chosen calls back into the queue."""
        return confirm_many(
            self, request, rows.select_related("event", "endpoint"), action="tell_chosen_again",
            title="Send calls again", submit="Send again", form_class=forms.Form,
            words="Each carries the id it had, so the other side can tell that it has heard of it.",
            carry_out=lambda row, _data: tell_again(row),
        )  # fmt: skip
