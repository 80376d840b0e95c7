"""What every screen of the back office is made of: the admin base classes, and how money, states and times are shown.

The other rooms' admin packages build on these classes; nothing here knows a rule.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from accounts.models import User
from billing_project.kernel import clock

from .conflicts import NoOverwriting
from .exporting import ListFiles
from .field_help import explain
from .list_filters import QuickFilters
from .pages import LongPaginator
from .searching import QuickSearch
from .texts import NoCards
from .verbs import VERBS

# What a badge's colour stands for; the word beside it says the same (colour never alone).
GOOD, WARN, BAD, NOTE, QUIET = "good", "warn", "bad", "note", "quiet"
STATUS_TONES = {"green": GOOD, "amber": WARN, "red": BAD, "blue": NOTE, "grey": QUIET}
NOTHING = "–"
# Columns that are links already, to the row's account, invoice or payment: a link in a link is none.
LINKED = frozenset({"account_shown", "invoice_shown", "payment_shown"})

if TYPE_CHECKING:

    class _Admin(DjangoModelAdmin[Any]):
        def get_actions_list(self, request: HttpRequest) -> list[Any]: ...

        def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]: ...

else:
    _Admin = ModelAdmin


def staff_user(request: HttpRequest) -> User:
    """Return the member of staff who asks; the admin lets nobody else in."""
    user = request.user
    assert isinstance(user, User)
    return user


def number_of(object_id: object) -> int:
    """Return the key that an address names, or 0, which no row has, for anything that is no number."""
    text = str(object_id)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


class DeskAdmin(ListFiles, NoOverwriting, QuickSearch, QuickFilters, _Admin):
    """Show a model in the house's way: nothing is deleted, and an empty list says what to do.

    ``empty_words`` is that sentence, ``empty_link`` a (label, URL name) of where to go.
    ``may_add``, ``may_change`` and ``may_delete`` close a door for everybody; the
    user's permissions decide about those that are left open.
    """

    may_add: ClassVar[bool] = True
    may_change: ClassVar[bool] = True
    may_delete: ClassVar[bool] = False
    empty_words: ClassVar[str] = ""
    empty_link: ClassVar[tuple[str, str] | None] = None
    empty_value_display = NOTHING
    list_per_page = 50
    paginator = LongPaginator
    show_full_result_count = False
    list_fullwidth = True
    show_facets = DjangoModelAdmin.show_facets.NEVER  # counting every filter would read the whole table

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the form: each field with its help, and no text may look like a card number (SEC-13)."""
        found: Any = super().get_form(request, obj, **kwargs)
        form: Any = found if issubclass(found, NoCards) else type(found.__name__, (NoCards, found), {})
        explain(form.base_fields, self.model)
        return form

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """Return the columns that open a row: those named, or else the first that is no link of its own."""
        named = super().get_list_display_links(request, list_display)
        if self.list_display_links or named is None:
            return named
        return [column for column in list_display if column not in LINKED][:1] or list(list_display)[:1]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether a row may be added here."""
        return self.may_add and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether a row may be edited here."""
        return self.may_change and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether a row may be deleted here."""
        return self.may_delete and super().has_delete_permission(request, obj)

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may run operations on rows that nobody edits by hand (void, reverse, waive)."""
        change = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return bool(request.user.has_perm(VERBS.get(self.opts.label_lower, change)))


class HistoryAdmin(SimpleHistoryAdmin, DeskAdmin):
    """Show a model that people edit, with who changed what and when."""

    history_list_per_page = 50


class ReadOnlyAdmin(DeskAdmin):
    """Show rows that only the program writes: ledger, events, attempts, runs."""

    may_add = False
    may_change = False


class ReadOnlyTabular(TabularInline):
    """Show related rows in a table, for reading only."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False
    tab = True
    per_page = 25

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Say no: these rows are only read."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Say no: these rows are only read."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Say no: these rows are only read."""
        return False


class Explained:
    """Give the fields of related rows their help too."""

    model: type[Model]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the formset, each field with its help."""
        found: Any = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]
        explain(found.form.base_fields, self.model)
        return found


class EditableTabular(Explained, TabularInline):
    """Show related rows in a table that may be edited."""

    extra = 0
    tab = True
    show_change_link = True


class EditableStacked(Explained, StackedInline):
    """Show related rows one under the other, to be edited."""

    extra = 0
    tab = True


def badge(words: object, tone: str = QUIET) -> SafeString:
    """Return a word on a coloured ground; the word tells the state, the colour only repeats it."""
    return format_html('<span class="desk-badge desk-{}">{}</span>', tone, words)


def badges(parts: Sequence[SafeString]) -> SafeString:
    """Return several badges in a row."""
    return format_html_join(" ", "{}", ((part,) for part in parts))


def state_badge(row: Model, tones: Mapping[str, str], field: str = "state") -> SafeString:
    """Return the badge of a choice field, its tone looked up by value."""
    words = getattr(row, f"get_{field}_display")()
    return badge(words, tones.get(getattr(row, field), QUIET))


def money(amount: Decimal | None, currency: str = "") -> SafeString | str:
    """Return an amount with its currency, its digits aligned; red only with a minus sign before it."""
    if amount is None:
        return NOTHING
    after = f"&nbsp;{escape(currency)}" if currency else ""
    # Put together by hand: a file of 50,000 accounts asks for this 100,000 times, and digits need no escaping.
    return SafeString(f'<span class="desk-money">{amount:,.2f}{after}</span>')


def local_time(moment: datetime | None, zone: str = "UTC") -> SafeString | str:
    """Return an instant in the account's local time; UTC shows on hover (U21)."""
    if moment is None:
        return NOTHING
    there = clock.local(moment, zone)
    return format_html(
        '<time datetime="{}" title="{} UTC; {}">{}</time>',
        moment.isoformat(),
        clock.local(moment, "UTC").strftime("%Y-%m-%d %H:%M"),
        zone,
        there.strftime("%Y-%m-%d %H:%M"),
    )


def admin_link(row: Model | None, words: object = None) -> SafeString | str:
    """Return a link to a row's page in the back office."""
    if row is None:
        return NOTHING
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="desk-link" href="{}">{}</a>', address, words if words is not None else row)
