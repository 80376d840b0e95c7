"""Around the walled garden's page: its connections, and what a signed-in customer reads of payment windows."""

from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from billing_project.wsgi import application
from netenforce.models import PaymentWindow
from netenforce.operations import open_window, place_hold
from tests.backoffice import make_customer, make_version
from tests.portal import come_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """Make a late customer whose line is suspended."""
    made = make_customer("20001", make_version(), delinquent=True)
    place_hold(account_id=made.pk, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
    return made


class Gunicorn:
    """What gunicorn hands to an application: a method of its response."""

    closes = False

    def force_close(self) -> None:
        self.closes = True

    def start_response(self, status: str, headers: Any, _error: Any = None) -> Any:
        self.status = status
        assert "connection" not in {name.lower() for name, _ in headers}, "an application must not send it itself"
        return lambda _data: None


@pytest.mark.parametrize(
    ("path", "closes"), [("/portal/garden/", True), ("/portal/captive", True), ("/portal/link/", False)]
)
def test_a_connection_that_was_opened_in_the_garden_is_not_kept(
    path: str, closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"page"]

    monkeypatch.setattr("billing_project.wsgi._django", answer)  # which would close the test's own database connection
    server = Gunicorn()
    assert application({"PATH_INFO": path}, server.start_response) == [b"page"]
    assert (server.status, server.closes) == ("200 OK", closes)


def note(account: Account) -> str:
    fresh = Account.objects.select_related("company").get(pk=account.pk)
    return Template('{% include "portal/garden_window.html" %}').render(Context({"account": fresh})).strip()


def test_a_page_says_that_pressing_opens_the_line_that_it_is_open_or_that_it_will_not_be(account: Account) -> None:
    assert "your line is opened fully for 15 minutes" in note(account)
    window = open_window(account_id=account.pk, key="1", scope="", why="w")
    assert "your line is fully open until" in note(account)
    PaymentWindow.objects.filter(pk=window.pk).update(ended_at=window.opened_at, ended_how="ran_out")
    PaymentWindow.objects.create(
        account=account, key="2", why="w", opened_at=window.opened_at, closes_at=window.closes_at,
        ended_at=window.opened_at, ended_how="ran_out",
    )  # fmt: skip
    assert "as often as it can be in a day" in note(account)


def test_a_customer_whose_line_is_open_reads_nothing_of_it() -> None:
    assert note(make_customer("20002", make_version())) == ""


def test_who_is_signed_in_sees_their_own_account_there(account: Account) -> None:
    client = Client(REMOTE_ADDR="203.0.113.9")
    come_in(client, account)
    text = client.get(reverse("portal-garden")).content.decode()
    assert "100.00 USD" in text
    assert "your line is opened fully for 15 minutes" in text
