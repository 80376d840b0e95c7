"""The screen of requests that wait for a second person: the list, and its three buttons (SEC-21)."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.models.second_person import TwoPeople

from .base import BAD, GOOD, QUIET, WARN, ReadOnlyAdmin, admin_link, local_time, number_of, staff_user, state_badge
from .confirm import ReasonForm, confirm_one
from .field_help import DeskForm

TONES = {"waiting": WARN, "approved": GOOD, "refused": BAD, "withdrawn": QUIET}
State = TwoPeople.State


class NoteForm(DeskForm):
    """Ask for a word to it, if there is one to say."""

    note = forms.CharField(label="Note", required=False, max_length=200, help_text="Kept with the decision.")


class WaitsFilter(admin.SimpleListFilter):
    """Requests that wait, or all."""

    title = "who decides"
    parameter_name = "waits"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("me", "waits for me"), ("mine", "mine, waiting"), ("yes", "waits"), ("no", "decided")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        match self.value():
            case "me":
                return rows.filter(state=State.WAITING).exclude(asked_by=staff_user(request))
            case "mine":
                return rows.filter(state=State.WAITING, asked_by=staff_user(request))
            case "yes":
                return rows.filter(state=State.WAITING)
            case "no":
                return rows.exclude(state=State.WAITING)
        return rows


class SecondPersonAdmin(ReadOnlyAdmin):
    """Requests above somebody's limit: one person asks, another decides.

    ``operations`` is the module that approves, refuses and withdraws; ``done`` is said when one was approved, unless
    ``carried_out`` says more.
    """

    operations: Any
    done = "Approved and done."
    list_display: tuple[str, ...] = (
        "shown",
        "account_shown",
        "reason",
        "asked_by",
        "asked",
        "state_shown",
        "decided_by",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("account", "asked_by", "decided_by")
    list_filter: ClassVar[tuple[Any, ...]] = (WaitsFilter, "state")
    search_fields: ClassVar[tuple[str, ...]] = ("account__number", "account__name", "reason")
    date_hierarchy = "asked_at"
    actions_detail = ("approve", "refuse", "withdraw")
    fields: ClassVar[tuple[str, ...]] = (
        "shown", "account_shown", "reason", "asked_by", "asked", "state_shown", "decided_by", "decided", "note",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = fields

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what the user may do: nobody decides what they have asked for themselves."""
        found = super().get_actions_detail(request, object_id)
        row = self.model._default_manager.filter(pk=number_of(object_id), state=State.WAITING).first()
        if row is None:
            return []
        fits = {"withdraw"} if row.asked_by_id == staff_user(request).pk else {"approve", "refuse"}
        return [button for button in found if button.path in fits]

    def has_decide_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may decide what others ask for."""
        return bool(request.user.has_perm(self.operations.RIGHT_TO_DECIDE))

    def has_ask_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may ask, and so take back what they have asked for."""
        return bool(request.user.has_perm(self.operations.RIGHT_TO_ASK))

    def facts_of(self, row: Any) -> list[str]:
        """Return what the second person should know before deciding."""
        return [f"Reason: {row.reason}"]

    def words_of(self, row: Any) -> str:
        """Return who asks for what."""
        return f"{row.asked_by} asks for account {row.account}: {row}."

    def carried_out(self, _row: Any) -> str:
        """Return what is said once a request was approved; what has to follow the decision is done here."""
        return self.done

    @admin.display(description="request")
    def shown(self, row: Any) -> str:
        """Return what is asked for."""
        return str(row)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: Any) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)

    @admin.display(description="asked", ordering="asked_at")
    def asked(self, row: Any) -> SafeString | str:
        """Return when it was asked for, in the account's time."""
        return local_time(row.asked_at, row.account.timezone)

    @admin.display(description="decided", ordering="decided_at")
    def decided(self, row: Any) -> SafeString | str:
        """Return when it was decided, in the account's time."""
        return local_time(row.decided_at, row.account.timezone)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: Any) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, TONES)

    @action(description="Approve", icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and carry out what another person asked for."""

        def carry_out(row: Any, data: dict[str, Any]) -> str:
            self.operations.approve(row, by=staff_user(request), note=data["note"])
            return self.carried_out(row)

        return confirm_one(
            self, request, object_id, title="Approve", submit="Approve and do it", form_class=NoteForm,
            words=lambda row: f"{self.words_of(row)} It is done at once; the record names you both.",
            facts=self.facts_of, carry_out=carry_out,
        )  # fmt: skip

    @action(description="Refuse", icon="block", permissions=["decide"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and refuse what another person asked for."""

        def carry_out(row: Any, data: dict[str, Any]) -> str:
            self.operations.refuse(row, by=staff_user(request), note=data["reason"])
            return "Refused; nothing was changed."

        return confirm_one(
            self, request, object_id, title="Refuse", submit="Refuse it", form_class=ReasonForm,
            words=self.words_of, facts=self.facts_of, carry_out=carry_out,
        )  # fmt: skip

    @action(description="Take the request back", icon="undo", permissions=["ask"])
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and take one's own request back."""

        def carry_out(row: Any, _data: dict[str, Any]) -> str:
            self.operations.withdraw(row, by=staff_user(request))
            return "The request is taken back."

        return confirm_one(
            self, request, object_id, title="Take the request back", submit="Take it back", form_class=forms.Form,
            words="Nobody decides it then; nothing is changed.", carry_out=carry_out,
        )  # fmt: skip
