"""A real FreeRADIUS reads what the driver wrote: what a log-in gets, what accounting tells, what a session is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.drivers.port import Change, Held
from netenforce.drivers.radius import NO_SESSION_WORDS, RadiusDriver
from netenforce.models import AddressList, Device
from tests.peers.radius_rig import SECRET, Rig, freeradius, skip_reason
from tests.peers.radius_tables import sockets

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]

DRIVER = RadiusDriver()
SLOW, GARDEN, OFF = "Delinquent-Throttle", "Walled-Garden", "Suspended"
LISTS = {"throttle": SLOW, "walled_garden": GARDEN, "suspend": OFF}
PLAN = {"Mikrotik-Rate-Limit": "5M/20M", "Framed-Pool": "home"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Rig]:
    with freeradius(tmp_path_factory.mktemp("radius")) as rig:
        for name, value in PLAN.items():
            rig.tables.reply("Plan-20M", name, value)
        yield rig


@pytest.fixture
def rig(server: Rig) -> Iterator[Rig]:
    server.tables.subscriber("rosa")
    yield server
    server.tables.run("TRUNCATE radcheck, radusergroup, radgroupcheck, radacct")
    server.tables.run("DELETE FROM radgroupreply WHERE groupname <> 'Plan-20M'")


def device_of(rig: Rig, secret: bytes = SECRET, **options: Any) -> Device:
    return Device.objects.create(
        name="aaa", driver="radius", host=sockets(), username="app", secret=json.dumps({"coa": secret.decode()}),
        options={
            "database": rig.tables.database, "sslmode": "disable", "timeout_seconds": 2, "tries": 1,
            "nas": [{"address": "127.0.0.1", "port": rig.coa_port}], **options,
        },
    )  # fmt: skip


def make(device: Device, level: str, *names: str) -> dict[str, str]:
    return dict(DRIVER.apply(device, [Change(address=n, level=level, list_name=LISTS.get(level, "")) for n in names]))


def test_a_log_in_gets_the_plan_then_the_low_rate_then_the_garden_then_the_plan_again(rig: Rig) -> None:
    device = device_of(rig)
    assert rig.log_in("rosa") == ("accept", PLAN)
    assert make(device, "throttle", "rosa") == {"rosa": NO_SESSION_WORDS}
    slow = {"Mikrotik-Rate-Limit": "512k/1024k", "Framed-Pool": "home", "Class": f"billing:throttle:{SLOW}".encode()}
    assert rig.log_in("rosa") == ("accept", slow)
    make(device, "walled_garden", "rosa")
    how, told = rig.log_in("rosa")
    assert (how, told["Mikrotik-Address-List"], told["Framed-Pool"]) == ("accept", GARDEN, "home")
    make(device, "suspend", "rosa")
    assert rig.log_in("rosa")[1]["Mikrotik-Address-List"] == OFF
    make(device, "open", "rosa")
    assert rig.log_in("rosa") == ("accept", PLAN)


def test_suspended_by_reject_is_rejected_and_let_in_again_after_the_release(rig: Rig) -> None:
    device = device_of(rig, attributes={"suspend": ["reject"]})
    make(device, "suspend", "rosa")
    assert rig.log_in("rosa")[0] == "reject"
    device.options |= {"attributes": {}}
    make(device, "suspend", "rosa")
    assert rig.log_in("rosa")[0] == "accept"
    make(device, "open", "rosa")
    assert rig.log_in("rosa") == ("accept", PLAN)


def test_what_the_driver_refuses_as_without_effect_truly_is_without_effect(rig: Rig) -> None:
    device = device_of(rig, fall_through=False)
    rig.tables.run("UPDATE radgroupreply SET op = ':='")
    try:
        make(device, "throttle", "rosa")
        assert rig.log_in("rosa")[1]["Mikrotik-Rate-Limit"] == "512k/1024k"
        rig.tables.run("UPDATE radgroupreply SET value = 'Yes' WHERE attribute = 'Fall-Through'")
        assert rig.log_in("rosa")[1]["Mikrotik-Rate-Limit"] == "5M/20M"
        assert DRIVER.read(device, ["rosa"])["rosa"] == Held(level="throttle", list_name=f"{SLOW}, no effect")
        device.options |= {"fall_through": True}
        with pytest.raises(Rejected, match="takes the place of ours"):
            make(device, "throttle", "rosa")
    finally:
        rig.tables.run("UPDATE radgroupreply SET op = '='")


def test_a_running_session_is_ended_and_comes_back_with_the_group_that_accounting_then_tells(rig: Rig) -> None:
    device = device_of(rig)
    rig.start_session("rosa", "s1")
    assert make(device, "throttle", "rosa") == {}
    assert rig.tables.run("SELECT acctstoptime IS NOT NULL FROM radacct") == [(True,)]
    _, told = rig.log_in("rosa")
    rig.start_session("rosa", "s2", told["Class"])
    [(kept,)] = rig.tables.run("SELECT class FROM radacct WHERE acctstoptime IS NULL")
    assert kept, "accounting keeps what the client sends back"
    assert DRIVER.read(device, ["rosa"]) == {"rosa": Held(level="throttle", list_name=SLOW)}
    make(device, "open", "rosa")
    assert rig.tables.run("SELECT count(*) FROM radacct WHERE acctstoptime IS NULL") == [(0,)]
    assert rig.log_in("rosa") == ("accept", PLAN)


def test_a_coa_changes_the_running_session_and_is_refused_by_name_without_what_it_needs(rig: Rig) -> None:
    device = device_of(rig, method="coa")
    rig.start_session("rosa", "s1")
    make(device, "throttle", "rosa")
    assert rig.tables.run("SELECT connectinfo_stop FROM radacct") == [("512k/1024k",)]
    assert DRIVER.read(device, ["rosa"]) == {"rosa": Held(level="throttle", list_name=SLOW)}
    rig.tables.subscriber("hans")
    rig.start_session("hans", "s2")
    with pytest.raises(Rejected, match="hans: Error-Cause 402 Missing-Attribute"):
        make(device, "walled_garden", "hans")
    assert rig.log_in("hans")[1]["Mikrotik-Address-List"] == GARDEN


def test_a_session_that_is_gone_is_no_error_and_a_wrong_secret_is_silence(rig: Rig) -> None:
    device = device_of(rig)
    rig.start_session("rosa", "s1")
    rig.tables.run("UPDATE radacct SET connectinfo_stop = 'gone'")
    assert make(device, "throttle", "rosa") == {"rosa": NO_SESSION_WORDS}
    device.secret = json.dumps({"coa": "wrong"})
    rig.tables.run("UPDATE radacct SET connectinfo_stop = NULL")
    with pytest.raises(OutcomeUnknown, match="wrong shared secret is silence"):
        make(device, "suspend", "rosa")
    assert rig.log_in("rosa")[1]["Mikrotik-Address-List"] == OFF


@pytest.mark.parametrize(
    ("name", "inside"),
    [("o'hara", "o=27hara"), ("zoë ünal", "zoë ünal"), ("semi; --", "semi=3B --"), ("a=b", "a=3Db")],
)
def test_a_name_with_quotes_is_one_name_to_both(rig: Rig, name: str, inside: str) -> None:
    device = device_of(rig)
    rig.tables.subscriber(inside)
    make(device, "throttle", name)
    how, told = rig.log_in(name)
    assert (how, told.get("Mikrotik-Rate-Limit")) == ("accept", "512k/1024k")
    rig.start_session(name, "s1")
    make(device, "suspend", name)
    assert rig.tables.run("SELECT acctstoptime IS NOT NULL FROM radacct") == [(True,)]
    assert DRIVER.read_all(device).ours == {name: Held(level="suspend", list_name=OFF)}
    make(device, "open", name)
    assert rig.tables.members() == {("rosa", "Plan-20M", 1), (inside, "Plan-20M", 1)}


@pytest.mark.parametrize(("mode", "during"), [("closed", "reject"), ("half", "reject"), ("open", "accept")])
def test_with_the_database_away_payers_are_let_in_only_where_both_sections_say_so(
    tmp_path: Path, mode: str, during: str
) -> None:
    with freeradius(tmp_path / "conf", mode) as rig:
        rig.tables.subscriber("rosa")
        device = device_of(rig)
        assert rig.log_in("rosa")[0] == "accept"
        with rig.database_down():
            assert rig.log_in("rosa")[0] == during
            with pytest.raises(Unavailable):
                make(device, "throttle", "rosa")
        make(device, "throttle", "rosa")
        assert ("rosa", SLOW, -100) in rig.tables.members()


def test_the_probe_says_what_stands_there_and_what_should_be_mended(rig: Rig) -> None:
    device = device_of(rig)
    told = DRIVER.probe(device)
    assert told.version.startswith("PostgreSQL 1")
    assert told.notes == ("List Walled-Garden",) or all("grant" not in note for note in told.notes)
    rig.start_session("rosa", "s1")
    AddressList.objects.filter(name=SLOW).update(rate_down_kbit=None, rate_up_kbit=None)
    rig.tables.reply(OFF, "Filter-Id", "off")
    device.options |= {"nas": [], "priority": 1}
    notes = " ".join(DRIVER.probe(device).notes)
    for words in (
        f"List {SLOW} would restrict nothing", f"Group {OFF} was made by somebody else",
        "Plan-20M is looked at before our groups", "127.0.0.1, which the option", "Accounting keeps no Class",
    ):  # fmt: skip
        assert words in notes
