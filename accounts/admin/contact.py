"""Contacts, service lines and funding sources."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts import operations
from accounts.admin.base import staff_user
from accounts.models import Account, Contact, FundingSource, ServiceLine
from accounts.outreach.addresses import checked_email
from accounts.outreach.numbers import facts_of, in_international_form
from accounts.rules.macs import tidy_mac
from billing_project.kernel.errors import Refused

from .base import BAD, GOOD, QUIET, HistoryAdmin, admin_link, badge, local_time, number_of
from .confirm import ReasonForm, confirm_one
from .ways import WaysActions, fitting, people_of, ways_table


class AddressesForm(forms.ModelForm[Contact]):
    """A contact's addresses as people write them: numbers become international, slips of the finger are asked about."""

    email = forms.CharField(required=False, max_length=254, widget=UnfoldAdminEmailInputWidget)
    phone = forms.CharField(
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text="As people write it, such as (555) 010-9999; it is kept in international form.",
    )

    def clean_email(self) -> str:
        """Check the address; raises ValidationError with what to write instead."""
        written = str(self.cleaned_data.get("email") or "")
        if not written:
            return ""
        try:
            return checked_email(written, sure=bool(self.data.get(self.add_prefix("address_is_right"))))
        except Refused as refusal:
            raise forms.ValidationError(refusal.words) from refusal

    def clean_phone(self) -> str:
        """Return the number in international form; raises ValidationError with what to write instead."""
        written = str(self.cleaned_data.get("phone") or "")
        if not written:
            return ""
        account = self.cleaned_data.get("account") or Account.objects.filter(pk=self.instance.account_id).first()
        own = facts_of(account.company.phone).country if account and account.company.phone else ""
        try:
            return in_international_form(written, country=own or "US")
        except Refused as refusal:
            raise forms.ValidationError(refusal.words) from refusal


class ContactForm(AddressesForm):
    """A contact; making one the billing contact is an operation, since it replaces another."""

    address_is_right = forms.BooleanField(
        required=False,
        label="The address is right as it is",
        widget=UnfoldBooleanWidget,
        help_text="Tick this if you are asked whether another address was meant, and it was not.",
    )
    make_billing_contact = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Notices and tickets about money then go to this person, and no longer to the one before.",
    )

    class Meta:
        model = Contact
        exclude: ClassVar[list[str]] = ["is_billing_contact"]


@admin.register(Contact)
class ContactAdmin(WaysActions, HistoryAdmin):
    """People we may write to or call."""

    form = ContactForm
    list_display = ("name", "account_shown", "billing", "email", "phone", "ways", "language")
    list_select_related = ("account",)
    list_filter = ("is_billing_contact", "language", "email_allowed", "sms_allowed", "voice_allowed")
    search_fields = ("name", "email", "phone", "account__number", "account__name")
    autocomplete_fields = ("account",)
    may_delete = True
    empty_words = "Add the person who gets the bills of an account; without one nobody is told before a cut (A26)."
    fieldsets = (
        (None, {"fields": ("account", "name", "billing", "make_billing_contact")}),
        ("Ways to reach", {"fields": ("ways_shown", "email", "address_is_right", "phone", "language", "timezone")}),
        ("Consent", {"fields": ("email_allowed", "sms_allowed", "voice_allowed", "consented_at")}),
    )
    readonly_fields = ("billing", "ways_shown")
    actions_detail = WaysActions.ways_actions

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only the buttons that make sense for the contact's addresses."""
        found = super().get_actions_detail(request, object_id)
        contact = Contact.objects.select_related("account").filter(pk=number_of(object_id)).first()
        return fitting(contact, found) if contact else found

    @admin.display(description="now")
    def ways_shown(self, contact: Contact) -> SafeString | str:
        """Return each address with its state."""
        return ways_table(people_of([contact])) if contact.pk else "Shown once the contact is saved."

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        """Save the person, and make them billing contact through the operation."""
        super().save_model(request, obj, form, change)
        if form.cleaned_data.get("make_billing_contact"):
            operations.set_billing_contact(obj, by=staff_user(request))

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, contact: Contact) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(contact.account)

    @admin.display(description="billing contact", ordering="is_billing_contact")
    def billing(self, contact: Contact) -> SafeString:
        """Tell whether notices and tickets go to this person."""
        return badge("billing contact", GOOD) if contact.is_billing_contact else badge("no", QUIET)

    @admin.display(description="may be reached by")
    def ways(self, contact: Contact) -> str:
        """Return the channels that are allowed and have an address."""
        found = [
            word
            for word, usable in (
                ("email", contact.email_allowed and contact.email),
                ("SMS", contact.sms_allowed and contact.phone),
                ("voice", contact.voice_allowed and contact.phone),
            )
            if usable
        ]
        return ", ".join(found) or "nothing: add an address"


