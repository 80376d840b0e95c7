"""SEC-01, T36: signed in as one account, nothing of another is seen or changed, whatever is put where.

Every address of the portal, each way a value gets in. The long run is ``CRAWL_IDS=2000 script/test tests/crawl``.
"""

import logging
import os
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client

from accounts.models import Account
from delinquency.models import Ticket, TicketComment, TicketQueue
from invoicing.models import PaymentAttempt, SandboxPage
from invoicing.operations.payments import record_payment
from tests.backoffice import make_customer, make_invoice, make_version
from tests.crawl.crawling import Address, addresses, fresh, ids_of, names_asked_for, print_of
from tests.factories import make_source
from tests.portal import come_in

pytestmark = pytest.mark.django_db

IDS = int(os.environ.get("CRAWL_IDS") or 12)
# An address gets at most so many of them, each address others: together they are all put in somewhere, and often.
IDS_OF_AN_ADDRESS = 150
NOON = datetime(2026, 1, 20, 17, tzinfo=UTC)
# Long enough, or of such signs, that no random token of a page has them by chance.
SECRETS = (
    "Quillfeather", "quillfeather.example", "5557770313", "Vexler", "QACC-", "QXINV-", "7431.17", "7,431.17",
    "•••• 9137", "QREF-", "Zorblatt", "QTICKET-",
)  # fmt: skip
EVIL = (
    "//evil.example", "https://evil.example", "\\\\evil.example", "/\\evil.example", "https:evil.example",
    "///evil.example", "/portal/../../evil.example", "//evil.example/portal/", " //evil.example",
    "/portal/\r\nLocation: https://evil.example", "javascript:alert(1)//evil.example", "/portal/@evil.example",
    "http:///evil.example", "／／evil.example",
)  # fmt: skip
WRITES = ("INSERT", "UPDATE", "DELETE")


