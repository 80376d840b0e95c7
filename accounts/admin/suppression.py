"""The addresses that are left alone: found, added by hand, and used again with a reason (R-10)."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import Company, Contact, Suppression
from accounts.outreach.addresses import checked_email
from accounts.outreach.numbers import facts_of, in_international_form
from accounts.outreach.reach import use_again
from accounts.outreach.suppressions import normal, suppress
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

from .base import BAD, QUIET, DeskAdmin, badge, local_time, number_of, staff_user
from .confirm import confirm_many, confirm_one
from .ways import BY_WISH, AgainForm


class ListedFilter(admin.SimpleListFilter):
    """Addresses that are left alone now, or were."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("now", "left alone now"), ("lifted", "may be used again")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Suppression]) -> QuerySet[Suppression]:
        """Narrow the list."""
        if self.value() in ("now", "lifted"):
            return rows.filter(lifted_at__isnull=self.value() == "now")
        return rows


class SuppressionForm(forms.ModelForm[Suppression]):
    """An address that somebody asked to leave alone, as people write it."""

    address = forms.CharField(
        max_length=254, widget=UnfoldAdminTextInputWidget,
        help_text="An e-mail address, or a phone number such as (555) 010-9999.",
    )  # fmt: skip
    words = forms.CharField(
        max_length=300, label="Reason", widget=UnfoldAdminTextInputWidget,
        help_text="Who asked for it, and how, such as “Asked for at the desk, 3 Nov”.",
    )  # fmt: skip

    class Meta:
        model = Suppression
        fields = ("channel", "address", "words")

    def clean(self) -> dict[str, Any]:
        """Bring the address into the form in which it is kept; raises ValidationError with what to write instead."""
        cleaned = super().clean() or self.cleaned_data
        channel, written = cleaned.get("channel"), cleaned.get("address")
        if not channel or not written:
            return cleaned
        company = Company.objects.order_by("pk").first()
        try:
            if channel == "email":
                found = normal(channel, checked_email(written, sure=True))
            else:
                country = facts_of(company.phone).country if company and company.phone else ""
                found = in_international_form(written, country=country or "US")
        except Refused as refusal:
            raise forms.ValidationError({"address": refusal.words}) from refusal
        if Suppression.objects.filter(channel=channel, address=found, lifted_at=None).exists():
            raise forms.ValidationError({"address": f"{found} is left alone already; there is nothing to add."})
        cleaned["address"] = found
        return cleaned