@admin.register(ServiceLine)
class ServiceLineAdmin(HistoryAdmin):
    """The customers' lines."""

    list_display = ("label", "account_shown", "ipv4", "ipv6", "radius_username", "mac")
    list_select_related = ("account",)
    search_fields = ("ipv4", "ipv6", "radius_username", "mac", "account__number", "account__name")
    search_help_text = "IP address, RADIUS user name, MAC in any writing, account."
    autocomplete_fields = ("account",)
    may_delete = True
    empty_words = "Add a line with its address or RADIUS user name, so that a device can slow or open it."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ServiceLine], search_term: str
    ) -> tuple[QuerySet[ServiceLine], bool]:
        """Find what was typed; a whole MAC in the writing in which it is kept."""
        return super().get_search_results(request, queryset, tidy_mac(search_term) or search_term)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, line: ServiceLine) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(line.account)


class FundingSourceForm(forms.ModelForm[FundingSource]):
    """A funding source; what cannot be stored is refused on the form."""

    class Meta:
        model = FundingSource
        exclude: ClassVar[list[str]] = ["barred_at", "barred_why"]


@admin.register(FundingSource)
class FundingSourceAdmin(HistoryAdmin):
    """Cards and bank accounts in order; tokens only, never a card number."""

    form = FundingSourceForm
    list_display = ("what", "account_shown", "rank", "gateway", "expires_on", "state")
    list_select_related = ("account",)
    list_filter = ("gateway", "rank", ("barred_at", admin.EmptyFieldListFilter))
    search_fields = ("last4", "account__number", "account__name")
    autocomplete_fields = ("account",)
    actions_detail = ("bar",)
    empty_words = "Customers add cards in the portal, or bring them at once: manage.py import_funding_sources FILE.csv."
    fields = ("account", "rank", "gateway", "customer_token", "source_token", "brand", "last4", "expires_on")

    def get_readonly_fields(self, _request: HttpRequest, obj: FundingSource | None = None) -> tuple[str, ...]:
        """Keep the tokens of a stored source: another card is a new source in its rank."""
        return ("account", "rank", "gateway", "customer_token", "source_token", "state") if obj else ()

    def get_fields(self, _request: HttpRequest, obj: FundingSource | None = None) -> tuple[str, ...]:
        """Show the state of a stored source."""
        return (*self.fields, "state") if obj else tuple(self.fields)

    def save_model(self, request: HttpRequest, obj: FundingSource, form: Any, change: bool) -> None:
        """Store a new source through the room's operation."""
        if change:
            super().save_model(request, obj, form, change)
            return
        given = {name: value for name, value in form.cleaned_data.items() if name != "account"}
        stored = operations.replace_funding_source(form.cleaned_data["account"], by=staff_user(request), **given)
        obj.__dict__.update(stored.__dict__)

    @admin.display(description="source", ordering="last4")
    def what(self, source: FundingSource) -> str:
        """Return brand and last four digits."""
        return str(source)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, source: FundingSource) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(source.account)

    @admin.display(description="state", ordering="barred_at")
    def state(self, source: FundingSource) -> SafeString:
        """Tell whether it may be charged, and why not."""
        if not source.barred_at:
            return badge("may be charged", GOOD)
        since = local_time(source.barred_at, source.account.timezone)
        return format_html("{} since {} {}", badge("not charged", BAD), since, source.barred_why)

    @action(description="Bar from charging", icon="block", permissions=["operate"])
    def bar(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and charge the source no more (A23)."""

        def carry_out(source: FundingSource, data: dict[str, Any]) -> str:
            if source.barred_at:
                raise Refused("barred_already", "It is barred already; the customer brings it back by adding it anew.")
            operations.bar_funding_source(source, data["reason"])
            return f"{source} is not charged any more."

        return confirm_one(
            self, request, object_id, title="Bar from charging", submit="Bar it", form_class=ReasonForm, danger=True,
            words="It is not charged any more until the customer adds it anew.", carry_out=carry_out,
        )  # fmt: skip
