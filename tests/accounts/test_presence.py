"""Who else has a page open (U20): told on load, written at most once a minute, and never in the way."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Presence
from accounts.presence import look_at
from billing_project.kernel import clock
from tests.factories import instant, make_account, make_staff

pytestmark = pytest.mark.django_db
NOON = instant("2026-01-18 12:00")
SECOND = timedelta(seconds=1)


def test_each_sees_the_other_for_two_minutes_and_nobody_sees_himself() -> None:
    maria, paul = make_staff("maria", first_name="Maria", last_name="Ray"), make_staff("paul")
    with clock.at(NOON):
        assert look_at("account:1", maria, works=True) == ""
        assert look_at("account:2", paul, works=True) == ""
    with clock.at(NOON + 20 * SECOND):
        assert look_at("account:1", paul, works=True) == "Maria Ray (just now) looks at this as well."
        assert look_at("account:1", maria, works=True) == "paul (just now) looks at this as well."
    with clock.at(NOON + 90 * SECOND):
        assert look_at("account:1", paul, works=True) == "Maria Ray (a minute ago) looks at this as well."
    with clock.at(NOON + 120 * SECOND):
        assert look_at("account:1", paul, works=True) == ""


def test_it_is_one_statement_and_written_once_a_minute() -> None:
    maria = make_staff("maria")
    for seconds, seen in ((0, 0), (30, 0), (59, 0), (60, 60), (100, 60), (125, 125)):
        with clock.at(NOON + seconds * SECOND), CaptureQueriesContext(connection) as queries:
            look_at("account:1", maria, works=True)
        assert len(queries) == 1
        assert Presence.objects.get().seen_at == NOON + seen * SECOND
    with clock.at(NOON + timedelta(hours=2)):
        look_at("account:2", maria, works=True)
    assert Presence.objects.get().page == "account:2"


def test_who_only_reads_is_told_but_not_noted() -> None:
    maria, vera = make_staff("maria"), make_staff("vera")
    with clock.at(NOON):
        look_at("account:1", maria, works=True)
        assert look_at("account:1", vera, works=False) == "maria (just now) looks at this as well."
        assert look_at("account:1", maria, works=True) == ""


def test_the_page_of_an_account_tells_it_and_is_shown_without_it_where_it_cannot_be_had() -> None:
    account, clients = make_account(), []
    for name in ("maria", "paul"):
        client = Client()
        client.force_login(make_staff(name, "view_account", "send_notice"))
        clients.append(client)
    url = f"/admin/accounts/account/{account.pk}/change/"
    with clock.at(NOON):
        assert "looks at this as well" not in clients[0].get(url).content.decode()
        assert "maria (just now) looks at this as well." in clients[1].get(url).content.decode()
        with patch("accounts.presence.connection") as broken:
            broken.cursor.side_effect = DatabaseError("gone")
            page = clients[1].get(url)
        assert page.status_code == 200
        assert "looks at this as well" not in page.content.decode()
