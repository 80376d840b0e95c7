"""Who gets which page and button of the back office: asked of every address and action, for nobody and the five roles.

Each view is called as the resolver names it, with the member of staff in the request; no page is drawn and nothing is
kept. What comes out is compared with the reviewed table beside the test.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from accounts.groups import SHIPPED
from accounts.models import InboundAttachment, ServiceLine, User
from tests.backoffice import make_everything

# Pages that only show: what is posted to them is not looked at, and the actions of lists have lines of their own.
ONLY_SHOWN = re.compile(
    r"^/admin/($|search/|autocomplete/|jsi18n/|password_change/done/|\w+/$|\w+/\w+/$)|/history/|/export_json/|/pdf/|/csv/"
    r"|calendar/|/reports/|/adjustments/|/failures/|/what_if/|/logos/|/file/|to-make/|/linestate/(line|account)/ID/$"
    r"|/(study|linestate)/ID/change/|/ID/preview/"
)
ONLY_READ = {"pdfs_of_chosen"}
# Django's redirect to the page of a row, which has a line of its own.
UNTOLD = re.compile(r"^/admin/\w+/\w+/ID/$")
# Shown to nobody in particular: each member of staff looks after their own sign-in; signing in is tested elsewhere.
OWN = re.compile(r"^/admin/(login|logout|sign-in|password_change|r)/")


class Matrix:
    """Asks every page and button for everybody."""

    def __init__(self) -> None:
        self.account = make_everything()
        make_own_rows()
        self.people: list[Any] = [AnonymousUser(), *(_member(role) for role in SHIPPED)]
        self.requests = RequestFactory()
        self.pks: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        """Return the table: six signs and what they are about. ``-`` refused, ``r`` shown, ``w`` sent as well."""
        for route in sorted(set(addresses())):
            if not (OWN.match(route) or UNTOLD.match(shown(route))):
                address = self.filled(route)
                yield f"{''.join(self.sign(person, address, shown(route)) for person in self.people)} {shown(route)}"
        for model, desk in sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label_lower):
            offered = [self.actions(desk, person) for person in self.people]
            for name in sorted(set().union(*offered)):
                kind = "r" if name in ONLY_READ else "w"
                signs = "".join(kind if name in row else "-" for row in offered)
                yield f"{signs} list of {model._meta.label_lower}: {name}"

    def sign(self, person: Any, address: str, name: str) -> str:
        """Return what somebody may do at an address; ``?`` where the row was not found, so that nothing is known."""
        try:
            return self._sign(person, address, name)
        except Http404:
            return "?"

    def _sign(self, person: Any, address: str, name: str) -> str:
        if not ONLY_SHOWN.search(name) and self.may(person, address, "POST"):
            return "w"
        return "r" if self.may(person, address, "GET") else "-"

    def may(self, person: Any, address: str, method: str) -> bool:
        """Tell whether a view answers with anything but a refusal; nothing that it does is kept."""
        request = getattr(self.requests, method.lower())(address)
        request.user, request.session = person, SessionStore()
        request._messages = FallbackStorage(request)
        request._dont_enforce_csrf_checks = True
        found = resolve(address)
        try:
            with transaction.atomic():
                response = found.func(request, *found.args, **found.kwargs)
                transaction.set_rollback(True)
        except PermissionDenied:
            return False
        return not (
            response.status_code in (403, 405) or response.headers.get("Location", "").startswith("/admin/login/")
        )

    def actions(self, desk: Any, person: Any) -> set[str]:
        """Return the actions that a list offers somebody, without those that are rows of their own (macros)."""
        if not person.is_authenticated:
            return set()
        request = self.requests.get("/admin/")
        request.user = person
        offered = desk.get_actions(request) if desk.has_view_permission(request) else ()
        return {name for name in offered if not name.startswith("macro_")}

    def filled(self, route: str) -> str:
        """Return an address with a real row for each part that names one."""
        special = {
            r"linestate/line/ID": ServiceLine.objects.first,
            r"linestate/account/ID": lambda: self.account,
        }
        text = shown(route)
        for start, row in special.items():
            if start in text:
                return text.replace("ID", str(row().pk), 1)
        part = re.match(r"/admin/(\w+)/(\w+)/", text)
        if part and "history/ID" in text:
            text = text.replace("history/ID", f"history/{self.past_of(*part.groups())}")
        text = text.replace("macro/ID", f"macro/{self.pk_of('delinquency', 'macro')}")
        text = text.replace("/file/ID", f"/file/{InboundAttachment.objects.first().pk}")
        text = text.replace("text/ID/ID/ID", "text/delinquent/email/en").replace("versions/ID", "versions/1")
        text = text.replace("logos/ID", f"logos/{self.account.company_id}.png")
        return text.replace("ID", self.pk_of(*part.groups()), 1) if part and "ID" in text else text

    def past_of(self, app: str, model: str) -> int:
        """Return the key of a row of the history of the row that stands for its model."""
        row = apps.get_model(app, model)._default_manager.get(pk=self.pk_of(app, model))
        if not row.history.exists():
            row.save()
        return int(row.history.latest().history_id)

    def pk_of(self, app: str, model: str) -> str:
        """Return a row of a model: of staff somebody below everybody, of roles one of the house's own."""
        label = f"{app}.{model}"
        if label not in self.pks:
            rows = next(one for one in admin.site._registry if one._meta.label_lower == label)._default_manager
            row = {
                "accounts.user": lambda: User.objects.get(username="nobody"),
                "auth.group": lambda: Group.objects.get(name="House role"),
            }.get(label, rows.first)()
            assert row is not None, f"{label} has no row"
            self.pks[label] = str(row.pk)
        return self.pks[label]


def addresses() -> Iterator[str]:
    """Return every address under /admin/, as the resolver has it."""

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[str]:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif "(?P<" not in route:
                yield "/" + route

    yield from (route for route in walk(get_resolver().url_patterns, "") if route.startswith("/admin/"))


def shown(route: str) -> str:
    """Return an address with ID for each part that names a row."""
    text = re.sub(r"<[^>]+>|\(\[\^/\]\+\)", "ID", route)
    return text.replace("^", "").replace("$", "")


def make_own_rows() -> None:
    """Make what the back office's rows lack: a role of the house's own and somebody without rights."""
    Group.objects.create(name="House role")
    User.objects.create_user("nobody", is_staff=True)


def _member(role: str) -> User:
    user = User.objects.create_user(f"of-{role.lower().replace(' ', '-')}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user
