"""A list with very many rows: a worker picks them in chunks, nobody waits for it, and it can be stopped (U05, U06)."""

import os
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Notice, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import MassAction
from delinquency.operations import mass
from tests.backoffice import make_customer, make_version, staff_client
from tests.factories import allow_grace, instant, make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db
NOON = instant("2026-01-18 12:00")
PICKING: Any = sys.modules["delinquency.operations.mass.picking"]
ENGINE: Any = sys.modules["delinquency.operations.mass.engine"]
Kind, UNTIL = MassAction.Kind, "2026-01-26"
# A million by hand: PICK_ROWS=1000000 pytest -n0 tests/delinquency/test_mass_picking.py -k memory
ROWS = int(os.environ.get("PICK_ROWS", "4000"))


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.at(NOON):
        yield


@pytest.fixture
def casey() -> User:
    """Return a clerk who may do all of this."""
    rights = ("set_status", "mass_grace", "add_gracegrant", "send_notice")
    return allow_grace(make_staff("casey", "view_account", *rights))


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> list[Account]:
    """Return seven customers, where more than two are many and a statement looks at three."""
    monkeypatch.setattr(PICKING, "AT_ONCE", 2)
    monkeypatch.setattr(PICKING, "CHUNK", 3)
    version = make_version()
    return [make_customer(str(10001 + number), version) for number in range(7)]


def grace(by: User, rows: Any = None) -> MassAction:
    """Begin to give accounts more time."""
    rows = Account.objects.all() if rows is None else rows
    return mass.prepare(Kind.GRACE, rows, by=by, parameters={"until_on": UNTIL})


def test_many_are_not_picked_while_somebody_waits_but_by_a_worker(casey: User, town: list[Account]) -> None:
    action = grace(casey)
    assert (action.state, action.total, action.items.count()) == ("picking", 0, 0)
    mass.work_on(action.pk, seconds_max=-1)
    action.refresh_from_db()
    assert (action.state, action.total) == ("picking", 3)
    mass.work_on(action.pk)
    action.refresh_from_db()
    assert (action.state, action.total, action.looked_at, action.to_do) == ("ready", 7, 7, 7)
    action = mass.confirm(action, reason="the bank was down", by=casey)
    assert (action.state, action.done) == ("done", 7)


def test_the_query_is_that_of_the_moment_and_who_comes_later_is_not_picked(casey: User, town: list[Account]) -> None:
    Account.objects.filter(pk=town[0].pk).update(name="100 % O'Hara {x}")
    rows = Account.objects.filter(name__contains="% O'Hara {") | Account.objects.filter(number__gte="10004")
    action = grace(casey, rows)
    make_customer("10099", make_version())
    mass.work_on(action.pk)
    found = set(action.items.values_list("account__number", flat=True))
    assert found == {"10001", "10004", "10005", "10006", "10007"}


