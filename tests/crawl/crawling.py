"""What a crawl of the portal needs: every address, every name a form or query may carry, and whose rows are whose.

All of it is found in the program itself, so that a new page is crawled from its first day.
"""

import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Field, ForeignKey, Model, UUIDField
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter, PathConverter, SlugConverter, StringConverter, UUIDConverter

from accounts.models import Account
from tests.house.tree import ROOMS, ROOT

# Which kind of value each converter of a path takes.
KINDS: dict[type, str] = {
    UUIDConverter: "uuid", IntConverter: "int", StringConverter: "text", PathConverter: "text", SlugConverter: "text",
}  # fmt: skip
# Fields of text that name a row, or by which somebody might ask for one.
NAMING = frozenset(
    {
        "cause_key", "email", "event_id", "ipv4", "key", "number", "page_id", "phone", "provider_id", "reference",
        "source_token", "to_address",
    }
)  # fmt: skip
ASKED_FOR = re.compile(
    r"""(?:GET|POST)(?:\.get(?:list)?\(|\[)\s*"([\w-]+)"|"([\w-]+)" (?:not )?in request\.(?:GET|POST)"""
)
IN_A_FORM = re.compile(r"""<(?:input|select|textarea|button)[^>]*?\bname="([\w-]+)\"""")


@dataclass(frozen=True)
class Address:
    """One address of the portal: its path with {} for what is put in, and the kinds of that."""

    path: str
    kinds: tuple[str, ...]

    def with_all(self, values: tuple[Any, ...]) -> str:
        """Return the path with values put in."""
        return self.path.format(*values)


def addresses() -> list[Address]:
    """Return every address below /portal/; fails for one whose converter nobody has said how to crawl."""
    found = [address for address in _walk(get_resolver().url_patterns, "/", ()) if address.path.startswith("/portal/")]
    assert len(found) > 15, "the portal was not found"
    return found


def _walk(patterns: list[Any], before: str, kinds: tuple[str, ...]) -> Iterator[Address]:
    for pattern in patterns:
        route = str(pattern.pattern)
        converters = pattern.pattern.converters
        for name, converter in converters.items():
            assert type(converter) in KINDS, (
                f"the address {before}{route} takes a {type(converter).__name__} as {name!r}: say in"
                " tests/crawl/crawling.py (KINDS) what is to be put in there, so that it is crawled too"
            )
        path = before + re.sub(r"<[^>]+>", "{}", route)
        own = kinds + tuple(KINDS[type(converter)] for converter in converters.values())
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path, own)
        elif isinstance(pattern, URLPattern):
            yield Address(path, own)


def names_asked_for() -> list[str]:
    """Return every name that the portal's pages read from a query or a form."""
    files = [file for room in ROOMS for file in (ROOT / room / "portal").glob("*.py")] + [ROOT / "accounts/access.py"]
    found = {a or b for file in files for a, b in ASKED_FOR.findall(file.read_text(encoding="utf-8"))}
    # What a page reads by a helper of its own stands in its form.
    for form in (ROOT / "templates/portal").glob("*.html"):
        found.update(IN_A_FORM.findall(form.read_text(encoding="utf-8")))
    assert {"once", "source", "amount", "to", "back"} <= found
    return sorted(found)


def rows_of(account: Account) -> dict[type[Model], list[dict[str, Any]]]:
    """Return every row of the rooms that belongs to an account, directly or by one step."""
    found: dict[type[Model], list[dict[str, Any]]] = {Account: list(Account.objects.filter(pk=account.pk).values())}
    for model in apps.get_models():
        if model._meta.app_label not in ROOMS:
            continue
        for path, value in _ways_to(model, account):
            rows = list(model._default_manager.filter(**{path: value}).order_by("pk").values())
            found.setdefault(model, []).extend(row for row in rows if row not in found.get(model, []))
    return {model: rows for model, rows in found.items() if rows}


def _ways_to(model: type[Model], account: Account) -> Iterator[tuple[str, Any]]:
    for field in model._meta.get_fields():
        if field.name == "account_ref":
            yield field.name, str(account.public_id)
        if not isinstance(field, ForeignKey) or not isinstance(field.related_model, type):
            continue
        if field.related_model is Account:
            yield field.name, account.pk
        else:
            for inner in field.related_model._meta.get_fields():
                if isinstance(inner, ForeignKey) and inner.related_model is Account:
                    yield f"{field.name}__{inner.name}", account.pk


def print_of(account: Account) -> str:
    """Return a fingerprint of all rows of an account."""
    rows = [
        (model._meta.label, sorted(repr(sorted(map(str, row.items()))) for row in found))
        for model, found in rows_of(account).items()
    ]
    rows.sort()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def ids_of(account: Account) -> dict[str, list[str]]:
    """Return what an account and its rows are known by, by kind; text takes all of it."""
    found: dict[str, set[str]] = {"uuid": set(), "int": set(), "text": {str(account.number), str(account.public_id)}}
    for model, rows in rows_of(account).items():
        fields: list[Field[Any, Any]] = [field for field in model._meta.get_fields() if isinstance(field, Field)]
        for row in rows:
            found["int"].add(str(row[model._meta.pk.attname]) if model._meta.pk else "0")
            for field in fields:
                value = row.get(field.attname)
                if isinstance(field, UUIDField) and value:
                    found["uuid"].add(str(value))
                elif field.name in NAMING and isinstance(value, str) and value and "/" not in value:
                    found["text"].add(value)
    found["int"] = {number for number in found["int"] if number.isdigit()}
    found["text"] |= found["uuid"] | found["int"]
    return {kind: sorted(values) for kind, values in found.items()}


def fresh(kind: str) -> str:
    """Return a value of a kind that names nothing."""
    return {"uuid": str(uuid.UUID(int=7)), "int": "999999999", "text": "nothing"}[kind]
