"""One box that finds anything: the one exact hit opens, everything else is listed, accounts first (U04)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import DecimalField, F, Model, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.account import status_badge
from accounts.admin.base import BAD, GOOD, NOTE, NOTHING, WARN, admin_link, badge, badges, local_time, money
from accounts.models import Account, InboundMessage, Notice
from billing_project.kernel.texts import holds_card
from delinquency.models import Ticket
from delinquency.rules.search_terms import LONGEST, Term, read_term
from delinquency.search.accounts import close_accounts, find_accounts
from delinquency.search.hits import MOST, Hit
from delinquency.search.others import KINDS, Kind
from invoicing.models import GatewayEvent, Invoice, LedgerEntry, Payment, PaymentAttempt, RefundAttempt, SourcePage
from netenforce.models import Device

SHOWN = 20
OWED = DecimalField(max_digits=12, decimal_places=2)
Cell = SafeString | str


@dataclass(frozen=True, slots=True)
class Group:
    """The rows found of one kind, as the page shows them."""

    title: str
    headers: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    total: int
    list_url: str
    amounts: tuple[str, ...] = ("Balance", "Unpaid", "Amount")

    @property
    def total_words(self) -> str:
        """Return how many were found, in words where they were not all counted."""
        return f"more than {MOST:,}" if self.total > MOST else f"{self.total:,}"

    @property
    def is_cut(self) -> bool:
        """Tell whether only the first are shown."""
        return self.total > len(self.rows)


def search_page(request: HttpRequest) -> HttpResponse:
    """Open the one row that was meant, or list what was found; with nothing typed, say what can be found."""
    term = read_term(request.GET.get("q", ""))
    found = _found(request, term)
    only = _the_one(found)
    if only is not None:
        return HttpResponseRedirect(_page_of(*only))
    groups = [_group(request, model, hits, term.text) for model, hits in found.items() if hits]
    close = None
    if term.text and not groups and _may_see(request, Account):
        near = close_accounts(term)
        close = _group(request, Account, near, term.text) if near else None
    card = bool(term.text) and not groups and holds_card(term.text)
    context = {
        **admin.site.each_context(request),
        "title": "Search", "term": "" if card else term.text, "asked": term, "groups": groups, "close": close,
        "looks_like_card": card, "longest": LONGEST, "add_account": _may_add(request),
    }  # fmt: skip
    return TemplateResponse(request, "admin/search.html", context)


class SearchedAccounts:
    """Let the list of accounts, and every field that looks one up, find as the search page does."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Account], search_term: str
    ) -> tuple[QuerySet[Account], bool]:
        """Return the accounts that the search finds, in the list's own order."""
        term = read_term(search_term)
        return (queryset.filter(pk__in=find_accounts(term)) if term.text else queryset), False


def _found(request: HttpRequest, term: Term) -> dict[type[Model], dict[int, Hit]]:
    """Return what the person may see of what was found, accounts first."""
    if not term.text:
        return {}
    found: dict[type[Model], dict[int, Hit]] = {}
    if _may_see(request, Account):
        found[Account] = find_accounts(term)
    for kind in KINDS:
        if _may_see(request, kind.model):
            found[kind.model] = kind.found(term)
    return found


def _the_one(found: Mapping[type[Model], Mapping[int, Hit]]) -> tuple[type[Model], int] | None:
    """Return the row that must be meant: the only one with this very mark, or the only one found at all.

    A mark that is also the end of somebody's card is left to the person.
    """
    rows = [(model, hit) for model, hits in found.items() for hit in hits.values()]
    exact = [(model, hit) for model, hit in rows if hit.exact]
    if len(rows) == 1:
        return rows[0][0], rows[0][1].pk
    if len(exact) == 1 and not any(hit.shared for _, hit in rows):
        return exact[0][0], exact[0][1].pk
    return None


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    desk = admin.site._registry.get(model)
    return desk is not None and bool(desk.has_view_permission(request))


def _may_add(request: HttpRequest) -> bool:
    return bool(admin.site._registry[Account].has_add_permission(request))


def _page_of(model: type[Model], pk: int) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])


def _group(request: HttpRequest, model: type[Model], hits: Mapping[int, Hit], text: str) -> Group:
    """Read the first rows of a kind, and put them in words."""
    first = list(hits)[:SHOWN]
    title, headers, cells, related = _shape(model)
    base: Any = _with_standing() if model is Account else model._default_manager.select_related(*related)
    rows = base.in_bulk(first)
    shown = [(*cells(rows[pk]), hits[pk].why) for pk in first if pk in rows]
    where = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return Group(title, (*headers, "Found by"), shown, len(hits), f"{where}?{urlencode({'q': text})}")


