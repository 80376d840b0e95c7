"""What the back office says about a wrong value: what is wrong, and how it is mended (U16)."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse
from unfold.forms import AdminOwnPasswordChangeForm

import accounts.admin
import delinquency.admin
import invoicing.admin
import netenforce.admin
from accounts.admin.field_help import DeskForm, SaysHow
from tests.backoffice import make_everything, staff_client

pytestmark = pytest.mark.django_db
HOSTILE: tuple[Any, ...] = (
    "", None, [], ["x"], "\0", "a\0b", "not a thing", "x" * 5000, "2026-02-31", "99999-01-01", "25:61", "-1e999", "NaN",
    "9" * 40, "-5", "0.00001", "<b>", "http://[", "{", "@", SimpleUploadedFile("a.png", b""),
    SimpleUploadedFile("x" * 300 + ".png", b"no picture"), ["", ""], ["2026-02-31", "25:61"],
)  # fmt: skip
# How Django begins when it speaks for itself.
STOCK = (
    "Enter a valid", "Enter a list", "Enter a complete", "Enter the", "Enter a number", "Enter a whole",
    "This field", "Select a valid", "Ensure ", "No file was", "The submitted",
    "Null characters", "Please ", "Upload a valid", "Invalid", "Value must", "File extension", "The number of",
)  # fmt: skip


def own_forms() -> Iterator[type[forms.Form]]:
    """Return every form of the back office that belongs to no row."""
    for room in (accounts.admin, delinquency.admin, invoicing.admin, netenforce.admin):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            for kind in vars(module).values():
                if isinstance(kind, type) and issubclass(kind, forms.Form) and kind.__module__ == found.name:
                    yield kind


def stock_words(form: Any) -> set[str]:
    """Return what the fields of a form say in Django's words, whatever is typed into them."""
    try:
        form.full_clean()
    except Exception:  # noqa: BLE001 - made without what its page gives it: its fields speak all the same
        form._errors = None
    said = set()
    for name, field in form.fields.items():
        for value in HOSTILE:
            try:
                field.clean(value, None) if isinstance(field, forms.FileField) else field.clean(value)
            except ValidationError as error:
                said |= {f"{type(form).__name__}.{name}: {words}" for words in error.messages if is_stock(words)}
            except (TypeError, AttributeError, ValueError):
                continue  # a kind of value that no browser sends to this field
    return said


def is_stock(words: str) -> bool:
    """Tell whether a sentence is Django's own."""
    return words.startswith(STOCK) or words.endswith(("already exists.", "is not a valid value.", "is not valid."))


def bare(kind: type[forms.Form]) -> Any:
    """Return a form without what its page would give it."""
    form = cast("Any", kind.__new__(kind))
    forms.BaseForm.__init__(form, {})
    return form


def test_no_form_that_belongs_to_no_row_speaks_in_djangos_words() -> None:
    kinds = sorted(set(own_forms()), key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
    assert len(kinds) > 60
    assert [kind.__qualname__ for kind in kinds if not issubclass(kind, SaysHow)] == []
    assert sorted(set().union(*(stock_words(bare(kind)) for kind in kinds))) == []
    own = cast("Any", AdminOwnPasswordChangeForm.__new__(AdminOwnPasswordChangeForm))
    forms.BaseForm.__init__(own, {})
    assert stock_words(own) == set()


def test_no_form_of_a_row_speaks_in_djangos_words() -> None:
    make_everything()
    client = staff_client()
    request: Any = RequestFactory().get("/")
    request.user, request.session = client.get("/admin/").wsgi_request.user, {}
    said: set[str] = set()
    for desk in admin.site._registry.values():
        if not desk.has_add_permission(request) and not desk.has_change_permission(request):
            continue
        row = desk.model._default_manager.first()
        said |= stock_words(desk.get_form(request, row, change=row is not None)(data={}))
        for formset, _inline in desk.get_formsets_with_inlines(request, row):
            said |= stock_words(formset.form(data={}))
    assert sorted(said) == []


def test_a_form_with_djangos_own_words_would_be_found() -> None:
    class Plain(forms.Form):
        on = forms.DateField()

    class Mended(DeskForm):
        on = forms.DateField()

    assert len(stock_words(Plain({}))) >= 2
    assert stock_words(Mended({})) == set()


def test_the_summary_of_a_confirm_page_leads_to_the_field() -> None:
    account = make_everything()
    page = staff_client().post(reverse("admin:accounts_account_change_status", args=[account.pk]), {}).content.decode()
    assert "This cannot be done yet" in page
    assert '<a class="desk-link" href="#id_reason">Reason</a>: Fill this in; it cannot be left blank.' in page


def test_signing_in_says_what_is_missing() -> None:
    page = Client().post(reverse("account_login"), {}).content.decode()
    assert page.count("Fill this in; it cannot be left blank.") == 2
