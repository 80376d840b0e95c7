"""The account page: everything about one account, and what can be done about it. The top room knows all the others."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import DecimalField, Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.account import AccountAdmin
from accounts.admin.base import BAD, GOOD, WARN, badge, badges, money, number_of, staff_user
from accounts.admin.confirm import confirm_one
from accounts.models import Account
from accounts.presence import look_at
from billing_project.kernel import clock
from billing_project.kernel.together import at_once
from delinquency import operations
from delinquency.flagging import FlagState, flag_state
from delinquency.models import Standing
from delinquency.story import GROUPS, story_reading
from invoicing.admin.billing import BillingParametersInline
from invoicing.admin.catalog import SubscriptionInline
from invoicing.admin.lateness import past_due
from invoicing.models import Invoice, LedgerEntry
from netenforce.admin.hold import RestrictAction
from netenforce.models import LineState

from .buttons import FIRST, MORE, buttons_of
from .calendar import LandsFilter
from .charging import ChargeAction
from .dispute import DisputeButton
from .evidence import EvidenceButtons
from .flag import FlagActions
from .grace import GraceActions
from .mass_start import MassAccountMixin
from .move_batch import PolicyMoveInline
from .moving import MoveAccountMixin
from .panel import panel_reading
from .reaching import ReachActions
from .search import SearchedAccounts
from .ticket_verbs import NewTicketButton
from .till import TillActions
from .whatif import WhatIfMixin

# In the address of an account's page: show the form.
EDIT = "edit"
MONEY = DecimalField(max_digits=12, decimal_places=2)


class StandsFilter(admin.SimpleListFilter):
    """Accounts by where they stand; the home page links here."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [
            ("past_due", "past due"), ("delinquent", "delinquent"), ("restricted", "line restricted"),
            ("unrestored", "should be open, seen restricted"), ("flagged", "flagged"), ("grace", "grace runs"),
            ("hold", "on hold"), ("parked", "parked"),
        ]  # fmt: skip

    def queryset(self, _request: HttpRequest, rows: QuerySet[Account]) -> QuerySet[Account]:
        """Narrow the list."""
        lines = LineState.objects.filter(line__account=OuterRef("pk"))
        match self.value():
            case "past_due":
                return rows.filter(Exists(past_due(Invoice.objects.filter(account=OuterRef("pk")))))
            case "delinquent":
                return rows.filter(standing__delinquent_since__isnull=False)
            case "restricted":
                return rows.filter(Exists(lines.exclude(desired_level="open")))
            case "unrestored":
                return rows.filter(Exists(lines.filter(desired_level="open").exclude(observed_level="open")))
            case "flagged":
                return rows.filter(standing__flagged_on__isnull=False)
            case "grace":
                return rows.filter(standing__grace_until__gt=clock.today())
            case "hold":
                return rows.filter(standing__held_until__gt=clock.today())
            case "parked":
                return rows.filter(parked_at__isnull=False)
        return rows


admin.site.unregister(Account)


