"""What is sold: services, one-off charges, discounts, taxes, and who has which."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.base import GOOD, QUIET, EditableTabular, HistoryAdmin, admin_link, badge, money
from invoicing.models import CatalogItem, Discount, Subscription, Tax


@admin.register(CatalogItem)
class CatalogItemAdmin(HistoryAdmin):
    """Recurring services and one-off charges with their prices."""

    list_display = ("name", "kind", "price_shown", "taxes_shown", "in_use", "offered")
    list_filter = ("kind", "active")
    search_fields = ("name",)
    filter_horizontal = ("taxes",)
    empty_words = "Add what you sell, such as “Internet 100” at 49.00 a month."

    def get_queryset(self, request: HttpRequest) -> QuerySet[CatalogItem]:
        """Read taxes and use together with the items."""
        rows: QuerySet[CatalogItem] = super().get_queryset(request)
        # Counted item by item from an index: joined, every subscription would be sorted to be counted once.
        of_item = Subscription.objects.filter(item=OuterRef("pk")).order_by().values("item").annotate(n=Count("pk"))
        in_use = Coalesce(Subquery(of_item.values("n"), output_field=IntegerField()), 0)
        return rows.prefetch_related("taxes").annotate(in_use=in_use)

    @admin.display(description="price", ordering="price")
    def price_shown(self, item: CatalogItem) -> SafeString | str:
        """Return the price."""
        return money(item.price)

    @admin.display(description="taxes")
    def taxes_shown(self, item: CatalogItem) -> str:
        """Return the taxes on it."""
        return ", ".join(str(tax) for tax in item.taxes.all()) or "none"

    @admin.display(description="subscriptions", ordering="in_use")
    def in_use(self, item: CatalogItem) -> int:
        """Return how many accounts have it."""
        return int(getattr(item, "in_use", 0))

    @admin.display(description="offered", ordering="active")
    def offered(self, item: CatalogItem) -> SafeString:
        """Tell whether new accounts can get it."""
        return badge("offered", GOOD) if item.active else badge("no longer", QUIET)


@admin.register(Tax)
class TaxAdmin(HistoryAdmin):
    """Taxes, rounded half up on every line."""

    list_display = ("name", "percent")
    search_fields = ("name",)
    empty_words = "Add a tax with its percentage; services name the taxes that are on them."


@admin.register(Discount)
class DiscountAdmin(HistoryAdmin):
    """What may be taken off a subscription."""

    list_display = ("name", "percent", "amount_shown", "in_use")
    search_fields = ("name",)
    empty_words = "Add a discount, such as 10 percent for staff; a subscription may name one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Discount]:
        """Count the use in the same query."""
        rows: QuerySet[Discount] = super().get_queryset(request)
        return rows.annotate(in_use=Count("subscription", filter=Q(subscription__ends_on__isnull=True)))

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, discount: Discount) -> SafeString | str:
        """Return the amount taken off after the percentage."""
        return money(discount.amount)

    @admin.display(description="running subscriptions", ordering="in_use")
    def in_use(self, discount: Discount) -> int:
        """Return how many running subscriptions have it."""
        return int(getattr(discount, "in_use", 0))


def price_of(subscription: Subscription) -> Decimal:
    """Return what one unit costs this account."""
    return subscription.price if subscription.price is not None else subscription.item.price


@admin.register(Subscription)
class SubscriptionAdmin(HistoryAdmin):
    """The services that accounts have."""

    list_display = ("account_shown", "item", "quantity", "price_shown", "discount", "starts_on", "ends_on")
    list_select_related = ("account__company", "item", "discount")
    list_filter = ("item", ("ends_on", admin.EmptyFieldListFilter))
    search_fields = ("account__number", "account__name", "item__name")
    autocomplete_fields = ("account", "item", "discount")
    empty_words = "Give an account a service from the catalogue; it is billed on the account's bill date."
    empty_link = ("Catalogue", "admin:invoicing_catalogitem_changelist")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, subscription: Subscription) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(subscription.account)

    @admin.display(description="price each")
    def price_shown(self, subscription: Subscription) -> SafeString | str:
        """Return this account's price."""
        return money(price_of(subscription), subscription.account.company.currency)


class SubscriptionInline(EditableTabular):
    """The services of an account, on its page."""

    model = Subscription
    fields = ("item", "quantity", "price", "discount", "starts_on", "ends_on")
    autocomplete_fields = ("item", "discount")
    can_delete = False
    verbose_name_plural = "subscriptions"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """Read what each is a subscription of in the same query, as its row is headed with it."""
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.select_related("item")
