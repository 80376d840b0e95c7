"""S21's second scenario: the switch after seven days ends service by an address list, and payment gives it back."""

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, ServiceLine
from accounts.operations import change_status
from delinquency.imports import accounts, devices
from delinquency.operations.effects import Effects, StatusChange
from delinquency.operations.paying import no_window_for
from netenforce.models import AddressList, EnforcementTask, Hold, LineState, PaymentWindow
from netenforce.operations import end_window, open_window
from tests.csv_files import ACCOUNT, DEVICE, Files
from tests.factories import make_account, make_device, make_line, make_status
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _catch_all() -> None:
    """Have a list take all whose status ends service."""
    made = AddressList.objects.create(name="No-Service", level="suspend", by_account=True)
    made.statuses.add(make_status("Delinquent", activates=False), make_status("Inactive", activates=False))


def test_the_switch_suspends_a_window_opens_it_for_paying_and_payment_frees_it_at_once() -> None:
    story = Story(sonar(steps=[]), first_bill_on="2026-01-01", sends=True)
    line = make_line(story.account, "100.64.0.1", device=make_device())
    story.days("2026-01-01", "2026-01-28")
    hold = Hold.objects.get(lifted_at=None)
    assert (hold.cause, hold.why, hold.paying_ends) == ("status", "Account status Delinquent: list No-Service", True)
    assert LineState.objects.get(line=line).desired_level == "suspend"
    with story.now("2026-01-29 10:00"):
        assert no_window_for(story.account) is None
        open_window(account_id=story.account.pk, key="k", scope="s", why="pays")
        assert LineState.objects.get(line=line).desired_level == "open"
        end_window(story.account.pk, how=PaymentWindow.Ended.LEFT)
        assert LineState.objects.get(line=line).desired_level == "suspend"
    story.pays("2026-01-29 14:10", "100.00")
    story.days("2026-01-29")
    assert not Hold.objects.filter(lifted_at=None).exists()
    assert LineState.objects.get(line=line).desired_level == "open"


def test_a_status_that_a_clerk_set_is_not_ended_by_paying() -> None:
    story = Story(sonar(steps=[]), first_bill_on="2026-01-01")
    make_line(story.account, "100.64.0.1", device=make_device())
    story.days("2026-01-01", "2026-01-28")
    with story.now("2026-01-29 10:00"):
        change_status(story.account, make_status("Inactive"), reason="moved out")
    hold = Hold.objects.get(lifted_at=None)
    assert (hold.why, hold.paying_ends) == ("Account status Inactive: list No-Service", False)


def test_many_switches_cost_what_one_does_for_the_network() -> None:
    delinquent = make_status("Delinquent")
    chunk = [make_account() for _ in range(9)]
    for number, account in enumerate(chunk):
        make_line(account, f"100.64.0.{number + 1}", device=None)

    def queries(rows: list[Account]) -> int:
        effects = Effects()
        for account in rows:
            change = StatusChange(
                account=account, name="Delinquent", status=delinquent, reason="S12", at=account.status_since_at
            )
            effects.statuses.append(change)
        with CaptureQueriesContext(connection) as captured:
            effects.write()
        return sum("netenforce_" in query["sql"] for query in captured)

    assert queries(chunk[:1]) == queries(chunk[1:])
    assert Hold.objects.filter(lifted_at=None).count() == 9


def test_an_import_places_lines_on_several_devices_and_follows_the_lists(tmp_path: Path) -> None:
    write = Files(tmp_path)
    devices.import_devices(write("devices", DEVICE, DEVICE | {"name": "south"}, DEVICE | {"name": "a;b"}))
    row = ACCOUNT | {"status": "Inactive", "ipv4": "100.64.0.7", "device": "north; south"}
    accounts.import_accounts(write("accounts", row))
    line = ServiceLine.objects.get()
    assert set(line.placements.values_list("device__name", flat=True)) == {"north", "south"}
    assert set(EnforcementTask.objects.values_list("device__name", "level")) == {
        ("north", "suspend"), ("south", "suspend"),
    }  # fmt: skip
    assert accounts.import_accounts(write("accounts", row | {"device": "south;north"})).unchanged == 1
    assert accounts.import_accounts(write("accounts", row | {"device": ""})).unchanged == 1
    assert accounts.import_accounts(write("accounts", row | {"device": "a;b"})).updated == 1
    assert list(line.placements.values_list("device__name", flat=True)) == ["a;b"]


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ({"device": "north;east"}, "device", "names 'east', which is no device; use"),
        ({"device": "east"}, "device", "is no device; use"),
        ({"ipv4": "192.0.2.10"}, "ipv4", "address of device north"),
        ({"ipv4": "224.0.0.5"}, "ipv4", "multicast"),
        ({"ipv4": "0.0.0.0/0"}, "ipv4", "wider than one customer's line"),
    ],
)
def test_an_import_refuses_devices_that_are_none_and_addresses_that_are_ours(
    tmp_path: Path, cells: dict[str, str], column: str, words: str
) -> None:
    write = Files(tmp_path)
    devices.import_devices(write("devices", DEVICE | {"host": "192.0.2.10"}))
    found = accounts.import_accounts(write("accounts", ACCOUNT | {"ipv4": "100.64.0.7"} | cells))
    assert [problem.column for problem in found.problems] == [column]
    assert words in found.problems[0].message
