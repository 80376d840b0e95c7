"""The flag for being seriously late: taken off by hand, and what counts towards it (E6 to E8, A27 to A31)."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import GOOD, QUIET, WARN, badge, number_of, staff_user
from accounts.admin.confirm import confirm_one
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from delinquency import operations
from delinquency.models import InvoiceStanding, Standing

WHY_NOT = (
    ("Our own error.", "Our own error, such as a bill that came late or was wrong"),
    ("Its late fee was waived.", "Its late fee was waived"),
    ("It is disputed.", "The customer disputes it"),
    ("", "Another reason: write it below"),
)


class LeaveOutForm(DeskForm):
    """Why an invoice does not count."""

    preset = forms.ChoiceField(label="Reason", choices=WHY_NOT, required=False)
    reason = forms.CharField(
        label="In your own words",
        max_length=120,
        required=False,
        help_text="Kept with the invoice, for the next one who asks.",
    )

    def clean(self) -> dict[str, Any]:
        """Join the two; ask for words where no reason was chosen."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        found["why"] = f"{found.get('preset') or ''} {found.get('reason') or ''}".strip()
        if not found["why"]:
            self.add_error("reason", "Say why the invoice does not count, such as “The bill went to the old address”.")
        return found


class FlagActions:
    """The button of the account page that takes the flag off."""

    def has_decide_flag_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Tell whether the user may decide about flags."""
        return bool(request.user.has_perm("delinquency.decide_flag"))

    @action(description="Remove flag", icon="flag", permissions=["decide_flag"])
    def unflag(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and drop the flag for being seriously late (A28)."""

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            operations.unflag(account, data["reason"], staff_user(request))
            return "The flag is removed; invoices that were late before today no longer count."

        return confirm_one(
            self, request, object_id, title="Remove flag", submit="Remove it", carry_out=carry_out,  # type: ignore[arg-type]
            words="Invoices that were seriously late before today no longer count towards a flag. If a single invoice"
            " should not count, leave that one out instead: the others go on counting.",
        )  # fmt: skip


class CountsFilter(admin.SimpleListFilter):
    """Late invoices by whether they count towards the flag."""

    title = "towards the flag"
    parameter_name = "counts"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("yes", "seriously late, counts"), ("no", "left out with a reason")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[InvoiceStanding]) -> QuerySet[InvoiceStanding]:
        """Narrow the list."""
        match self.value():
            case "yes":
                return rows.filter(seriously_late_on__isnull=False, not_counted_why="")
            case "no":
                return rows.exclude(not_counted_why="")
        return rows


class CountingActions:
    """The buttons of a late invoice: leave it out of the count towards the flag, and count it again."""

    @admin.display(description="towards the flag", ordering="seriously_late_on")
    def counting(self, row: InvoiceStanding) -> SafeString | str:
        """Return in words whether it counts."""
        if row.not_counted_why:
            return badge("left out", QUIET)
        return badge("seriously late, counts", WARN) if row.seriously_late_on else badge("not seriously late", GOOD)

    @action(description="Does not count", icon="do_not_disturb_on", permissions=["operate"])
    def leave_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and leave the invoice out of the count (A27)."""

        def carry_out(row: InvoiceStanding, data: dict[str, Any]) -> str:
            flagged = _is_flagged(row)
            operations.do_not_count(row, data["why"], staff_user(request))
            off = (
                " The account was not late too often without it: its flag is off."
                if flagged and not _is_flagged(row)
                else ""
            )
            return f"{row.invoice.number} does not count towards the flag.{off}"

        return confirm_one(
            self, request, object_id, title="Does not count", submit="Leave it out", carry_out=carry_out,  # type: ignore[arg-type]
            form_class=LeaveOutForm, back=_account_page, words=_what_leaving_out_does,
        )  # fmt: skip

    @action(description="Counts again", icon="undo", permissions=["operate"])
    def count_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and count the invoice after all."""

        def carry_out(row: InvoiceStanding, data: dict[str, Any]) -> str:
            flagged = _is_flagged(row)
            operations.count_again(row, data["reason"], staff_user(request))
            on = " The account is flagged again." if not flagged and _is_flagged(row) else ""
            return f"{row.invoice.number} counts again.{on}"

        return confirm_one(
            self, request, object_id, title="Counts again", submit="Count it", carry_out=carry_out, back=_account_page,  # type: ignore[arg-type]
            words=lambda row: f"Left out so far: {row.not_counted_why} With it the account may be flagged again.",
        )  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer whichever of the two makes sense."""
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        left_out = InvoiceStanding.objects.filter(pk=number_of(object_id)).exclude(not_counted_why="").exists()
        return [button for button in found if button.path != ("leave_out" if left_out else "count_again")]

    def has_operate_permission(self: Any, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may change where accounts stand: what counts decides about the flag."""
        return bool(request.user.has_perm("delinquency.decide_flag"))


def _is_flagged(row: InvoiceStanding) -> bool:
    return Standing.objects.filter(account=row.account_id, flagged_on__isnull=False).exists()


def _account_page(row: InvoiceStanding) -> str:
    return reverse("admin:accounts_account_change", args=[row.account_id])


def _what_leaving_out_does(row: InvoiceStanding) -> str:
    late = (
        f"was seriously late on {row.seriously_late_on}" if row.seriously_late_on else "has not been seriously late yet"
    )
    return (
        f"Invoice {row.invoice.number} {late}. Left out, it does not count towards the flag; if the account was not"
        " late too often without it, the flag comes off at once. What is owed stays owed."
    )