@admin.register(Suppression)
class SuppressionAdmin(DeskAdmin):
    """Addresses that are left alone, and why (R-10). Rows are lifted, never deleted."""

    form = SuppressionForm
    list_display = ("address", "channel", "state", "why", "since", "by", "lifted")
    list_select_related = ("by", "lifted_by")
    list_filter = (ListedFilter, "channel", "reason")
    search_fields = ("address", "words", "lifted_why")
    search_help_text = "Address or number, or words of the reason."
    date_hierarchy = "since_at"
    actions = ("use_chosen_again",)
    actions_detail = ("use_again", "leave_alone_again")
    empty_words = "No address is left alone. Bounces, complaints and STOP fill this list by themselves."
    shown: ClassVar[tuple[str, ...]] = (
        "address", "channel", "state", "reason", "words", "since", "by", "owners", "lifted",
    )  # fmt: skip

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may let an address be used again."""
        return bool(request.user.has_perm("accounts.lift_suppression"))

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Say no: an entry is lifted, and never rewritten."""
        return False

    def get_fields(self, _request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        """Ask for channel, address and reason; show everything of an entry."""
        return self.shown if obj else ("channel", "address", "words")

    def get_readonly_fields(self, _request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        """Show an entry for reading only."""
        return self.shown if obj else ()

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """Leave the address alone through the operation."""
        given = form.cleaned_data
        suppress(given["channel"], given["address"], Suppression.Reason.BY_HAND, given["words"], by=staff_user(request))
        kept = Suppression.objects.get(channel=given["channel"], address=given["address"], lifted_at=None)
        obj.__dict__.update(kept.__dict__)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to use it again, or to take that back."""
        found = super().get_actions_detail(request, object_id)
        row = Suppression.objects.filter(pk=number_of(object_id)).first()
        useless = "leave_alone_again" if row and not row.lifted_at else "use_again"
        return [button for button in found if button.path.replace("-", "_") != useless]

    @admin.display(description="since (UTC)", ordering="since_at")
    def since(self, row: Suppression) -> SafeString | str:
        """Return since when."""
        return local_time(row.since_at)

    @admin.display(description="state", ordering="lifted_at")
    def state(self, row: Suppression) -> SafeString:
        """Tell whether it is still left alone."""
        return badge("may be used again", QUIET) if row.lifted_at else badge("left alone", BAD)

    @admin.display(description="why", ordering="reason")
    def why(self, row: Suppression) -> str:
        """Return the reason, with what was said."""
        return "; ".join(filter(None, (row.get_reason_display(), row.words)))

    @admin.display(description="used again")
    def lifted(self, row: Suppression) -> str:
        """Return since when it may be used again, by whom, and why."""
        if row.lifted_at is None:
            return "–"
        by = f" by {row.lifted_by}" if row.lifted_by else ""
        return f"{clock.local(row.lifted_at, 'UTC'):%Y-%m-%d %H:%M} UTC{by}: {row.lifted_why}"

    @admin.display(description="accounts with this address")
    def owners(self, row: Suppression) -> str:
        """Return the accounts whose contacts have the address."""
        field = "email__iexact" if row.channel == "email" else "phone"
        people = Contact.objects.filter(**{field: row.address}).select_related("account")[:50]
        return ", ".join(f"{one.account.number} ({one.name})" for one in people) or "none"

    @action(description="Use again", icon="undo", permissions=["operate"])
    def use_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and take the address off the list."""
        return confirm_one(
            self, request, object_id, title="Use again", submit="Use again", form_class=AgainForm,
            words=lambda row: f"{row.address} is left alone: {row.get_reason_display()}. {row.words}",
            carry_out=lambda row, data: f"{_use_again(row, data, request)} may be used again.",
        )  # fmt: skip

    @action(description="Leave alone again", icon="do_not_disturb_on", permissions=["operate"])
    def leave_alone_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put an address back on the list: the undo of using it again."""

        def carry_out(row: Suppression, data: dict[str, Any]) -> str:
            words = f"{row.words}; {data['reason']}"
            if not suppress(row.channel, row.address, row.reason, words, by=staff_user(request)):
                raise Refused("stopped_already", f"{row.address} is left alone already; nothing was changed.")
            return f"{row.address} is left alone again."

        return confirm_one(
            self, request, object_id, title="Leave alone again", submit="Leave alone again", carry_out=carry_out,
            words=lambda row: f"{row.address} may be used since it was lifted: {row.lifted_why}",
        )  # fmt: skip

    @admin.action(description="Use the chosen addresses again", permissions=["operate"])
    def use_chosen_again(self, request: HttpRequest, rows: QuerySet[Suppression]) -> HttpResponse | None:
        """Ask once, and take the chosen addresses off the list; for a provider that reported wrongly."""
        return confirm_many(
            self, request, rows, action="use_chosen_again", title="Use addresses again", submit="Use them again",
            words="Each is written to again from now on. Whoever asked to be left alone must have agreed.",
            carry_out=lambda row, data: _use_again(row, data, request), form_class=AgainForm,
        )  # fmt: skip


def _use_again(row: Suppression, data: dict[str, Any], request: HttpRequest) -> str:
    if row.lifted_at is not None:
        raise Refused("lifted_already", f"{row.address} may be used again already; nothing was changed.")
    if row.reason in BY_WISH and not data["agreed"]:
        raise Refused("not_agreed", "They asked to be left alone. Ask them first, then tick that they agreed.")
    use_again(row.channel, row.address, data["reason"], by=staff_user(request))
    return row.address
