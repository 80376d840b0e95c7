"""The pages of actions on many: from a list or an area to the preview, the progress, the result and the undoing."""

import re
import sys
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.models import AccountHold, MassAction, Standing
from delinquency.operations import mass
from tests.backoffice import make_customer, make_version, queries_for, staff_client
from tests.factories import instant, make_staff

pytestmark = pytest.mark.django_db
NOON = instant("2026-01-18 12:00")
LIST = "/admin/accounts/account/"
ENGINE: Any = sys.modules["delinquency.operations.mass.engine"]
CHUNKS: Any = sys.modules["delinquency.operations.mass.chunks"]


@pytest.fixture(autouse=True)
def _now() -> Any:
    with clock.at(NOON):
        yield


@pytest.fixture
def client() -> Client:
    """Return a browser of an administrator."""
    return staff_client()


def town(count: int = 4) -> list[Account]:
    """Return customers of one policy in one street."""
    version = make_version()
    found = [make_customer(str(10001 + number), version) for number in range(count)]
    Account.objects.update(address="12 Mill Road, Bearsville 12409")
    return found


def page(action: MassAction) -> str:
    """Return the address of an action's page."""
    return reverse("admin:delinquency_massaction_change", args=[action.pk])


def plain(response: Any) -> str:
    """Return a page's text without its tags, in single spaces."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", response.content.decode()))


def choose(client: Client, kind: str, rows: list[Account], query: str = "", **data: Any) -> Any:
    """Press an action in the list of accounts with some rows ticked."""
    ticked = [row.pk for row in rows]
    return client.post(LIST + query, {"action": f"mass_{kind}", "_selected_action": ticked, "index": 0} | data)


def test_the_menu_asks_then_shows_what_would_happen_then_does_it_and_undoes_it(client: Client) -> None:
    rows = town()
    assert "Grace until" in plain(choose(client, "grace", rows))
    response = choose(client, "grace", rows, confirmed="1", until_on="2026-01-26")
    action = MassAction.objects.get()
    assert response.headers["Location"] == page(action)
    text = plain(client.get(page(action)))
    assert "4 ticked accounts" in text
    assert "To be done 4 Left out 0 Unpaid by them 400.00 USD" in text
    assert "Each account may become delinquent on 2026-01-26 at the earliest" in text
    text = plain(client.post(page(action), {"do": "confirm", "reason": ""}))
    assert "Fill this in; it cannot be left blank." in text
    assert not Standing.objects.filter(grace_until__isnull=False).exists()
    client.post(page(action), {"do": "confirm", "reason": "Storm"})
    text = plain(client.get(page(action)))
    assert "Done 4 Left out 0 Changed since the preview 0 Failed 0" in text
    assert Standing.objects.filter(grace_until="2026-01-26").count() == 4
    response = client.post(page(action), {"do": "undo", "reason": "a mistake"})
    back = MassAction.objects.get(undo_of=action)
    assert response.headers["Location"] == page(back)
    assert "Undone for 4 of them" in plain(client.get(page(action)))
    assert Standing.objects.filter(grace_until__gt="2026-01-18").count() == 0


def test_all_of_the_list_means_its_own_query_and_no_keys_are_in_the_form(client: Client) -> None:
    rows = town(6)
    Account.objects.filter(pk__in=[row.pk for row in rows[:3]]).update(name="Elm")
    asked = {"select_across": "1"}
    form = choose(client, "grace", rows[:1], "?q=Elm", **asked)
    assert "3 chosen" in plain(form)
    assert form.content.decode().count('name="_selected_action"') == 1
    choose(client, "grace", rows[:1], "?q=Elm", confirmed="1", until_on="2026-01-26", **asked)
    action = MassAction.objects.get()
    assert (action.total, action.chosen_words) == (3, "all 3 accounts of the list with search “Elm”")
    assert set(action.items.values_list("account__name", flat=True)) == {"Elm"}


def test_above_fifty_the_count_is_typed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delinquency.admin.mass_forms.TYPED_ABOVE", 3)
    choose(client, "grace", town(), confirmed="1", until_on="2026-01-26")
    action = MassAction.objects.get()
    text = plain(client.post(page(action), {"do": "confirm", "reason": "Storm", "typed": "5"}))
    assert "That is not 4, which is how many it is; type 4." in text
    client.post(page(action), {"do": "confirm", "reason": "Storm", "typed": "4"})
    action.refresh_from_db()
    assert action.done == 4


def test_an_area_is_put_on_hold_from_its_own_page_and_let_go_from_the_list_of_holds(client: Client) -> None:
    town()
    url = reverse("admin:delinquency_massaction_hold")
    text = plain(client.post(url, {"until_on": "2026-01-23", "resume": "anew", "anew_days": "0"}))
    assert "Say which area" in text
    assert "Say how many days of grace start after the hold" in text
    assert "more than 60 days ahead" in plain(
        client.post(url, {"text": "12409", "until_on": "2026-06-23", "resume": "go_on"}, follow=True)
    )
    client.post(url, {"text": "12409", "until_on": "2026-01-23", "resume": "go_on"})
    action = MassAction.objects.latest("pk")
    assert "open accounts: address contains “12409”" in plain(client.get(page(action)))
    client.post(page(action), {"do": "confirm", "reason": "Storm"})
    assert Standing.objects.filter(held_until="2026-01-23").count() == 4
    hold = AccountHold.objects.first()
    assert hold is not None
    assert "on hold until 2026-01-23" in plain(client.get(f"{LIST}?standing=hold"))
    account = plain(client.get(f"{LIST}{hold.account_id}/change/"))
    assert "On hold: nothing follows before Fri 23 Jan 2026." in account
    end = reverse("admin:delinquency_accounthold_end", args=[hold.pk])
    client.post(end, {"reason": "Line is up"}, follow=True)
    assert Standing.objects.filter(held_until="2026-01-23").count() == 3


def test_who_is_left_out_is_grouped_listed_and_in_a_file_without_formulas(client: Client) -> None:
    rows = town()
    Account.objects.filter(pk=rows[0].pk).update(closed_on="2026-01-02", name="=HYPERLINK(1)", number="=1+1")
    choose(client, "grace", rows, confirmed="1", until_on="2026-01-26")
    action = MassAction.objects.get()
    response = client.get(page(action))
    assert "left out 1 closed" in plain(response)
    links = re.findall(r'href="([^"]*code[^"]*)"', response.content.decode())
    listed, file = (client.get(link.replace("&amp;", "&")) for link in links[:2])
    assert "was closed on 2026-01-02" in plain(listed)
    lines = b"".join(file.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 2
    assert lines[1].startswith("'=1+1,'=1+1 =HYPERLINK(1),left out,Account =1+1 was closed")


def test_the_progress_survives_a_reload_looks_again_by_itself_and_can_be_paused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", -1)
    monkeypatch.setattr(CHUNKS, "CARRIED_OUT", 1)
    choose(client, "grace", town(), confirmed="1", until_on="2026-01-26")
    action = MassAction.objects.get()
    mass.work_on(action.pk)
    client.post(page(action), {"do": "confirm", "reason": "Storm"})
    with clock.at(instant("2026-01-18 12:00:10")):
        response = client.get(page(action))
        assert response.headers["Refresh"] == "3; url=?look=2"
        text = plain(response)
    assert "1 of 4, 25 %; 0.1 a second, less than a minute left" in text
    assert "Refresh" not in client.get(page(action) + "?look=40").headers
    assert "Refresh" not in client.get(page(action) + "?look=stop").headers
    client.post(page(action), {"do": "pause"})
    assert "Paused" in plain(client.get(page(action)))
    assert mass.work_on_all() == 0
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", 5)
    client.post(page(action), {"do": "go_on"})
    action.refresh_from_db()
    assert (action.state, action.done) == ("done", 4)


def test_who_may_only_look_sees_the_plan_and_can_do_nothing() -> None:
    rows, viewer = town(), make_staff("vera", "view_account", "view_massaction", "view_massitem")
    boss = User.objects.create_user("boss2", is_superuser=True)
    action = mass.prepare(MassAction.Kind.GRACE, Account.objects.all(), by=boss, parameters={"until_on": "2026-01-26"})
    client = Client()
    client.force_login(viewer)
    text = plain(client.get(page(action)))
    assert "What would happen" in text
    assert "Do not do it" not in text
    for does in ("confirm", "cancel", "undo", "pause", "go_on", "look", "try_again"):
        assert client.post(page(action), {"do": does, "reason": "x"}).status_code == 403
    assert client.post(reverse("admin:delinquency_massaction_hold")).status_code == 403
    choose(client, "grace", rows, confirmed="1", until_on="2026-01-26")
    assert MassAction.objects.count() == 1
    assert MassAction.objects.get().state == "ready"


def test_pages_and_lists_need_as_many_queries_for_twelve_as_for_three(client: Client) -> None:
    counted = []
    for first, many in ((20001, 3), (20101, 12)):
        version = make_version()
        rows = [make_customer(str(first + number), version) for number in range(many)]
        choose(client, "grace", rows, confirmed="1", until_on="2026-01-26")
        action = MassAction.objects.latest("pk")
        items = reverse("admin:delinquency_massitem_changelist") + f"?action__id__exact={action.pk}"
        counted.append((queries_for(client, page(action)), queries_for(client, items)))
    assert counted[0] == counted[1]
