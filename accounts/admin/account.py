"""Companies, account types and statuses, and the account's standing facts."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts import operations
from accounts.logo import LOGO_BYTES_MAX, drawing_of_logo
from accounts.models import Account, AccountStatus, AccountType, Company, Contact, FundingSource, ServiceLine
from billing_project.kernel.errors import Refused

from .base import BAD, GOOD, STATUS_TONES, EditableTabular, HistoryAdmin, badge, number_of, staff_user
from .confirm import ReasonForm, confirm_one
from .contact import AddressesForm
from .portal_doors import CloseLinksAction


def status_badge(status: AccountStatus) -> SafeString:
    """Return an account status in its colour."""
    return badge(status.name, STATUS_TONES.get(status.colour, "quiet"))


class CompanyForm(forms.ModelForm[Company]):
    """Refuse a logo that could not be printed."""

    def clean_logo(self) -> Any:
        """Return the logo; one that is new is looked at, and refused in words if it is no plain PNG or SVG."""
        logo = self.cleaned_data["logo"]
        if isinstance(logo, UploadedFile):
            try:
                drawing_of_logo(logo.read(LOGO_BYTES_MAX + 1))
            except Refused as refused:
                raise forms.ValidationError(refused.words) from refused
            logo.seek(0)
        return logo


@admin.register(Company)
class CompanyAdmin(HistoryAdmin):
    """The brands that bill under their own name."""

    form = CompanyForm

    list_display = ("name", "currency", "timezone", "phone", "invoice_prefix", "accounts_total")
    search_fields = ("name",)
    empty_words = "Add the company whose name stands on the invoices; every account belongs to one."
    fieldsets = (
        (None, {"fields": ("name", "currency", "timezone", "invoice_prefix", "staff_hours_baseline")}),
        (
            "More time that customers take themselves",
            {
                "fields": (
                    "customer_extensions",
                    "customer_extension_days_max",
                    "customer_extensions_per_year",
                    "customer_extension_pause_days",
                )
            },
        ),
        (
            "On paper and in notices",
            {"fields": ("address", "phone", "logo", "email_sender", "attach_pdfs", "sms_sender")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Company]:
        """Count the accounts in the same query."""
        rows: QuerySet[Company] = super().get_queryset(request)
        return rows.annotate(accounts_total=Count("accounts"))

    def get_urls(self) -> list[URLPattern]:
        """Add the address of uploaded logos, which is no public one."""
        own = path("logos/<str:name>", self.admin_site.admin_view(self.logo_file), name="accounts_company_logo")
        return [own, *super().get_urls()]

    def logo_file(self, request: HttpRequest, name: str) -> FileResponse:
        """Give the file of a company's logo to staff who may see companies; it is saved, never run."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        company = get_object_or_404(Company, logo=f"logos/{name}")
        try:
            file = company.logo.open("rb")
        except OSError as error:
            raise Http404(f"The file {name} is gone; upload the logo anew.") from error
        answer = FileResponse(file, as_attachment=True, filename=name)
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    @admin.display(description="accounts", ordering="accounts_total")
    def accounts_total(self, company: Any) -> int:
        """Return how many accounts the company has."""
        return int(company.accounts_total)


@admin.register(AccountType)
class AccountTypeAdmin(HistoryAdmin):
    """Classes of customers."""

    list_display = ("name", "is_business")
    list_filter = ("is_business",)
    search_fields = ("name",)
    empty_words = "Add classes such as Residential and Business; address lists and policies may choose by them."


@admin.register(AccountStatus)
class AccountStatusAdmin(HistoryAdmin):
    """The statuses that decide whether an account is billed."""

    list_display = ("shown", "activates_billing")
    list_filter = ("activates_billing",)
    search_fields = ("name",)
    empty_words = "Add at least one status that activates billing, and one named Delinquent that does not (S22)."

    @admin.display(description="status", ordering="name")
    def shown(self, status: AccountStatus) -> SafeString:
        """Return the status as it looks on accounts."""
        return status_badge(status)


class ContactInline(EditableTabular):
    """The people at a customer."""

    model = Contact
    form = AddressesForm
    fields = ("name", "billing", "email", "phone", "language")
    readonly_fields = ("billing",)
    verbose_name_plural = "contacts"

    @admin.display(description="billing contact")
    def billing(self, contact: Contact) -> SafeString | str:
        """Tell whether notices and tickets go to this person."""
        return badge("billing contact", GOOD) if contact.is_billing_contact else "no"


class ServiceLineInline(EditableTabular):
    """The lines of a customer."""

    model = ServiceLine
    fields = ("label", "ipv4", "ipv6", "radius_username", "mac")
    verbose_name_plural = "lines"


class FundingSourceInline(EditableTabular):
    """The cards and bank accounts of a customer, in order."""

    model = FundingSource
    fields = ("rank", "what", "gateway", "expires_on", "barred")
    readonly_fields = ("rank", "what", "gateway", "barred")
    can_delete = False
    max_num = 0
    verbose_name_plural = "funding sources"

    @admin.display(description="source")
    def what(self, source: FundingSource) -> str:
        """Return brand and last four digits."""
        return str(source)

    @admin.display(description="state")
    def barred(self, source: FundingSource) -> SafeString:
        """Tell whether it may be charged."""
        return badge("not charged", BAD) if source.barred_at else badge("may be charged", GOOD)


