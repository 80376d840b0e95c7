"""The append-only ledger."""

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.admin.base import ReadOnlyAdmin, admin_link, local_time, money
from accounts.admin.list_filters import ActiveOnlyFilter
from invoicing.models import LedgerEntry

from .adjustments import AdjustmentsPage


@admin.register(LedgerEntry)
class LedgerEntryAdmin(AdjustmentsPage, ReadOnlyAdmin):
    """Every movement of money; nothing here is ever changed."""

    list_display = (
        "effective",
        "account_shown",
        "kind",
        "amount_shown",
        "invoice",
        "charge",
        "payment",
        "reason",
        "actor",
    )
    list_select_related = ("account__company", "invoice", "charge", "payment", "actor")
    list_filter = ("kind", "reason_code", ("actor", ActiveOnlyFilter), "account__company")
    search_fields = ("account__number", "account__name", "^invoice__number", "^payment__reference", "=key")
    search_help_text = "Account, the beginning of an invoice's number or a payment's reference, or a whole key"
    date_hierarchy = "effective_at"
    empty_words = "Money moves with the first invoice or payment."
    readonly_fields = ("effective", "account_shown", "amount_shown")

    @admin.display(description="counts from", ordering="effective_at")
    def effective(self, entry: LedgerEntry) -> SafeString | str:
        """Return when it counts, in the account's time."""
        return local_time(entry.effective_at, entry.account.timezone)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, entry: LedgerEntry) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(entry.account)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, entry: LedgerEntry) -> SafeString | str:
        """Return the movement; positive means the customer owes more."""
        return money(entry.amount, entry.account.company.currency)
