"""The RADIUS driver against tables of its own in a real PostgreSQL, and a client that can be told to fail."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.drivers.port import Change, Held
from netenforce.drivers.radius import NO_SESSION_WORDS, RadiusDriver, write
from netenforce.drivers.radius_tables import Talk, access_to, conversation
from netenforce.models import AddressList, Device, RadiusAnswer
from netenforce.rules.lists import ListView
from netenforce.rules.radius_groups import as_asked
from tests.peers.radius_nas import Nas, listening
from tests.peers.radius_tables import Operator, operator, sockets

pytestmark = pytest.mark.django_db

DRIVER = RadiusDriver()
SLOW, GARDEN, OFF = "Delinquent-Throttle", "Walled-Garden", "Suspended"


@dataclass
class Place:
    """A device, its tables and its client."""

    device: Device
    tables: Operator
    nas: Nas

    def apply(self, level: str, *names: str) -> dict[str, str]:
        group = {"throttle": SLOW, "walled_garden": GARDEN, "suspend": OFF}.get(level, "")
        changes = [Change(address=name, level=level, list_name=group) for name in names]
        return dict(DRIVER.apply(self.device, changes))

    def read(self, name: str) -> Held:
        return DRIVER.read(self.device, [name])[name]

    def set(self, **options: Any) -> None:
        self.device.options |= options
        self.device.save()


@pytest.fixture
def place() -> Iterator[Place]:
    with operator() as tables, listening() as nas:
        device = Device.objects.create(
            name="aaa", driver="radius", host=sockets(), username="app", secret=json.dumps({"coa": "coa-secret"}),
            options={
                "database": tables.database, "schema": tables.schema, "sslmode": "disable", "timeout_seconds": 1,
                "tries": 1, "nas": [{"address": "127.0.0.1", "port": nas.port}],
            },
        )  # fmt: skip
        tables.reply("Plan-20M", "Mikrotik-Rate-Limit", "5M/20M")
        tables.subscriber("rosa")
        yield Place(device, tables, nas)


def test_a_slowed_subscriber_gets_our_group_before_their_own_and_nothing_of_theirs_is_touched(place: Place) -> None:
    assert place.apply("throttle", "rosa") == {"rosa": NO_SESSION_WORDS}
    assert place.tables.members() == {("rosa", "Plan-20M", 1), ("rosa", SLOW, -100)}
    assert place.tables.replies(SLOW) == {
        "Mikrotik-Rate-Limit": ":= 512k/1024k", "Class": f":= billing:throttle:{SLOW}", "Fall-Through": "= Yes",
    }  # fmt: skip
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)
    place.apply("open", "rosa")
    assert place.tables.members() == {("rosa", "Plan-20M", 1)}
    assert place.tables.replies("Plan-20M") == {"Mikrotik-Rate-Limit": "= 5M/20M"}
    assert not RadiusAnswer.objects.exists()


def test_a_running_session_is_ended_after_the_rows_are_there_and_counts_as_done(place: Place) -> None:
    place.tables.session("rosa", "k1")
    assert place.read("rosa") == Held(level="open")
    assert place.apply("throttle", "rosa") == {}
    assert place.nas.log == [{"kind": "disconnect", "user": "rosa", "session": "id-k1"}]
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)
    place.apply("throttle", "rosa")
    assert place.nas.packets == 1
    place.apply("open", "rosa")
    assert place.nas.packets == 2
    assert place.read("rosa") == Held(level="open")


def test_a_coa_carries_what_the_group_replies_and_a_release_ends_the_session(place: Place) -> None:
    place.set(method="coa")
    place.tables.session("rosa", "k1")
    place.apply("throttle", "rosa")
    place.apply("open", "rosa")
    assert [one["kind"] for one in place.nas.log] == ["coa", "disconnect"]
    assert place.nas.log[0]["Mikrotik-Rate-Limit"] == "512k/1024k"


@pytest.mark.parametrize("how", ["silent", "lost_ack", "forged"])
def test_an_answer_that_does_not_come_is_never_taken_for_done(place: Place, how: str) -> None:
    place.tables.session("rosa", "k1")
    place.nas.how = how
    with pytest.raises(OutcomeUnknown, match="wrong shared secret is silence"):
        place.apply("throttle", "rosa")
    assert ("rosa", SLOW, -100) in place.tables.members()
    for wanted in (Held(level="throttle", list_name=SLOW), Held(level="open")):
        assert not place.read("rosa").agrees(wanted)
    place.nas.how = "ack"
    place.apply("throttle", "rosa")
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)


def test_a_lost_release_still_shows_the_restriction_of_the_session(place: Place) -> None:
    place.tables.session("rosa", "k1")
    place.apply("suspend", "rosa")
    place.nas.how = "silent"
    with pytest.raises(OutcomeUnknown):
        place.apply("open", "rosa")
    assert place.read("rosa") == Held(level="suspend", list_name=f"{OFF}, until log-off")
    assert DRIVER.read_all(place.device).ours["rosa"].level == "suspend"
    place.nas.how = "ack"
    place.apply("open", "rosa")
    assert place.read("rosa") == Held(level="open")
    assert DRIVER.read_all(place.device).ours == {}


def test_a_wrong_secret_is_silence_and_is_said_so(place: Place) -> None:
    place.tables.session("rosa", "k1")
    place.device.secret = json.dumps({"coa": {"127.0.0.1": "another"}})
    with pytest.raises(OutcomeUnknown, match=r"127\.0\.0\.1:\d+ for rosa\. A wrong shared secret"):
        place.apply("throttle", "rosa")
    assert place.nas.packets == 1
    assert place.nas.log == []


def test_a_session_that_the_client_does_not_know_is_done_and_remarked(place: Place) -> None:
    place.tables.session("rosa", "k1")
    place.nas.how = "nak"
    assert place.apply("throttle", "rosa") == {"rosa": NO_SESSION_WORDS}
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)


@pytest.mark.parametrize(
    ("cause", "words"),
    [(402, "402 Missing-Attribute"), (501, "501 Administratively-Prohibited.*accept=yes"), (None, "gives no reason")],
)
def test_another_refusal_is_told_by_its_name_and_the_rows_stay(place: Place, cause: int | None, words: str) -> None:
    place.tables.session("rosa", "k1")
    place.nas.how, place.nas.cause = "nak", cause
    with pytest.raises(Rejected, match=words):
        place.apply("throttle", "rosa")
    assert ("rosa", SLOW, -100) in place.tables.members()
    assert place.read("rosa") == Held(level="throttle", list_name=f"{SLOW}, at next log-in")


def test_an_answer_that_comes_twice_is_one_answer(place: Place) -> None:
    place.nas.how = "twice"
    names = [f"user{number}" for number in range(300)]
    for name in names:
        place.tables.session(name, f"k-{name}")
    place.apply("throttle", *names)
    assert place.nas.packets == 300
    assert {one.level for one in DRIVER.read(place.device, names).values()} == {"throttle"}


def test_a_client_that_no_option_names_is_told_in_words(place: Place) -> None:
    place.tables.session("rosa", "k1", nas="10.9.9.9")
    with pytest.raises(Rejected, match=r'10\.9\.9\.9 of rosa has no place in the option "nas" of aaa'):
        place.apply("throttle", "rosa")


def test_a_session_that_began_after_the_rows_has_them_and_an_older_one_that_turns_up_has_not(place: Place) -> None:
    place.apply("throttle", "rosa")
    place.tables.session("rosa", "new", age="-1 second")
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)
    place.tables.session("rosa", "old", age="1 hour")
    assert place.read("rosa") == Held(level="throttle", list_name=f"{SLOW}, at next log-in")


@pytest.mark.parametrize(
    "kept", ["billing:throttle:Delinquent-Throttle", "0x" + b"billing:throttle:Delinquent-Throttle".hex()]
)
def test_a_class_in_accounting_tells_by_which_group_a_session_was_let_in(place: Place, kept: str) -> None:
    place.apply("throttle", "rosa")
    place.tables.session("rosa", "k1", age="1 hour", mark=kept)
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)
    place.apply("suspend", "rosa")
    assert [one["kind"] for one in place.nas.log] == ["disconnect"]


def test_rows_that_somebody_took_out_are_put_back_and_no_session_is_believed(place: Place) -> None:
    place.tables.session("rosa", "k1")
    place.apply("throttle", "rosa")
    place.tables.run("DELETE FROM radusergroup WHERE groupname = %s", SLOW)
    place.tables.run("UPDATE radacct SET acctuniqueid = 'k2'")
    assert not place.read("rosa").agrees(Held(level="throttle", list_name=SLOW))
    place.apply("throttle", "rosa")
    assert len(place.nas.log) == 2
    assert place.read("rosa") == Held(level="throttle", list_name=SLOW)


def test_a_row_by_another_hand_is_foreign_and_left_alone_until_it_is_adopted(place: Place) -> None:
    place.apply("suspend", "somebody")
    place.tables.member("rosa", OFF, 1)
    everything = DRIVER.read_all(place.device)
    assert everything.ours == {"somebody": Held(level="suspend", list_name=OFF)}
    assert everything.foreign == {"rosa": Held(level="suspend", list_name=f"{OFF}, no effect")}  # the plan comes first
    place.tables.run("DELETE FROM radusergroup WHERE groupname = 'Plan-20M'")
    assert DRIVER.read_all(place.device).foreign == {"rosa": Held(level="suspend", list_name=OFF)}
    with pytest.raises(Rejected, match="rosa is open as far as we hold it, but stands in group Suspended"):
        place.apply("open", "rosa")
    assert ("rosa", OFF, 1) in place.tables.members()
    DRIVER.adopt(place.device, ["rosa"])
    assert ("rosa", OFF, -100) in place.tables.members()
    assert DRIVER.read_all(place.device).foreign == {}
    place.apply("open", "rosa")
    assert place.tables.members() == {("somebody", OFF, -100)}


def test_a_plan_that_would_win_is_refused_before_anything_is_written(place: Place) -> None:
    place.tables.run("UPDATE radgroupreply SET op = ':='")
    with pytest.raises(Rejected, match="Plan-20M sets Mikrotik-Rate-Limit with :=, which takes the place of ours"):
        place.apply("throttle", "rosa")
    assert place.tables.members() == {("rosa", "Plan-20M", 1)}
    place.set(fall_through=False)
    place.apply("throttle", "rosa")
    assert place.tables.replies(SLOW)["Fall-Through"] == "= No"
    place.set(fall_through=True, priority=2)
    with pytest.raises(Rejected, match="group Plan-20M has priority 1"):
        place.apply("suspend", "rosa")


def test_a_group_of_the_operators_own_is_used_as_it_stands_and_ours_is_mended(place: Place) -> None:
    place.tables.reply(OFF, "Cisco-AVPair", "off")
    place.apply("suspend", "rosa")
    assert place.tables.replies(OFF) == {"Cisco-AVPair": "= off"}
    place.apply("throttle", "rosa")
    place.tables.reply(SLOW, "Framed-Pool", "slow")
    place.tables.run("UPDATE radgroupreply SET value = '9M/9M' WHERE groupname = %s AND attribute LIKE 'Mik%%'", SLOW)
    place.apply("throttle", "rosa")
    assert place.tables.replies(SLOW)["Mikrotik-Rate-Limit"] == ":= 512k/1024k"
    assert place.tables.replies(SLOW)["Framed-Pool"] == "= slow"


def test_a_group_whose_list_is_gone_is_still_known_as_ours_and_freed(place: Place) -> None:
    place.apply("throttle", "rosa")
    AddressList.objects.filter(name=SLOW).update(name="Renamed")
    assert DRIVER.read_all(place.device).ours == {"rosa": Held(level="throttle", list_name=SLOW)}
    place.apply("open", "rosa")
    assert place.tables.members() == {("rosa", "Plan-20M", 1)}


@pytest.mark.parametrize(
    "name", ["o'hara", '"; DROP TABLE radusergroup; --', "Zoë Ünal 東京", "%s %(x)s \\ $$", "a" * 64]
)
@pytest.mark.parametrize("escape", [True, False])
def test_any_name_of_a_customer_is_only_ever_data(place: Place, name: str, escape: bool) -> None:
    place.set(escape=escape)
    if escape and set(name) & set('"\\'):
        with pytest.raises(Rejected, match="in another; give the subscriber another name"):
            place.apply("throttle", name)
        return
    place.tables.session(as_asked(name) if escape else name, "k1")
    place.apply("throttle", name)
    assert place.read(name) == Held(level="throttle", list_name=SLOW)
    assert place.nas.log[0]["user"] == name
    place.apply("open", name)
    assert place.tables.members() == {("rosa", "Plan-20M", 1)}


@pytest.mark.parametrize("name", ["", "a\nb", "nul\x00", "東" * 64 + "東" * 64])
def test_a_name_that_nobody_can_have_is_refused(place: Place, name: str) -> None:
    with pytest.raises(Rejected, match="RADIUS user name"):
        place.apply("throttle", name)
    assert DRIVER.read(place.device, [name]) == {name: Held(level="open")}


def test_a_database_that_is_away_or_keeps_us_out_is_told_apart(place: Place) -> None:
    place.device.host = "/nowhere"
    with pytest.raises(Unavailable, match="database of aaa cannot be reached"):
        place.apply("throttle", "rosa")
    place.device.host, place.device.username = sockets(), "nobody-at-all"
    with pytest.raises(Rejected, match="does not let us in"):
        place.read("rosa")
    place.device.username = "app"
    place.set(schema="elsewhere")
    with pytest.raises(Rejected, match="has not the tables of FreeRADIUS"):
        place.read("rosa")


def test_two_workers_at_once_leave_one_row(place: Place) -> None:
    names = [f"user{number}" for number in range(50)]
    place.apply("open", "rosa")
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(written, place, group, names) for group in (SLOW, OFF, SLOW, OFF)]
        assert all(one.result() is None for one in done)
    rows = place.tables.run("SELECT username FROM radusergroup WHERE priority = -100")
    assert len(rows) == len(set(rows)) == 50


def written(place: Place, group: str, names: list[str]) -> None:
    """Write rows as a worker does, on a connection of its own."""
    levels = {SLOW: "throttle", OFF: "suspend"}
    one = ListView(name=group, level=levels[group], rate_down_kbit=1024, rate_up_kbit=512)
    both = [one, ListView(name=OFF if group == SLOW else SLOW, level="suspend" if group == SLOW else "throttle",
                          rate_down_kbit=1024, rate_up_kbit=512)]  # fmt: skip
    with conversation(access_to(place.device)) as talk:
        write(talk, dict.fromkeys(names, group), both)


def test_the_rights_that_the_manual_grants_are_enough_and_each_is_needed(place: Place) -> None:
    role = f"billing_{place.tables.schema}_{place.tables.database}"[:63]
    grants = re.findall(r"^GRANT .*;$", Path("docs/radius.md").read_text(), re.MULTILINE)
    assert len(grants) == 4
    place.tables.run(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {place.tables.schema} TO {role}")
    try:
        for grant in grants[1:]:
            place.tables.run(grant.replace(" TO billing;", f" TO {role};"))
        place.device.username = role
        assert not [note for note in DRIVER.probe(place.device).notes if "grant" in note]
        place.apply("throttle", "rosa")
        place.apply("open", "rosa")
        for right, table in (("INSERT", "radusergroup"), ("DELETE", "radusergroup"), ("SELECT", "radreply")):
            place.tables.run(f"REVOKE {right} ON {table} FROM {role}")
            assert f"The database user may not {right} on {table}; grant it." in DRIVER.probe(place.device).notes
            with pytest.raises(Rejected, match=f"permission denied for table {table}.; grant it"):
                place.apply("throttle", "rosa")
            place.tables.run(f"GRANT {right} ON {table} TO {role}")
        place.tables.run(f"REVOKE USAGE ON SEQUENCE radusergroup_id_seq FROM {role}")
        assert any("radusergroup_id_seq" in note for note in DRIVER.probe(place.device).notes)
    finally:
        place.tables.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_release_needs_nothing_but_to_take_our_row_away(place: Place) -> None:
    place.apply("throttle", "rosa")
    place.tables.run("UPDATE radgroupreply SET value = 'changed', op = ':=' WHERE attribute LIKE 'Mik%%'")
    for table, what in (("radgroupreply", "INSERT OR DELETE"), ("radusergroup", "INSERT")):
        place.tables.run(
            f"CREATE FUNCTION no_{table}() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE insufficient_privilege; END';"
            f" CREATE TRIGGER no BEFORE {what} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION no_{table}()"
        )
    place.apply("open", "rosa")
    assert place.tables.members() == {("rosa", "Plan-20M", 1)}


def test_two_thousand_subscribers_cost_as_many_statements_as_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    rows = Talk.rows

    def counted(talk: Talk, statement: str, parameters: Any = ()) -> Any:
        asked.append(statement)
        return rows(talk, statement, parameters)

    monkeypatch.setattr(Talk, "rows", counted)
    costs = []
    place.apply("throttle", "first")
    for names in (["rosa"], [f"user{number}" for number in range(2000)]):
        for name in names:
            place.tables.session(name, f"k-{name}")
        asked.clear()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            place.apply("throttle", *names)
        costs.append((len(asked), len(queries)))
    assert costs[0] == costs[1], costs
    assert place.nas.packets == 2001
    print(f"statements there and here: {costs[1]}")
