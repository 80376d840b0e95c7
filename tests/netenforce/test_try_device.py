"""try_device: an operator sees step by step whether a device does what the driver promises."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, load_command_class

from billing_project.kernel.command import BadArguments, Command
from billing_project.kernel.errors import Refused
from netenforce.models import Device, SimulatedEntry
from tests.factories import make_account, make_device, make_line
from tests.peers.radius_tables import operator, sockets
from tests.peers.routeros_fake import RouterFake, running
from tests.peers.routeros_fake_books import EVERYTHING, V4

pytestmark = pytest.mark.django_db

SECRET = "s3cret-Zürich"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[RouterFake]:
    with running(tmp_path / "log") as found:
        make_device(
            "edge", driver="routeros", host="127.0.0.1", port=found.port, username="billing", secret=SECRET,
            options={"tls": False}, enabled=False,
        )  # fmt: skip
        yield found


def run(*args: str, **options: Any) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    command = load_command_class("netenforce", "try_device")
    assert isinstance(command, Command)
    call_command(command, *args, stdout=out, stderr=err, **options)
    return command.exit_code, out.getvalue(), err.getvalue()


def steps() -> tuple[int, list[dict[str, Any]]]:
    code, out, _ = run("edge", json=True)
    return code, json.loads(out)["steps"]


def test_a_good_router_passes_every_step_and_holds_what_it_held_before(fake: RouterFake) -> None:
    fake.router.put(V4, list="Suspended", address="198.51.100.1", comment="by hand", dynamic="false")
    before = dict(fake.router.tables[V4])
    code, out, _ = run("edge")
    assert code == 0
    assert out.count("good") == len(out.splitlines()) - 1
    for words in (
        "version 7.18.2", "192.0.2.254, 2001:db8:ffff:ffff::254: suspend", "make them walled_garden",
        "it holds what it held before", "edge does all that is asked of it.",
    ):  # fmt: skip
        assert words in out
    assert SECRET not in out
    assert fake.router.tables[V4] == before


def test_a_router_that_pretends_is_found_out_and_the_trial_stops_there(fake: RouterFake) -> None:
    fake.router.ignores = True
    code, found = steps()
    assert code == 1
    assert [step["good"] for step in found] == [True, True, True, False, True]
    assert "should hold throttle" in found[-2]["seen"]


def test_a_user_with_too_few_rights_is_told_which_are_lacking(fake: RouterFake) -> None:
    fake.router.users["billing"] = (SECRET, EVERYTHING - {"write"})
    code, _, err = run("edge")
    assert code == 1
    assert "policies api, read and write" in err


def test_an_answer_that_is_lost_leaves_nothing_behind(fake: RouterFake) -> None:
    fake.inject("drop_after", after=2)
    assert steps()[0] == 1
    assert fake.router.tables[V4] == {}


def test_a_router_that_already_holds_the_trial_address_is_left_alone(fake: RouterFake) -> None:
    fake.router.put(V4, list="Suspended", address="192.0.2.254", comment="billing:suspend", dynamic="false")
    code, found = steps()
    assert (code, len(found), found[-1]["good"]) == (1, 3, False)
    assert len(fake.router.tables[V4]) == 1


def test_an_address_of_a_line_is_never_tried_with(fake: RouterFake) -> None:
    make_line(make_account(), "203.0.113.8/29")
    with pytest.raises(Refused, match=r"203\.0\.113\.9 is a line of account"):
        run("edge", address=["203.0.113.9"])
    with pytest.raises(BadArguments, match="is no IP address"):
        run("edge", address=["nonsense"])
    assert fake.connections == 0


def test_a_device_of_another_kind_is_tried_the_same_way() -> None:
    make_device("edge")
    assert steps()[0] == 0
    assert not SimulatedEntry.objects.exists()
    Device.objects.update(options={"down": True})
    assert steps()[0] == 1


def test_radius_tables_are_tried_with_a_user_name_of_nobody() -> None:
    make_line(make_account(), radius_username="rosa")
    with operator() as tables:
        make_device(
            "aaa", driver="radius", host=sockets(), username="app", enabled=False,
            options={"database": tables.database, "schema": tables.schema, "sslmode": "disable"},
        )  # fmt: skip
        code, out, _ = run("aaa")
        assert code == 0, out
        assert "trial@billing.invalid: suspend" in out
        assert tables.members() == set()
        with pytest.raises(Refused, match="rosa is a line of account"):
            run("aaa", address=["rosa"])
        with pytest.raises(BadArguments, match="control characters"):
            run("aaa", address=["a\tb"])


def test_an_unknown_device_is_refused_in_words() -> None:
    with pytest.raises(Refused, match="no device named 'nowhere'"):
        run("nowhere")