def _shape(model: type[Model]) -> tuple[str, tuple[str, ...], Callable[[Any], Sequence[Cell]], tuple[str, ...]]:
    if model is Account:
        return "Accounts", ("Account", "Name", "Status", "Standing", "Balance"), _account, ()
    kind: Kind = next(kind for kind in KINDS if kind.model is model)
    headers, cells = SHAPES[model]
    return kind.title, headers, cells, kind.related


def _with_standing() -> QuerySet[Account]:
    """Read the balance and the standing with the accounts."""
    owed = LedgerEntry.objects.filter(account=OuterRef("pk")).order_by().values("account").annotate(x=Sum("amount"))
    return Account.objects.select_related("status", "company").annotate(
        balance=Coalesce(Subquery(owed.values("x"), output_field=OWED), Decimal(0), output_field=OWED),
        delinquent_since=F("standing__delinquent_since"),
    )


def _account(row: Any) -> Sequence[Cell]:
    standing = (
        badge(f"delinquent since {row.delinquent_since}", BAD)
        if row.delinquent_since
        else badge("not delinquent", GOOD)
    )
    status = status_badge(row.status)
    shown = badges([status, badge("parked", WARN)]) if row.parked_at else status
    return admin_link(row, row.number), row.name, shown, standing, money(row.balance, row.company.currency)


def _invoice(row: Invoice) -> Sequence[Cell]:
    tone = {"open": NOTE, "paid": GOOD}.get(row.state, "quiet")
    left = money(row.remaining, row.account.company.currency)
    return admin_link(row), _whose(row), badge(row.get_state_display(), tone), f"{row.due_on}", left


def _payment(row: Payment) -> Sequence[Cell]:
    state = badge("came back", BAD) if row.reversed_at else badge("received", GOOD)
    when = local_time(row.received_at, row.account.timezone)
    return admin_link(row, row.reference), _whose(row), state, when, money(row.amount, row.account.company.currency)


def _ticket(row: Ticket) -> Sequence[Cell]:
    tone = "quiet" if row.is_closed else NOTE
    who = row.owner.get_full_name() or row.owner.username if row.owner else "nobody yet"
    return admin_link(row, row.number), _whose(row), row.subject, badge(row.get_state_display(), tone), who


def _attempt(row: PaymentAttempt) -> Sequence[Cell]:
    when = local_time(row.created_at, row.account.timezone)
    amount = money(row.amount, row.account.company.currency)
    return admin_link(row, row.provider_id or row.key), _whose(row), badge(row.get_state_display()), when, amount


def _refund(row: RefundAttempt) -> Sequence[Cell]:
    account = row.payment.account
    when, amount = local_time(row.created_at, account.timezone), money(row.amount, account.company.currency)
    mark = admin_link(row, row.provider_id or row.key)
    return mark, admin_link(account), badge(row.get_state_display()), when, amount


def _source_page(row: SourcePage) -> Sequence[Cell]:
    state = badge("card added", GOOD) if row.taken_at else badge("opened", NOTE)
    return admin_link(row, row.page_id or row.key), _whose(row), state, local_time(row.opened_at, row.account.timezone)


def _report(row: GatewayEvent) -> Sequence[Cell]:
    return admin_link(row, row.event_id), row.type, badge(row.get_state_display()), local_time(row.received_at)


def _notice(row: Notice) -> Sequence[Cell]:
    when = local_time(row.created_at, row.account.timezone)
    return admin_link(row, row.subject or row.template), _whose(row), badge(row.get_state_display()), when


def _received(row: InboundMessage) -> Sequence[Cell]:
    when = local_time(row.received_at, row.account.timezone if row.account else "UTC")
    return admin_link(row), _whose(row), badge(row.get_state_display()), when


def _device(row: Device) -> Sequence[Cell]:
    state = badge("on", GOOD) if row.enabled else badge("switched off", "quiet")
    return admin_link(row, row.name), row.get_driver_display(), row.host or NOTHING, state


def _whose(row: Any) -> Cell:
    return format_html("{}", admin_link(row.account)) if row.account else NOTHING


SHAPES: dict[type[Model], tuple[tuple[str, ...], Callable[[Any], Sequence[Cell]]]] = {
    Invoice: (("Invoice", "Account", "State", "Due", "Unpaid"), _invoice),
    Payment: (("Payment", "Account", "State", "Received", "Amount"), _payment),
    Ticket: (("Ticket", "Account", "Subject", "State", "Owner"), _ticket),
    PaymentAttempt: (("Charge attempt", "Account", "State", "Begun", "Amount"), _attempt),
    RefundAttempt: (("Refund", "Account", "State", "Begun", "Amount"), _refund),
    SourcePage: (("Page", "Account", "State", "Opened"), _source_page),
    GatewayEvent: (("Report", "What it says", "State", "Received (UTC)"), _report),
    Notice: (("Notice", "Account", "State", "Written"), _notice),
    InboundMessage: (("Message", "Account", "State", "Received"), _received),
    Device: (("Device", "Driver", "Host", "State"), _device),
}
