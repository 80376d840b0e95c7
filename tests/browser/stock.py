"""The same models on Django's own admin, as a developer has it in ten minutes: what the product is measured against.

Each list shows the obvious columns, filters what has choices, and searches numbers, names, addresses and the account.
"""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import DateTimeField, DecimalField, Field, ForeignKey, Model
from django.urls import path
from playwright.sync_api import Locator, Page, expect

from billing_project import urls
from tests.house.tree import ROOMS

COLUMNS = 7
SHORT_WORDS = ("kind", "state", "outcome", "channel")  # few values, whether or not the model lists them
SOUGHT = ("number", "name", "address", "email", "phone", "ipv4", "reference", "key", "title", "to_address")
SOUGHT_BEHIND = {"account": "number", "line": "ipv4", "invoice": "number", "ticket": "number", "template": "key"}


def _columns(model: type[Model]) -> list[str]:
    shown = [row.name for row in model._meta.concrete_fields if _is_short(row)]
    return ["__str__", *shown[: COLUMNS - 1]]


def _is_short(row: Field[Any, Any]) -> bool:
    kinds = (ForeignKey, DateTimeField, DecimalField)
    return isinstance(row, kinds) or bool(row.choices) or row.get_internal_type() in ("DateField", "BooleanField")


def _filters(model: type[Model]) -> list[str]:
    return [
        row.name for row in model._meta.concrete_fields
        if row.choices or row.name in SHORT_WORDS or (row.null and row.get_internal_type() == "DateTimeField")
    ]  # fmt: skip


def _sought(model: type[Model]) -> list[str]:
    names = {row.name for row in model._meta.concrete_fields}
    behind = [f"{name}__{mark}" for name, mark in SOUGHT_BEHIND.items() if name in names]
    return [*(name for name in SOUGHT if name in names), *behind]


site = admin.AdminSite(name="stock")
for room in ROOMS:
    for each in apps.get_app_config(room).get_models():
        desk = {"list_display": _columns(each), "list_filter": _filters(each), "search_fields": _sought(each)}
        site.register(each, type(f"Stock{each.__name__}", (admin.ModelAdmin,), desk))
urlpatterns = [path("stock/", site.urls), *urls.urlpatterns]


class Stock:
    """Somebody at the stock admin: each method is one click or one submitted form, but for `write`."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base

    def open(self, model: type[Model]) -> None:
        """Open a list by its link on the index or in the sidebar."""
        self.page.locator(f"a[href='{_address(model)}']").first.click()
        expect(self.page.locator("#changelist")).to_be_visible()

    def search(self, words: str) -> None:
        """Search in the list that is open."""
        self.page.locator("#searchbar").fill(words)
        self.page.locator("#searchbar").press("Enter")
        self.page.wait_for_url("**q=**")

    def narrow(self, query: str) -> None:
        """Press a choice of the filter beside the list, named by what it puts into the address."""
        self.page.locator(f"#changelist-filter a[href*='{query}']").first.click()
        self.page.wait_for_url(f"**{query}**")

    def row(self, words: str = "") -> None:
        """Open the first row that says something."""
        rows = self.page.locator("#result_list tbody tr").filter(has_text=words)
        rows.first.locator("th a").click()
        expect(self.page.locator("#content form").first).to_be_visible()

    def add(self, model: type[Model]) -> None:
        """Open an empty form by the plus beside the model's name."""
        self.page.locator(f"a[href='{_address(model)}add/']").first.click()
        expect(self.page.locator("#content form").first).to_be_visible()

    def write(self, **fields: str | bool) -> None:
        """Fill in fields; a choice is made by the start of its words, a moment is "2026-01-20 12:00"."""
        for name, value in fields.items():
            field = self.page.locator(f"#id_{name}")
            if isinstance(value, bool):
                field.set_checked(value)
            elif self.page.locator(f"#id_{name}_0").count():
                for place, part in enumerate(value.split(" ")):
                    self.page.locator(f"#id_{name}_{place}").fill(part)
            elif field.evaluate("one => one.tagName") == "SELECT":
                _choose(field, value)
            else:
                field.fill(value)

    def beside(self, name: str) -> None:
        """Press the pencil beside a field, which opens what it names in a window that is not looked at here."""
        self.page.locator(f"#change_id_{name}").click()

    def save(self, button: str = "_save") -> None:
        """Save the form, which must be taken."""
        self.page.locator(f"input[name='{button}']").first.click()
        expect(self.page.locator(".errornote, .messagelist .success").first).to_be_visible()
        wrong = self.page.locator(".errorlist")
        assert not wrong.count(), wrong.first.locator("xpath=..").inner_text()


def _choose(field: Locator, value: str) -> None:
    """Choose by the very value, or else by the start of the words."""
    choices = field.evaluate("one => [...one.options].map(row => [row.value, row.text.trim()])")
    fits = [key for key, _ in choices if key == value] or [key for key, words in choices if words.startswith(value)]
    assert fits, f"{value} is none of {choices}"
    field.select_option(value=fits[0])


def _address(model: type[Model]) -> str:
    return f"/stock/{model._meta.app_label}/{model._meta.model_name}/"