class StatusForm(ReasonForm):
    """Choose a status, and say why."""

    field_order = ("status", "reason")
    status = forms.ModelChoiceField(
        AccountStatus.objects.all(), help_text="Status drives billing and nothing else (D1)."
    )


class CloseForm(ReasonForm):
    """Choose the status of a closed account, and say why."""

    field_order = ("status", "reason")
    status = forms.ModelChoiceField(
        AccountStatus.objects.filter(activates_billing=False),
        help_text="One that does not activate billing, such as Inactive.",
    )


class AccountForm(forms.ModelForm[Account]):
    """An account; its zone may be left to the company (A33)."""

    class Meta:
        model = Account
        exclude: ClassVar[list[str]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "timezone" in self.fields:
            self.fields["timezone"].required = False

    def clean(self) -> dict[str, Any]:
        """Fill in the company's zone where none is given (A33)."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("timezone") and cleaned.get("company") and not self.errors.get("timezone"):
            cleaned["timezone"] = cleaned["company"].timezone
        return cleaned


class AccountAdmin(CloseLinksAction, HistoryAdmin):
    """The standing facts of an account; the delinquency room adds money, standing and story to it."""

    form = AccountForm
    list_display: Any = (
        "number",
        "name",
        "status_shown",
        "account_type",
        "company",
        "timezone",
        "opened_on",
    )
    list_display_links = ("number", "name")
    list_select_related = ("status", "account_type", "company")
    list_filter: ClassVar[Any] = ("status", "account_type", "company")
    search_fields = (
        "number", "name", "contacts__name", "contacts__email", "contacts__phone", "service_lines__ipv4",
        "service_lines__ipv6", "service_lines__radius_username", "funding_sources__last4",
    )  # fmt: skip
    search_help_text = "Number, name, e-mail, phone, IP address, RADIUS user name, last four digits of a card."
    inlines: ClassVar[Any] = (ContactInline, ServiceLineInline, FundingSourceInline)
    actions_detail: Any = ("change_status", "close", "unpark", "close_links")
    empty_words = "Add an account, or bring many at once: manage.py import_accounts FILE.csv."
    facts = ("number", "name", "company", "account_type", "timezone", "opened_on", "address", "note")
    add_fieldsets = ((None, {"fields": ("number", "name", "company", "account_type", "status", *facts[4:])}),)
    fieldsets = (
        (None, {"fields": facts}),
        ("State", {"fields": ("status", "status_since_at", "closed_on", "parked_at", "parked_why")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        """Leave the state of an existing account to its buttons, which ask for a reason."""
        return ("status", "status_since_at", "closed_on", "parked_at", "parked_why") if obj else ()

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Open a new account through its operation; save the facts of an existing one."""
        if change:
            super().save_model(request, obj, form, change)
            return
        given = {name: form.cleaned_data[name] for name in form.cleaned_data if name in ("status", *self.facts)}
        obj.__dict__.update(operations.open_account(**given, by=staff_user(request)).__dict__)

    @admin.display(description="status", ordering="status__name")
    def status_shown(self, account: Account) -> SafeString:
        """Return the status in its colour, and whether the sweeps leave the account alone."""
        shown = status_badge(account.status)
        return shown + badge("parked", "warn") if account.parked_at else shown

    @action(description="Change status", icon="swap_horiz", permissions=["operate"])
    def change_status(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a status and a reason, and change it through the room's operation."""

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            operations.change_status(account, data["status"], reason=data["reason"], by=staff_user(request))
            return f"{account.number} is now {data['status']}."

        return confirm_one(
            self, request, object_id, title="Change status", submit="Change status", form_class=StatusForm,
            words=lambda account: f"It is {account.status} now. Billing follows from the next billing run on.",
            carry_out=carry_out,
        )  # fmt: skip

    @action(description="Close account", icon="cancel", permissions=["operate"])
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a closing status and a reason, and close the account."""

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            operations.close_account(account, status=data["status"], reason=data["reason"], by=staff_user(request))
            return f"{account.number} is closed; what was waiting to be billed is invoiced now."

        return confirm_one(
            self, request, object_id, title="Close account", submit="Close account", form_class=CloseForm, danger=True,
            words="The account is never billed again. What it owes stays owed.", carry_out=carry_out,
        )  # fmt: skip

    @action(description="Clear “parked”", icon="play_arrow", permissions=["operate"])
    def unpark(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and let the sweeps take the account again."""

        def carry_out(account: Account, _data: dict[str, Any]) -> str:
            operations.unpark_account(account.pk, by=staff_user(request))
            return f"The sweeps take {account.number} again."

        return confirm_one(
            self, request, object_id, title="Clear “parked”", submit="Let the sweeps take it again",
            form_class=forms.Form, carry_out=carry_out,
            words=lambda account: f"Parked because: {account.parked_why}" if account.parked_at else "It is not parked.",
        )  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only the buttons that make sense for the account's state."""
        found = super().get_actions_detail(request, object_id)
        state: Any = Account.objects.filter(pk=number_of(object_id)).values("closed_on", "parked_at").first() or {}
        useless = {"unpark"} if not state.get("parked_at") else set()
        useless |= {"close"} if state.get("closed_on") else set()
        return [button for button in found if button.path not in useless]


admin.site.register(Account, AccountAdmin)
