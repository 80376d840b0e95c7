"""Resolve a charge whose outcome is unknown: see the gateway's answer, accept it, or say how it was (K10, R-07)."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.base import DeskAdmin, number_of, staff_user
from accounts.admin.field_help import DeskForm
from accounts.admin.texts import NoCards
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from invoicing.gateways.port import ChargeTrace, Pending
from invoicing.gateways.registry import gateway
from invoicing.models import PaymentAttempt
from invoicing.operations import by_hand
from invoicing.operations.inquire import look_up


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway says of a charge, and whether accepting it ends the matter."""

    words: str
    is_final: bool


class FixForm(NoCards, DeskForm):
    """Ask how it was, where the gateway cannot say: seen in its dashboard, or told by its support."""

    how = forms.ChoiceField(
        label="What you found out",
        choices=[("made", "It was charged"), ("not_made", "It was not charged")],
        initial="not_made",
        widget=forms.RadioSelect,
    )
    reference = forms.CharField(
        label="The gateway's reference", required=False, max_length=64,
        help_text="Needed if it was charged, such as pi_3Nx…; it becomes the payment's reference.",
    )  # fmt: skip
    reason = forms.CharField(
        label="How you know", max_length=200, help_text="Kept with the attempt, such as “Seen in the dashboard”."
    )


def asked(attempt: PaymentAttempt) -> Answer:
    """Ask the gateway what became of a charge and return its answer in words; nothing is changed or charged by it."""
    if attempt.page_id:
        return Answer("It was begun on a page of the gateway's; accept, and the page is asked and closed.", True)
    source = attempt.funding_source
    trace = ChargeTrace(
        key=attempt.key, provider_id=attempt.provider_id, since=attempt.created_at,
        customer_token=source.customer_token if source else "",
    )  # fmt: skip
    try:
        receipt = gateway().lookup(trace)
    except Rejected as rejected:
        return Answer(f"It was declined: {rejected.words}", True)
    except Pending as pending:
        return Answer(f"It is under way: {pending}", False)
    except (Unavailable, OutcomeUnknown) as unanswered:
        return Answer(f"The gateway cannot say now: {unanswered}", False)
    if receipt is None:
        return Answer("The gateway knows nothing of this charge: it was not made. It is queued again.", True)
    return Answer(f"{receipt.amount:,.2f} were charged, as {receipt.provider_id}. The payment is recorded.", True)


class ResolveActions(DeskAdmin):
    """The page that resolves a charge, and the link to it in the list."""

    def get_urls(self) -> list[Any]:
        """Add the page before the admin's own."""
        site: Any = self.admin_site
        own = path("<int:pk>/resolve/", site.admin_view(self.resolve_page), name="invoicing_paymentattempt_resolve")
        return [own, *super().get_urls()]

    def resolve_link(self, attempt: PaymentAttempt) -> SafeString | str:
        """Return the link to the page for a charge that is unclear."""
        if attempt.state not in (PaymentAttempt.State.UNKNOWN, PaymentAttempt.State.PENDING):
            return ""
        address = reverse("admin:invoicing_paymentattempt_resolve", args=[attempt.pk])
        return format_html(
            '<a class="desk-link" href="{}">Resolve<span class="desk-hidden"> {}</span></a>', address, attempt.key
        )

    def resolve_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the gateway's answer; on POST accept it, or write down what a person has found out."""
        rows = PaymentAttempt.objects.select_related("account__company", "invoice", "funding_source")
        attempt = rows.filter(pk=number_of(pk)).first()
        if attempt is None:
            raise Http404(f"There is no charge attempt {pk}.")
        if not request.user.has_perm("invoicing.resolve_payment"):
            raise PermissionDenied
        home = reverse("admin:invoicing_paymentattempt_change", args=[attempt.pk])
        if attempt.state not in (PaymentAttempt.State.UNKNOWN, PaymentAttempt.State.PENDING):
            messages.info(request, f"Nothing is open: the charge is {attempt.get_state_display()}.")
            return HttpResponseRedirect(home)
        fixes = request.method == "POST" and "accept" not in request.POST
        form = FixForm(request.POST if fixes else None)
        if request.method == "POST" and (not fixes or form.is_valid()):
            try:
                _carry_out(request, attempt, form)
            except Refused as refusal:
                form = form if fixes else FixForm({})
                form.add_error(None, refusal.words)
            else:
                attempt.refresh_from_db()
                messages.success(request, f"The charge is {attempt.get_state_display()}. {attempt.why}")
                return HttpResponseRedirect(home, status=303)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": attempt,
            "title": "Resolve a charge", "attempt": attempt, "answer": asked(attempt), "form": form,
            "back": reverse("admin:invoicing_paymentattempt_changelist") + "?state__exact=unknown",
        }  # fmt: skip
        return TemplateResponse(request, "admin/resolve.html", context)


def _carry_out(request: HttpRequest, attempt: PaymentAttempt, form: FixForm) -> None:
    if "accept" in request.POST:
        look_up(attempt.pk, clock.now())
        return
    data = form.cleaned_data
    if data["how"] == "made":
        by_hand.was_made(attempt, reference=data["reference"], why=data["reason"], by=staff_user(request))
    else:
        by_hand.was_not_made(attempt, why=data["reason"], by=staff_user(request))
