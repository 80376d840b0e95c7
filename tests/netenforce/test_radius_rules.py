"""The pure rules of RADIUS: options, groups, what a session has, and what a subscriber is by all of that."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing_project.kernel.errors import Refused
from netenforce.rules.desired import NOTHING, Held
from netenforce.rules.lists import ListView
from netenforce.rules.options import check_options
from netenforce.rules.radius_groups import (
    Membership,
    Rights,
    Row,
    Tables,
    as_asked,
    as_meant,
    checks_of,
    mark_of,
    mend,
    replies_of,
    rights_of,
    username_fault,
)
from netenforce.rules.radius_options import parse_options, parse_secrets
from netenforce.rules.radius_sessions import UNKNOWN, Session, Written, cause_words, group_of, seen_of

NOON = datetime(2026, 1, 21, 12, tzinfo=UTC)
SLOW = ListView(name="Slow", level="throttle", rate_down_kbit=1024, rate_up_kbit=512)
OFF = ListView(name="Off", level="suspend")
LEVELS = {"Slow": "throttle", "Off": "suspend"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no JSON object"),
        ({"databse": "x"}, "'databse' is no option of a RADIUS device; it knows database, schema"),
        ({"schema": "a; DROP"}, "'schema' is 'a; DROP'"),
        ({"sslmode": "prefer"}, "choose one of disable, require"),
        ({"sslmode": ["disable"]}, "choose one of disable, require"),
        ({"ca_pem": "nonsense"}, "'ca_pem' holds no certificate"),
        ({"nas": {"address": "10.0.0.1"}}, "'nas' is no list"),
        ({"nas": [{"address": "router"}]}, "'router', which is no IP address"),
        ({"nas": [{"address": "10.0.0.1", "secret": "x"}]}, "each entry has an address"),
        ({"nas": [{"address": "10.0.0.1"}, {"address": "10.0.0.1"}]}, "twice"),
        ({"nas": [{"address": "10.0.0.1", "port": 0}]}, "from 1 to 65535"),
        ({"method": "pod"}, "choose one of disconnect, coa"),
        ({"attributes": {"open": ["Filter-Id"]}}, "a level 'open'"),
        ({"attributes": {"suspend": []}}, "choose from Mikrotik-Rate-Limit"),
        ({"attributes": {"throttle": ["reject"]}}, '"reject" for suspend alone'),
        ({"attributes": {"suspend": ["reject", "Filter-Id"]}}, '"reject" for suspend alone'),
        ({"fall_through": "yes"}, "write true or false"),
        ({"priority": True}, "a whole number"),
        ({"timeout_seconds": 60}, "from 1 to 10"),
        ({"tries": 0}, "from 1 to 5"),
        ({"address_list": "Delinquent"}, "gives two levels one group"),
        ({"address_list": {"slow": "Off"}}, "names a level 'slow'"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_way_to_mend_it(given: Any, words: str) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        check_options("radius", given) if isinstance(given, dict) else parse_options(given)
    assert refusal.value.code == "bad_options"


def test_a_client_is_found_by_the_one_spelling_of_its_address() -> None:
    options = parse_options({"nas": [{"address": "2001:DB8::0001", "port": 1700, "send_to": "10.0.0.1"}]})
    assert options.nas["2001:db8::1"].send_to == "10.0.0.1"
    secrets = parse_secrets('{"database": "p", "coa": {"2001:DB8::1": "own", "*": "all"}}')
    assert (secrets.of("2001:db8::1"), secrets.of("10.0.0.9"), secrets.database) == ("own", "all", "p")
    assert "own" not in repr(secrets)
    assert parse_secrets("").of("10.0.0.9") == ""


@pytest.mark.parametrize(
    "text", ["hunter2", '"hunter2"', '{"db": "hunter2"}', '{"coa": 1}', '{"coa": {"x": "hunter2"}}']
)
def test_a_secret_that_is_not_understood_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Refused, match="write one line of JSON") as refusal:
        parse_secrets(text)
    assert "hunter2" not in refusal.value.words


def test_a_rate_is_written_upload_first_and_without_a_limit_as_nought() -> None:
    options = parse_options({"attributes": {"throttle": ["Mikrotik-Rate-Limit", "WISPr-Bandwidth"]}})
    assert {row.attribute: row.value for row in replies_of(SLOW, options)} == {
        "Mikrotik-Rate-Limit": "512k/1024k", "WISPr-Bandwidth-Max-Down": "1024000", "WISPr-Bandwidth-Max-Up": "512000",
        "Class": "billing:throttle:Slow", "Fall-Through": "Yes",
    }  # fmt: skip
    one = ListView(name="Slow", level="throttle", rate_down_kbit=256)
    assert replies_of(one, parse_options({}))[0].value == "0/256k"


def test_a_list_that_would_restrict_nothing_has_no_group_and_a_reject_falls_nowhere() -> None:
    assert replies_of(ListView(name="Slow", level="throttle"), parse_options({})) == ()
    options = parse_options({"attributes": {"suspend": ["reject"]}})
    assert Row("Off", "Fall-Through", "=", "No") in replies_of(OFF, options)
    assert checks_of(OFF, options) == (Row("Off", "Auth-Type", ":=", "Reject"),)
    assert checks_of(OFF, parse_options({})) == ()


def test_only_groups_that_are_wrong_are_mended() -> None:
    right = Row("Slow", "Class", ":=", "billing:throttle:Slow")
    found = [Row("Slow", "CLASS", ":=", right.value), Row("Slow", "Framed-Pool", "=", "x")]
    assert mend([right], found, ["Class"]) == (set(), [])
    assert mend([right], [right, right], ["Class"]) == ({"Slow"}, [right])
    assert mend([right], [], ["Class"]) == ({"Slow"}, [right])


@pytest.mark.parametrize(
    ("members", "replies", "stops", "words"),
    [
        ([("Plan", 1)], [], False, ""),
        ([("Plan", 1)], [Row("Plan", "mikrotik-rate-limit", ":=", "9M")], False, "group Plan sets mikrotik-rate-limit"),
        ([("Plan", 1)], [Row("Plan", "Mikrotik-Rate-Limit", "+=", "9M")], False, "group Plan sets"),
        ([("Plan", 1)], [Row("Plan", "Framed-Pool", ":=", "home")], False, ""),
        ([("Plan", -100)], [], False, "group Plan has priority -100"),
        ([], [], True, "radreply"),
    ],
)
def test_what_defeats_our_group_is_named(members: list[Any], replies: list[Row], stops: bool, words: str) -> None:
    tables = Tables(
        members=(Membership("rosa", "Slow", -100), *(Membership("rosa", *one) for one in members)),
        replies=(*replies_of(SLOW, parse_options({})), *replies),
        stops=frozenset({"rosa"} if stops else ()),
    )
    found = rights_of(["rosa", "hans"], tables, LEVELS, -100)
    assert words in found["rosa"].defeated_by
    assert bool(words) == bool(found["rosa"].defeated_by)
    assert found["rosa"].group == ("" if words else "Slow")
    assert found["hans"] == Rights()


def session(**fields: Any) -> Session:
    return Session(**({"key": "k1", "id": "1", "username": "rosa", "nas": "10.0.0.1", "began_at": NOON} | fields))


@pytest.mark.parametrize(
    ("fields", "rows", "answers", "written", "group"),
    [
        ({}, "", {}, None, ""),
        ({}, "Slow", {}, None, UNKNOWN),
        ({}, "Slow", {"k1": "Off"}, None, "Off"),
        ({"session_class": "billing:suspend:Off"}, "Slow", {}, None, "Off"),
        ({"session_class": "billing:suspend:Off"}, "Slow", {"k1": "Slow"}, None, "Slow"),
        ({"session_class": "0x6f776e"}, "Slow", {}, ("Slow", "", -1), "Slow"),
        ({}, "Slow", {}, ("Slow", "Off", 1), "Off"),
        ({}, "Slow", {}, ("Slow", "Off", 0), "Off"),
        ({"began_at": None}, "Slow", {}, ("Slow", "", -1), ""),
        ({}, "", {}, ("Slow", "", -1), UNKNOWN),
    ],
)
def test_what_a_session_has(
    fields: dict[str, Any], rows: str, answers: dict[str, str], written: tuple[str, str, int] | None, group: str
) -> None:
    known = written and Written(group=written[0], before=written[1], at=NOON + timedelta(minutes=written[2]))
    assert group_of(session(**fields), rows, answers, known or None) == group


@pytest.mark.parametrize(
    ("ours", "sessions", "shown"),
    [
        ((), [], NOTHING),
        (("Slow",), [], Held(level="throttle", list_name="Slow")),
        (("Slow",), ["Slow", "Slow"], Held(level="throttle", list_name="Slow")),
        (("Slow",), ["Slow", ""], Held(level="throttle", list_name="Slow, at next log-in")),
        (("Slow",), ["Off"], Held(level="suspend", list_name="Off, until log-off")),
        ((), ["Slow"], Held(level="throttle", list_name="Slow, until log-off")),
        ((), [UNKNOWN], Held(level="throttle", list_name="?, until log-off")),
        (("Off", "Slow"), [], Held(level="suspend", list_name="Off, more than once")),
    ],
)
def test_a_line_is_only_what_the_rows_and_every_session_say(
    ours: tuple[str, ...], sessions: list[str], shown: Held
) -> None:
    assert seen_of(Rights(ours=ours), sessions, LEVELS) == shown
    if "," in shown.list_name:
        wanted = (NOTHING, *(Held(level=level, list_name=name) for name, level in LEVELS.items()))
        assert not any(shown.agrees(one) for one in wanted)


def test_marks_and_names_are_read_as_they_were_written() -> None:
    assert mark_of("billing:suspend:Off") == mark_of("0x" + b"billing:suspend:Off".hex()) == Held(
        level="suspend", list_name="Off"
    )  # fmt: skip
    assert mark_of("billing:open:x") is mark_of("0xzz") is mark_of("0xff") is mark_of("") is None
    for name in ("o'hara", "a=27b", "zoë", "a%b", "=", "=="):
        assert as_meant(as_asked(name)) == name
    assert as_asked("o'hara@isp.example") == "o=27hara@isp.example"
    assert username_fault("東" * 64) == ""
    assert "longer than RADIUS can carry" in username_fault("東" * 85)


def test_a_refusal_is_named_and_an_unknown_one_keeps_its_number() -> None:
    assert cause_words(503).startswith("Error-Cause 503 Session-Context-Not-Found")
    assert cause_words(599) == "Error-Cause 599."
    assert "no reason" in cause_words(None)
