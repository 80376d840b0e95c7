"""Two buttons on an account's page: what was changed about it, and its evidence pack."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from accounts.admin.base import number_of, staff_user
from accounts.admin.confirm import DayField
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.evidence.large import ask_for_pack
from delinquency.evidence.pack import Pack, file_name, json_bytes, pdf_bytes, read_pack

DAYS_AT_FIRST = 90
WORDS = (
    "Everything that was done about this account in some days, and why: money, decisions with the values compared, "
    "notices with their text and the provider's word, calls, tickets, orders to devices with what they read back, and "
    "the audit entries with their hashes. It names the customer: hand it on with care."
)
MADE: dict[str, tuple[str, Callable[[Pack], bytes]]] = {
    "pdf": ("application/pdf", pdf_bytes),
    "json": ("application/json", json_bytes),
}


class PackForm(DeskForm):
    """Which days, and in which form."""

    first = DayField(label="From", help_text="First day, the account's time.")
    last = DayField(label="To", help_text="Last day, today at the latest.")
    form = forms.ChoiceField(
        label="As", choices=[("pdf", "PDF, to print or send"), ("json", "JSON, for programs and for checking hashes")],
        help_text="Both say the same. The JSON also holds the audit entries exactly as they were sealed.",
    )  # fmt: skip


class EvidenceButtons:
    """Adds the buttons to the account's page."""

    def has_see_audit_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may see the audit record."""
        return bool(request.user.has_perm("accounts.view_auditentry"))

    def has_make_pack_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may make evidence packs."""
        return bool(request.user.has_perm("accounts.make_evidence_pack"))

    @action(description="Audit", icon="verified_user", permissions=["see_audit"])
    def audit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the audit entries of the account."""
        del request
        listed = reverse("admin:accounts_auditentry_changelist")
        return HttpResponseRedirect(f"{listed}?account={number_of(object_id)}")

    @action(description="Evidence pack", icon="folder_zip", permissions=["make_pack"])
    def evidence_pack(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the days, and hand out the pack."""
        if not self.has_make_pack_permission(request):
            raise PermissionDenied
        rows = Account.objects.select_related("company", "status", "account_type")
        account = get_object_or_404(rows, pk=number_of(object_id))
        today = clock.today(account.timezone)
        asked = request.POST if request.method == "POST" else None
        form = PackForm(asked, initial={"first": today - timedelta(days=DAYS_AT_FIRST), "last": today, "form": "pdf"})
        if asked is not None and form.is_valid():
            try:
                return _pack(account, form.cleaned_data)
            except Refused as refusal:
                if refusal.code != "too_much":
                    form.add_error(None, refusal.words)
                else:
                    return _ask(request, account, form.cleaned_data)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": account, "title": "Evidence pack",
            "words": WORDS, "submit": "Make the pack", "form": form,
            "back": reverse("admin:accounts_account_change", args=[account.pk]),
        }  # fmt: skip
        return TemplateResponse(request, "admin/confirm.html", context)


def _pack(account: Account, data: dict[str, Any]) -> HttpResponse:
    content_type, make = MADE[data["form"]]
    pack = read_pack(account, data["first"], data["last"])
    name = file_name(pack, data["form"])
    return HttpResponse(
        make(pack), content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _ask(request: HttpRequest, account: Account, data: dict[str, Any]) -> HttpResponse:
    """Leave a large pack to the task of large files, and lead to where it will lie."""
    try:
        ask_for_pack(account, data["first"], data["last"], data["form"], by=staff_user(request))
    except Refused as refusal:
        messages.error(request, refusal.words)
        return HttpResponseRedirect(request.path, status=303)
    messages.info(
        request,
        "That is more than a page can make while you wait. It is being made; it lies here for seven days, for you"
        " alone, as soon as it is ready.",
    )
    return HttpResponseRedirect(reverse("admin:accounts_dataexport_changelist"), status=303)