def test_picking_can_be_stopped_and_a_killed_worker_leaves_whole_chunks(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    action, run = grace(casey), PICKING._run
    mass.work_on(action.pk, seconds_max=-1)

    def killed(*args: Any) -> int:
        run(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(PICKING, "_run", killed)
        with pytest.raises(KeyboardInterrupt):
            mass.work_on(action.pk)
    action.refresh_from_db()
    assert (action.total, action.items.count()) == (3, 3)
    mass.work_on(action.pk, seconds_max=-1)
    action.refresh_from_db()
    assert (action.total, action.items.count()) == (6, 6)
    mass.cancel(action)
    assert mass.work_on_all() == 0
    assert action.items.count() == 6


def test_a_query_that_nobody_here_signed_is_never_run(casey: User, town: list[Account]) -> None:
    action = grace(casey)
    forged = signing.dumps({"rows": "accounts.account", "sql": "SELECT 1"}, key="another", salt=PICKING.SALT)
    MassAction.objects.filter(pk=action.pk).update(pick_query=forged)
    mass.work_on(action.pk)
    action.refresh_from_db()
    assert (action.state, action.items.count()) == ("cancelled", 0)
    assert "Choose it again" in action.paused_why


def test_looking_again_undoing_and_trying_again_are_a_workers_where_they_are_many(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    action = grace(casey)
    mass.work_on(action.pk)
    Account.objects.filter(pk=town[0].pk).update(closed_on="2026-01-02")
    again = mass.look_again(action, by=casey)
    assert (again.state, again.looked_at) == ("picking", 0)
    mass.work_on(action.pk)
    action.refresh_from_db()
    assert (action.state, action.total, action.to_do) == ("ready", 7, 6)
    kind = mass.KINDS[Kind.GRACE]
    with monkeypatch.context() as failing:
        failing.setattr(kind, "carry_out", _fail, raising=False)
        action = mass.confirm(action, reason="x", by=casey)
    assert (action.state, action.failed) == ("done", 6)
    assert mass.try_again(action, by=casey).state == "picking"
    mass.work_on(action.pk)
    action.refresh_from_db()
    assert (action.state, action.done, action.failed) == ("done", 6, 0)
    back = mass.undo(action, reason="a mistake", by=casey)
    assert (back.state, back.total) == ("picking", 0)
    with pytest.raises(Refused, match="being undone already"):
        mass.undo(action, reason="twice", by=casey)
    mass.work_on(back.pk)
    back.refresh_from_db()
    assert (back.state, back.total, back.done) == ("done", 6, 6)
    assert action.items.filter(state="undone").count() == 6


def _fail(*_: Any) -> str:
    raise Refused("no", "Not now.")


def test_what_many_come_to_is_added_up_by_the_worker_once(casey: User, town: list[Account]) -> None:
    Account.objects.filter(pk=town[0].pk).update(closed_on="2026-01-02")
    action = grace(casey)
    mass.work_on(action.pk)
    action.refresh_from_db()
    live = PICKING._add_up(action.pk)
    assert [list(row) for row in action.outcomes] == live
    assert {(row[0], row[1], row[3]) for row in live} == {("waiting", "", 6), ("excluded", "closed", 1)}
    action = mass.confirm(action, reason="x", by=casey)
    assert {row[0] for row in action.outcomes} == {"done", "excluded"}
    back = mass.undo(action, reason="y", by=casey)
    mass.work_on(back.pk)
    mass.work_on_all()
    action.refresh_from_db()
    assert {row[0] for row in action.outcomes} == {"undone", "excluded"}
    assert not PICKING.needing_sums().exists()  # nor are they added up again at every pass


def test_the_page_counts_while_they_are_picked_and_can_stop_it(town: list[Account]) -> None:
    client: Client = staff_client()
    data = {"action": "mass_grace", "_selected_action": [town[0].pk], "index": 0, "select_across": "1"}
    url = "/admin/accounts/account/"
    assert "A worker counts them" in client.post(url, data).content.decode()
    response = client.post(url, data | {"confirmed": "1", "until_on": UNTIL})
    action = MassAction.objects.get()
    assert action.chosen_words == "all accounts of the list"
    mass.work_on(action.pk, seconds_max=-1)
    page = client.get(response.headers["Location"])
    text = page.content.decode()
    assert "3 picked so far" in text
    assert page.headers["Refresh"].startswith("3;")
    client.post(response.headers["Location"], {"do": "cancel"})
    action.refresh_from_db()
    assert action.state == "cancelled"
    assert client.get(reverse("admin:delinquency_massaction_change", args=[action.pk])).status_code == 200


def test_memory_and_statements_stay_small_however_many_notices_are_chosen(casey: User) -> None:
    account = make_account()
    contact = make_contact(account)
    Notice.objects.create(
        account=account, contact=contact, anchor_key="a", step_key="s", channel="email", template="t",
        to_address="a@example.com", body="x",
    )  # fmt: skip
    columns = [str(field.column) for field in Notice._meta.concrete_fields if field.column != "id"]
    values = {"step_key": "'s' || n", "public_id": "gen_random_uuid()"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_notice ({', '.join(columns)})"
            f" SELECT {', '.join(values.get(name, name) for name in columns)}"
            f" FROM accounts_notice, generate_series(1, {ROWS - 1}) AS n"
        )
        cursor.execute("SET LOCAL statement_timeout = '15s'")
    action = mass.prepare(Kind.RESEND, Notice.objects.all(), by=casey, parameters={"also_arrived": True})
    assert action.state == "picking"
    tracemalloc.start()
    while PICKING.pick_chunk(action.pk):
        continue
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    action.refresh_from_db()
    assert (action.state, action.total) == ("counting", ROWS)
    assert peak < 5_000_000
