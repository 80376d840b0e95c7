"""The screen of what the gateway paid out."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.base import GOOD, WARN, ReadOnlyAdmin, ReadOnlyTabular, admin_link, badge, local_time, money
from invoicing.models import Payout, PayoutLine


class PayoutLineInline(ReadOnlyTabular):
    """The lines of a payout beside our rows."""

    model = PayoutLine
    fields = ("happened", "kind", "about", "gross", "fee", "net", "ours", "words")
    readonly_fields = fields
    verbose_name_plural = "lines"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the lines with our rows."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("payment__account", "refund__payment__account")

    @admin.display(description="when")
    def happened(self, row: PayoutLine) -> SafeString | str:
        """Return when it happened."""
        return local_time(row.happened_at)

    @admin.display(description="in our books")
    def ours(self, row: PayoutLine) -> SafeString | str:
        """Return the payment or refund of ours, or that there is none."""
        found = row.payment or row.refund
        if found is not None:
            return admin_link(found)
        return badge("not found", WARN) if row.kind in (row.Kind.CHARGE, row.Kind.REFUND) else "–"


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    """The gateway's transfers to our bank account."""

    list_display = ("provider_id", "arrives_on", "amount_shown", "lines_shown", "state", "provider")
    list_filter = ("provider", "currency", "arrives_on")
    search_fields = ("provider_id", "lines__about")
    search_help_text = "Payout, charge or refund at the gateway."
    date_hierarchy = "arrives_on"
    empty_words = "Payouts are fetched from the gateway every six hours, once it has made one."
    fields = ("provider_id", "provider", "amount_shown", "made", "arrives_on", "fetched", "state")
    readonly_fields = fields
    inlines = (PayoutLineInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the payouts with the number of their lines, and of those that are not in our books."""
        lost = Q(lines__kind__in=("charge", "refund"), lines__payment=None, lines__refund=None)
        rows: QuerySet[Any] = super().get_queryset(request)
        shown: QuerySet[Any] = rows.annotate(lines_count=Count("lines"), lost_count=Count("lines", filter=lost))
        return shown

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, row: Payout) -> SafeString | str:
        """Return what arrives."""
        return money(row.amount, row.currency)

    @admin.display(description="lines", ordering="lines_count")
    def lines_shown(self, row: Any) -> int:
        """Return how many lines it has."""
        return int(row.lines_count)

    @admin.display(description="in our books")
    def state(self, row: Any) -> SafeString:
        """Tell whether every charge and refund of it is in our books."""
        return badge(f"{row.lost_count} not found", WARN) if row.lost_count else badge("all found", GOOD)

    @admin.display(description="made")
    def made(self, row: Payout) -> SafeString | str:
        """Return when the gateway made it."""
        return local_time(row.made_at)

    @admin.display(description="fetched")
    def fetched(self, row: Payout) -> SafeString | str:
        """Return when we asked for it."""
        return local_time(row.fetched_at)


@admin.register(PayoutLine)
class PayoutLineAdmin(ReadOnlyAdmin):
    """The lines of all payouts."""

    list_display = ("provider_id", "payout", "kind", "about", "gross", "fee", "net", "payment", "refund")
    list_select_related = ("payout", "payment", "refund")
    list_filter = ("kind",)
    search_fields = ("provider_id", "about", "payout__provider_id")
    date_hierarchy = "happened_at"
    empty_words = "They come with the gateway's payouts."
    fields = list_display
    readonly_fields = fields