def stranger() -> Account:
    """Make an account of which there is some of everything, and whose words are like no others."""
    other = make_customer("77031", make_version("Rules of another"), delinquent=True)
    other.number, other.name, other.address = "QACC-77", "Quillfeather Ltd", "9 Vexler Row"
    other.save()
    other.contacts.update(name="Ada Quillfeather", email="ada@quillfeather.example", phone="+15557770313")
    card = make_source(other, 2, "tok_second", last4="9137")
    queue = TicketQueue.objects.get(name="Billing")
    for number in range(max(8, IDS // 7)):
        invoice = make_invoice(other, f"QXINV-{number}", amount="7431.17")
        payment = record_payment(
            account=other, reference=f"QREF-{number}", amount=Decimal("7431.17"), received_at=NOON
        ) if number % 2 else None  # fmt: skip
        PaymentAttempt.objects.create(
            account=other, invoice=invoice, funding_source=card, key=f"QKEY-{number}", amount=Decimal("7431.17"),
            state="done" if payment else "declined", payment=payment,
        )  # fmt: skip
        SandboxPage.objects.create(
            key=f"QPAGE-{number}", account_ref=str(other.public_id), amount=Decimal("7431.17"), currency="USD",
            open_until=datetime(2100, 1, 1, tzinfo=UTC), return_url="/portal/", leave_url="/portal/",
        )  # fmt: skip
        ticket = Ticket.objects.create(
            account=other, number=f"QTICKET-{number}", subject="Zorblatt", opened_on=NOON.date(), kind="question",
            queue=queue,
        )  # fmt: skip
        TicketComment.objects.create(ticket=ticket, text="Zorblatt again")
    return other


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of pages that do not exist need not be told one by one."""
    caplog.set_level(logging.CRITICAL, logger="django")


@pytest.fixture
def other() -> Account:
    """Make somebody else's account."""
    return stranger()


@pytest.fixture
def own(other: Account) -> Account:
    """Make the account that is signed in; it owes, has a card and an invoice."""
    return make_customer("10001", make_version(), delinquent=True)


@pytest.fixture
def client(own: Account) -> Client:
    """Return a browser in which the own account is open."""
    browser = Client(raise_request_exception=False)
    come_in(browser, own)
    return browser


class Watch:
    """Ask for pages, each in a transaction that is taken back, and note what leaks or changes of an account."""

    def __init__(self, client: Client, own: Account, other: Account) -> None:
        self.client, self.other = client, other
        card = own.funding_sources.order_by("rank").first()
        self.good = {"source": str(card.pk) if card else "", "amount": "1.00", "subject": "x", "text": "x"}
        self.before = print_of(other)
        self.found: list[str] = []
        self.asked, self.ids, self.wrote = 0, set[str](), 0

    def filled(self, **more: str) -> dict[str, str]:
        """Return a form that is complete, so that nothing is refused for what it lacks."""
        return {"once": str(uuid.uuid4()), **self.good, **more}

    def ask(
        self, method: str, path: str, *values: str, form: dict[str, str] | None = None, **more: Any
    ) -> HttpResponse:
        """Ask for a page with foreign values somewhere in it."""
        said, wrote = f"{method} {path} {form or ''} {more or ''}", []

        def note(execute: Any, sql: str, *rest: Any) -> Any:
            wrote.extend(verb for verb in WRITES if sql.lstrip().startswith(verb))
            return execute(sql, *rest)

        with taken_back(self.client), connection.execute_wrapper(note):
            answer = getattr(self.client, method)(path, form or {}, **more)
            if wrote and print_of(self.other) != self.before:
                self.found.append(f"{said}: changed the other account")
        self.asked, self.wrote = self.asked + 1, self.wrote + bool(wrote)
        self.ids |= set(values)
        if answer.status_code >= 500:
            self.found.append(f"{said}: {answer.status_code}")
        shown = answer.content.decode(errors="replace") + str(dict(answer.headers)) + str(answer.cookies)
        # What was put in may be shown back to who put it in.
        echoed = " ".join((path, *values, *(form or {}).values()))
        self.found += [f"{said}: shows {word}" for word in SECRETS if word in shown and word not in echoed]
        if answer.headers.get("Content-Type") == "application/pdf" and values:
            self.found.append(f"{said}: gave a document")
        return answer


@contextmanager
def taken_back(client: Client) -> Iterator[None]:
    """Take back what a request has done, in the database and in the browser: the next one is signed in as before."""
    jar = deepcopy(client.cookies)
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    client.cookies = jar


def some(values: list[str], count: int, turn: int = 1) -> list[str]:
    """Return some of the values, the same ones in each run, others in each turn; all if there are no more."""
    return random.Random(turn).sample(values, min(count, IDS_OF_AN_ADDRESS, len(values)))


def own_path(address: Address, known: dict[str, list[str]], client: Client) -> str:
    """Return an address with values of one's own, such that it leads somewhere if that can be."""
    for place in range(max((len(known[kind]) for kind in address.kinds), default=1)):
        path = address.with_all(tuple(known[kind][place % len(known[kind])] for kind in address.kinds))
        if "pdf" in path:
            return path
        with taken_back(client):
            if client.get(path).status_code not in (404, 410):
                return path
    return address.with_all(tuple(fresh(kind) for kind in address.kinds))


def crawl(client: Client, own: Account, other: Account, *, count: int = IDS, only_paths: bool = False) -> Watch:
    """Put what belongs to the other account into the path, query, form and cookies of every address."""
    watch, foreign, mine = Watch(client, own, other), ids_of(other), ids_of(own)
    for turn, address in enumerate(addresses()):
        for value in some(sorted({value for kind in address.kinds for value in foreign[kind]}), count, turn):
            values = tuple(value if value in foreign[kind] else fresh(kind) for kind in address.kinds)
            watch.ask("get", address.with_all(values), value)
            watch.ask("post", address.with_all(values), value, form=watch.filled())
        if not only_paths:
            path = own_path(address, mine, client)
            _in_query_and_form(watch, path, foreign, count, turn)
            _in_cookies(watch, path, other)
    return watch


def _in_query_and_form(watch: Watch, path: str, foreign: dict[str, list[str]], count: int, turn: int) -> None:
    names = names_asked_for()
    for place, value in enumerate(some(foreign["text"], max(count, len(names)), turn)):
        name = names[place % len(names)]
        if "pdf" not in path:
            watch.ask("get", f"{path}?{urlencode({name: value})}", value)
        watch.ask("post", path, value, form=watch.filled(**{name: value}))
    keys = some(foreign["int"], len(names), turn)
    for place, name in enumerate(names):  # most forms want the key of a row
        watch.ask("post", path, keys[place % len(keys)], form=watch.filled(**{name: keys[place % len(keys)]}))


def _in_cookies(watch: Watch, path: str, other: Account) -> None:
    session = watch.client.cookies["sessionid"].value if "sessionid" in watch.client.cookies else ""
    for name, value in (("portal_account", other.pk), ("account", other.number), ("sessionid", other.public_id)):
        cookie = f"{name}={value}" if name == "sessionid" else f"sessionid={session}; {name}={value}"
        if "pdf" not in path:
            watch.ask("get", path, str(value), headers={"Cookie": cookie})


def test_nothing_of_another_account_is_seen_or_changed_whatever_is_put_where(
    client: Client, own: Account, other: Account
) -> None:
    watch = crawl(client, own, other)
    assert watch.found == []
    # The control: there was something to find, and the pages did work for their own account.
    print(f"{watch.asked} requests, {len(watch.ids)} foreign ids; {watch.wrote} requests wrote rows of their own")
    assert client.get("/portal/").status_code == 200, "it was signed in to the end"
    assert watch.asked > 500
    assert watch.wrote > 10
    assert len(watch.ids) >= min(IDS, 2000)


def test_signed_out_nobody_sees_anything(own: Account, other: Account) -> None:
    watch = crawl(Client(raise_request_exception=False), own, other, count=4)
    assert watch.found == []


@pytest.mark.parametrize("planted", ["invoicing.portal.views", "invoicing.portal.documents"])
def test_a_page_that_forgets_whose_row_it_is_would_be_found(
    client: Client, own: Account, other: Account, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    from django.shortcuts import get_object_or_404

    def forgetful(rows: Any, **wanted: Any) -> Any:
        wanted.pop("account", None)
        return get_object_or_404(rows, **wanted)

    monkeypatch.setattr(f"{planted}.get_object_or_404", forgetful)
    assert crawl(client, own, other, count=100, only_paths=True).found != []


def test_no_address_leads_elsewhere_whatever_it_is_asked(client: Client, own: Account) -> None:
    mine, led = ids_of(own), 0
    names = names_asked_for()
    for address in addresses():
        path = own_path(address, mine, client)
        for place, evil in enumerate(EVIL):
            asked = {name: evil for name in names if name not in ("once", "amount")} | {
                "once": str(uuid.UUID(int=place + 1)), "amount": "1.00",
            }  # fmt: skip
            for method in ("get", "post"):
                if "pdf" in path and (method == "post" or place):
                    continue
                with taken_back(client):
                    answer = getattr(client, method)(path, asked)
                for header in ("Location", "Refresh"):
                    to = answer.headers.get(header, "").rpartition("url=")[2]
                    host = urlsplit(urljoin(f"http://testserver{path}", to.replace("\\", "/"))).netloc
                    assert host in ("", "testserver"), (method, path, evil, answer.headers[header])
                    assert "\n" not in to
                    led += bool(to)
    assert led > 20, "nothing led anywhere"


def test_a_forged_host_gets_no_page_and_is_never_repeated(client: Client, own: Account) -> None:
    mine = ids_of(own)
    for address in addresses():
        path = own_path(address, mine, client)
        with taken_back(client):
            assert client.get(path, headers={"Host": "evil.example"}).status_code == 400, path
            if "pdf" not in path:
                answer = client.get(path, headers={"X-Forwarded-Host": "evil.example"})
                assert "evil.example" not in answer.content.decode() + str(dict(answer.headers)), path
