"""The global pause: once, with a reason, by somebody; and resumed with one."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Pause, User
from accounts.operations import pause_everything, resume_everything
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import Nudge
from tests.backoffice import NOON, staff_client
from tests.factories import instant, make_account, make_source

pytestmark = pytest.mark.django_db


def test_a_pause_needs_a_reason_and_there_is_one_at_a_time() -> None:
    with pytest.raises(Refused, match="Say why"):
        pause_everything(reason="  ")
    pause_everything(reason="Stop.")
    with pytest.raises(Refused, match="paused already"):
        pause_everything(reason="Stop again.")
    with pytest.raises(IntegrityError, match="pause_open_once"), transaction.atomic():
        Pause.objects.create(why="A second one.")
    resume_everything(reason="Mended.")
    with pytest.raises(Refused, match="Nothing is paused"):
        resume_everything(reason="Mended.")
    pause_everything(reason="Once more.")
    assert Pause.objects.count() == 2


def test_resuming_wakes_the_network_first(nudges: list[Nudge], django_capture_on_commit_callbacks: Any) -> None:
    pause_everything(reason="Stop.")
    with pytest.raises(Refused, match="made it safe"):
        resume_everything(reason="")
    with django_capture_on_commit_callbacks(execute=True):
        resume_everything(reason="Mended.")
    assert [name for name, *_ in nudges] == [
        "netenforce.restore", "netenforce.dispatch", "invoicing.dispatch_charges", "accounts.dispatch_notices",
    ]  # fmt: skip


def test_the_dispatch_command_says_why_nothing_goes_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    with clock.at(NOON):
        pause_everything(reason="Letters name the wrong amount", by=User.objects.create_user("ann"))
    call_command("dispatch", "all")
    assert capsys.readouterr().out.startswith(
        "Paused since 2026-01-20 17:00 UTC by ann: Letters name the wrong amount. Nothing was sent"
    )
    call_command("dispatch", "all", json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["paused"]["why"] == "Letters name the wrong amount"
    assert [answer[name] for name in ("charges", "enforcement", "notices")] == [{}, {}, {}]


def test_customers_pay_by_themselves_under_a_pause() -> None:
    from decimal import Decimal

    from invoicing.operations.portal_pay import pay_now
    from tests.backoffice import make_invoice

    account = make_account()
    make_invoice(account, "A-1")
    pause_everything(reason="Stop.")
    with clock.at(instant("2026-01-21 12:00")):
        attempt = pay_now(account, make_source(account), Decimal("100.00"), key="press-1")
    assert attempt.state == "done"


def test_the_button_asks_why_and_every_page_shows_it() -> None:
    client = staff_client()
    url = reverse("admin:accounts_pause_pause")
    assert "nobody who has paid gets the line back either" in client.get(url).content.decode()
    assert "cannot be left blank" in client.post(url, {"reason": ""}).content.decode()
    assert not Pause.objects.exists()
    assert client.post(url, {"reason": "Wrong amounts"}).status_code == 303
    assert Pause.objects.get().started_by == User.objects.get(username="boss")
    for page in ("admin:index", "admin:accounts_contact_changelist", "admin:accounts_pause_changelist"):
        text = client.get(reverse(page)).content.decode()
        assert "Everything is paused." in text
        assert "Wrong amounts" in text
    assert client.post(reverse("admin:accounts_pause_resume"), {"reason": "Mended"}).status_code == 303
    pause = Pause.objects.get()
    assert (pause.ended_why, pause.history.count()) == ("Mended", 2)
    assert "Everything is paused." not in client.get(reverse("admin:index")).content.decode()


def test_who_only_looks_may_not_press() -> None:
    from django.contrib.auth.models import Permission

    user = User.objects.create_user("sandy", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_pause"))
    client = Client()
    client.force_login(user)
    assert client.post(reverse("admin:accounts_pause_pause"), {"reason": "x"}).status_code == 403
    assert not Pause.objects.exists()