@admin.register(Account)
class AccountPage(
    SearchedAccounts,
    GraceActions,
    ReachActions,
    FlagActions,
    RestrictAction,
    WhatIfMixin,
    NewTicketButton,
    TillActions,
    DisputeButton,
    ChargeAction,
    EvidenceButtons,
    MoveAccountMixin,
    MassAccountMixin,
    AccountAdmin,
):
    """One account at a glance: what it owes, where it stands, what happened, what comes next, and the buttons."""

    list_display = ("number", "name", "status_shown", "balance", "late", "stands", "line", "company")
    list_filter = (StandsFilter, LandsFilter, "status", "account_type", "company")
    inlines = (*AccountAdmin.inlines, SubscriptionInline, BillingParametersInline, PolicyMoveInline)
    actions = ("move_chosen",)
    # Each has its address; which of them a page offers, and in which order, is in `buttons`.
    actions_detail = tuple(name for name, _ in (*FIRST, *MORE) if name != "release")
    change_form_outer_before_template = "admin/account_details.html"
    change_form_outer_after_template = "admin/flag.html"

    def get_inlines(self, request: HttpRequest, obj: Account | None) -> Any:
        """Leave out, of an account that is only being opened, what can have happened to none yet."""
        found = super().get_inlines(request, obj)
        return found if obj else tuple(inline for inline in found if inline is not PolicyMoveInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Read balance, lateness, standing and line together with the accounts, by subquery."""
        owed = LedgerEntry.objects.filter(account=OuterRef("pk")).order_by().values("account").annotate(x=Sum("amount"))
        late = (
            past_due(Invoice.objects.filter(account=OuterRef("pk")))
            .order_by()
            .values("account")
            .annotate(x=Sum("remaining"))
        )
        cut = LineState.objects.filter(line__account=OuterRef("pk")).exclude(desired_level="open")
        unseen = LineState.objects.filter(line__account=OuterRef("pk")).exclude(desired_level=F("observed_level"))
        rows: QuerySet[Account] = super().get_queryset(request)
        return rows.select_related("status", "account_type", "company").annotate(
            balance_amount=Coalesce(Subquery(owed.values("x"), output_field=MONEY), Decimal(0), output_field=MONEY),
            late_amount=Subquery(late.values("x"), output_field=MONEY),
            held_until=F("standing__held_until"),
            delinquent_since=F("standing__delinquent_since"), flagged_on=F("standing__flagged_on"),
            cut_level=Subquery(cut.values("desired_level")[:1]), unconfirmed=Exists(unseen),
        )  # fmt: skip

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Account | None:
        """Read the account once for a page that only shows it: the panel and the form need the same row."""
        if request.method != "GET":
            return super().get_object(request, object_id, from_field)
        kept: dict[str, Account | None] = request.__dict__.setdefault("desk_accounts", {})
        if object_id not in kept:
            kept[object_id] = super().get_object(request, object_id, from_field)
        return kept[object_id]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the account; its form, with all that may be edited, is behind "Details"."""
        if request.method == "GET" and EDIT not in request.GET and IS_POPUP_VAR not in request.GET:
            return self.overview(request, object_id)
        response = super().change_view(request, object_id, form_url, extra_context)
        context = getattr(response, "context_data", None) or {}
        account = context.get("original")
        if account and request.method == "POST":  # what the form refused stands in the row that it was tried on
            account = self.get_object(request, object_id)
        if account:
            may_count = request.user.has_perm("delinquency.decide_flag")
            context |= {"account": account, "panel": {"flag": _flag_of(account), "may_count": may_count}}
        return response

    def overview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one account at a glance: at most 15 queries, whatever it holds."""
        rows = Account.objects.select_related("status", "company", "account_type")
        account = rows.filter(pk=number_of(object_id)).first()
        if account is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            return gone
        if not self.has_view_or_change_permission(request, account):
            raise PermissionDenied
        group = request.GET.get("kind", "") if request.GET.get("kind", "") in GROUPS else ""
        story = story_reading(account, group=group, before=request.GET.get("before", ""))
        user = staff_user(request)
        panel = at_once(panel_reading(account, story=story, user=user, back=request.path))
        allowed = self._filter_unfold_actions_by_permissions(request, self._get_base_actions_detail(), object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": account, "title": f"{account.number} {account.name}",
            "panel": panel, "buttons": buttons_of(panel, {one.path for one in allowed}, user),
            "groups": [(name, words, panel.told.counts.get(name, 0)) for name, words in GROUPS.items()],
            "group": group, "group_words": GROUPS.get(group, ""), "is_later_page": bool(request.GET.get("before")),
            "may_edit": self.has_change_permission(request, account),
            "others": look_at(f"account:{account.pk}", user, works=user.has_perm("accounts.send_notice")),
        }  # fmt: skip
        return TemplateResponse(request, "admin/account_page.html", context)

    def get_actions_detail(self, _request: HttpRequest, _object_id: Any) -> list[Any]:
        """Leave the buttons to the overview; the form is for editing."""
        return []

    def response_change(self, request: HttpRequest, obj: Account) -> HttpResponse:
        """Go on with the form where somebody wants to continue editing."""
        response = super().response_change(request, obj)
        if "_continue" in request.POST and isinstance(response, HttpResponseRedirect):
            return HttpResponseRedirect(f"{reverse('admin:accounts_account_change', args=[obj.pk])}?{EDIT}=1")
        return response

    def response_post_save_change(self, _request: HttpRequest, obj: Account) -> HttpResponseRedirect:
        """Lead back to the account, not to the list."""
        return HttpResponseRedirect(reverse("admin:accounts_account_change", args=[obj.pk]))

    @admin.display(description="balance")
    def balance(self, account: Any) -> SafeString | str:
        """Return what it owes in all."""
        return money(account.balance_amount, account.company.currency)

    @admin.display(description="past due")
    def late(self, account: Any) -> SafeString | str:
        """Return what is unpaid past its due date."""
        return money(account.late_amount, account.company.currency) if account.late_amount else ""

    @admin.display(description="standing", ordering="standing__delinquent_since")
    def stands(self, account: Any) -> SafeString:
        """Return delinquency and flag in words."""
        parts = []
        if account.delinquent_since:
            parts.append(badge(f"delinquent since {account.delinquent_since}", BAD))
        elif account.late_amount:
            parts.append(badge("past due", WARN))
        if account.held_until and account.held_until > clock.today(account.timezone):
            parts.append(badge(f"on hold until {account.held_until}", WARN))
        if account.flagged_on:
            parts.append(badge("flagged", WARN))
        return badges(parts) if parts else badge("in good standing", GOOD)

    @admin.display(description="line")
    def line(self, account: Any) -> SafeString:
        """Return how hard its lines are to be restricted, and whether the device agrees."""
        words = {"throttle": "slowed", "walled_garden": "payment page only", "suspend": "suspended"}
        shown = badge(words[account.cut_level], BAD) if account.cut_level else badge("open", GOOD)
        return shown + SafeString(" ") + badge("not confirmed yet", WARN) if account.unconfirmed else shown

    def has_grant_grace_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may help a caller: more time, another look (A9)."""
        return bool(request.user.has_perm("delinquency.grant_grace"))

    @action(description="Look again now", icon="refresh", permissions=["grant_grace"])
    def look_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Work the account out again at once instead of at the next check."""

        def carry_out(account: Account, _data: dict[str, Any]) -> str:
            operations.reassess(account.pk)
            return "Worked out again; what is new stands in the story below."

        return confirm_one(
            self, request, object_id, title="Look again now", submit="Look again", form_class=forms.Form,
            carry_out=carry_out,
            words="The program looks by itself; this only saves waiting for the next check.",
        )  # fmt: skip


def _flag_of(account: Account) -> FlagState | None:
    """Return how close an account is to the flag."""
    standing = Standing.objects.filter(account=account).select_related("policy_version__policy").first()
    return flag_state(standing, clock.today(account.timezone), list(account.funding_sources.order_by("rank")))
