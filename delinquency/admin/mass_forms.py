"""What is asked before something is done to many: one small form for each kind."""

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.admin.confirm import DayField, ReasonForm
from accounts.admin.field_help import DeskForm
from accounts.models import Account, AccountStatus, AccountType
from delinquency.models import AccountHold, MassAction
from delinquency.operations.holds import HOLD_DAYS_MAX
from invoicing.models import Payment, ReasonCode
from netenforce.models import Device

from .ticket_verbs import HandOverForm

Kind = MassAction.Kind
# More than this are only dealt with by somebody who types how many.
TYPED_ABOVE = 50
HEADER = ["reference", "account", "amount", "date"]


class KindForm(DeskForm):
    """Asks what a kind of action needs to know."""

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        return {}


class GraceForm(KindForm):
    """Until when, and whether running cases end."""

    until_on = DayField(
        label="Grace until", help_text="The first day on which an account may become delinquent, such as 2026-01-26."
    )
    lift_now = forms.BooleanField(
        required=False,
        label="End running cases now",
        help_text="Frees their lines at once and returns their status, without a reconnection fee (A8).",
    )

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        return {"until_on": self.cleaned_data["until_on"].isoformat(), "lift_now": self.cleaned_data["lift_now"]}


class HoldForm(KindForm):
    """Until when, what happens then, and whether lines are freed now."""

    until_on = DayField(
        label="On hold until",
        help_text=f"The first day on which the policy goes on; at most {HOLD_DAYS_MAX} days ahead.",
    )
    resume = forms.ChoiceField(
        label="When the hold ends",
        choices=AccountHold.Resume.choices,
        initial=AccountHold.Resume.GO_ON,
        help_text="“Go on where it stood”: steps that fell into the hold run at the first check after it, dated that"
        " day. “Start the grace anew”: everybody first gets the days below.",
    )
    anew_days = forms.IntegerField(
        label="Days of grace anew", min_value=0, max_value=60, required=False, initial=0,
        help_text="Only for “start the grace anew”: with 5, nobody becomes delinquent before the 5th day after the"
        " hold.",
    )  # fmt: skip
    free_now = forms.BooleanField(
        required=False,
        label="Free lines now",
        help_text="Ends running cases at once: what is slowed or cut is opened (A8). Otherwise it stays as it is.",
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the days where the grace starts anew, and for none where it does not."""
        cleaned = super().clean() or self.cleaned_data
        days = cleaned.get("anew_days") or 0
        if cleaned.get("resume") == AccountHold.Resume.ANEW and days < 1 and "anew_days" not in self.errors:
            self.add_error("anew_days", "Say how many days of grace start after the hold, such as 5.")
        if cleaned.get("resume") == AccountHold.Resume.GO_ON and days:
            self.add_error("anew_days", "Leave this at 0, or choose “start the grace anew”.")
        return cleaned

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        data = self.cleaned_data
        return {
            "until_on": data["until_on"].isoformat(), "resume": data["resume"], "anew_days": data["anew_days"] or 0,
            "free_now": data["free_now"],
        }  # fmt: skip


class AreaForm(HoldForm):
    """Which accounts, and the same."""

    field_order = ("text", "device", "account_type", "until_on", "resume", "anew_days", "free_now")
    text = forms.CharField(
        required=False, max_length=100, label="Address contains",
        help_text="A street, a town or a postal code, such as 12498.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )  # fmt: skip
    device = forms.ModelChoiceField(
        Device.objects.order_by("name"), required=False, empty_label="– any –", label="Lines on device",
    )  # fmt: skip
    account_type = forms.ModelChoiceField(
        AccountType.objects.all(), required=False, empty_label="– any –", label="Account type"
    )

    def clean(self) -> dict[str, Any]:
        """Refuse to take everybody by leaving all of it blank."""
        cleaned = super().clean()
        if not (cleaned.get("text") or cleaned.get("device") or cleaned.get("account_type")):
            self.add_error("text", "Say which area: a part of the address, a device, or an account type.")
        return cleaned

    def rows(self) -> Any:
        """Return the accounts of the area, without those that are closed."""
        data, rows = self.cleaned_data, Account.objects.filter(closed_on__isnull=True)
        if data["text"]:
            rows = rows.filter(address__icontains=data["text"])
        if data["device"]:
            rows = rows.filter(service_lines__placements__device=data["device"])
        return rows.filter(account_type=data["account_type"]) if data["account_type"] else rows

    def words(self) -> str:
        """Return the area in words."""
        data = self.cleaned_data
        parts = [f"address contains “{data['text']}”"] if data["text"] else []
        parts += [f"lines on {data['device']}"] if data["device"] else []
        parts += [f"of type {data['account_type']}"] if data["account_type"] else []
        return f"open accounts: {', '.join(parts)}"


class StatusForm(KindForm):
    """Which status."""

    status = forms.ModelChoiceField(
        AccountStatus.objects.all(), help_text="Status drives billing and nothing else (D1)."
    )

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        status = self.cleaned_data["status"]
        return {"status": status.pk, "status_name": status.name}


class WaiveForm(KindForm):
    """For which reason of the list."""

    code = forms.ChoiceField(label="Reason", choices=ReasonCode.choices, help_text="Kept in the ledger with each fee.")

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        return {"code": self.cleaned_data["code"]}


class ReverseForm(KindForm):
    """How the payments came back, and the bank's reason."""

    how = forms.ChoiceField(
        label="What happened", choices=Payment.Reversal.choices,
        help_text="“Recorded by mistake” asks no fee and bars no card; the others do.",
    )  # fmt: skip
    code = forms.CharField(
        label="The bank's reason", max_length=80, required=False,
        help_text="Its code, such as R01 (insufficient funds), or its words. Kept with each payment.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Ask for the bank's reason where it was the bank."""
        cleaned = super().clean() or self.cleaned_data
        by_bank = cleaned.get("how") in (Payment.Reversal.RETURNED, Payment.Reversal.CHARGEBACK)
        if by_bank and not cleaned.get("code") and "code" not in self.errors:
            self.add_error("code", "Give the bank's code or words, such as R01.")
        return cleaned

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        return {"how": self.cleaned_data["how"], "code": self.cleaned_data["code"]}


class ResendForm(KindForm):
    """Which of them."""

    also_arrived = forms.BooleanField(
        required=False,
        label="Also what may have arrived",
        help_text="Without this only those go out that failed, bounced, were rejected or given up.",
    )

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        return {"also_arrived": self.cleaned_data["also_arrived"]}


class GiveForm(KindForm):
    """To which queue or colleague."""

    queue = HandOverForm.base_fields["queue"]
    owner = HandOverForm.base_fields["owner"]

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("queue") and not cleaned.get("owner"):
            self.add_error("queue", "Choose a queue, a colleague, or both.")
        return cleaned

    def parameters(self) -> dict[str, Any]:
        """Return the answers as they are kept."""
        queue, owner = self.cleaned_data["queue"], self.cleaned_data["owner"]
        return {
            "queue": queue.pk if queue else None, "queue_name": str(queue) if queue else "",
            "owner": owner.pk if owner else None, "owner_name": str(owner) if owner else "",
        }  # fmt: skip


class PasteForm(DeskForm):
    """Payments as lines of text, such as copied from a spreadsheet or the bank's page."""

    lines = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        max_length=200_000,
        help_text="One payment a line: reference, account, amount, date; such as “TR-881, 10001, 86.80, 2026-01-17”."
        " Commas, semicolons or tabs between them. You see and correct each before any is recorded.",
    )

    def clean_lines(self) -> str:
        """Refuse lines that do not have four parts, naming the first."""
        self.rows = []
        for number, line in enumerate(self.cleaned_data["lines"].splitlines(), start=1):
            parts = [part.strip() for part in re.split(r"[\t;]" if re.search(r"[\t;]", line) else ",", line)]
            if not line.strip() or [part.lower() for part in parts] == HEADER:
                continue
            if len(parts) != len(HEADER):
                raise forms.ValidationError(
                    f"Line {number} has {len(parts)} parts; write four: reference, account, amount, date."
                )
            self.rows.append(parts)
        return str(self.cleaned_data["lines"])

    def as_file(self) -> bytes:
        """Return the lines as the file of a bank would have them."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([*HEADER[:3], "received"])
        writer.writerows(self.rows)
        return out.getvalue().encode()


class CountForm(ReasonForm):
    """Why and, for many, how many: nobody types 412 by mistake."""

    def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = count
        self.fields["reason"].help_text = "Kept with each of them, such as “Storm of 3 May, lines down in the valley”."
        if count > TYPED_ABOVE:
            self.fields["typed"] = forms.IntegerField(
                label="How many", help_text=f"Type {count} to confirm that you mean all of them."
            )

    def clean(self) -> dict[str, Any]:
        """Compare the typed count."""
        cleaned = super().clean() or self.cleaned_data
        if "typed" in self.fields and "typed" not in self.errors and cleaned.get("typed") != self.count:
            self.add_error("typed", f"That is not {self.count}, which is how many it is; type {self.count}.")
        return cleaned


class UndoForm(ReasonForm):
    """Why something is taken back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Kept with each of them, such as “Wrong area chosen”."


FORMS: Mapping[str, type[KindForm]] = {
    Kind.GRACE: GraceForm,
    Kind.HOLD: HoldForm,
    Kind.STATUS: StatusForm,
    Kind.WAIVE: WaiveForm,
    Kind.RESEND: ResendForm,
    Kind.HAND_OVER: GiveForm,
    Kind.REVERSE: ReverseForm,
}
