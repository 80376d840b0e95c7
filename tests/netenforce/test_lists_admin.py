"""Address lists in the back office: a sentence each, what a change would do before it is made, who is followed."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AccountType
from billing_project.kernel.nudge import Nudge
from netenforce.admin.lists import does
from netenforce.models import AddressList, EnforcementTask, Hold, LineState
from netenforce.operations import lists, place_hold
from netenforce.operations.list_effect import effect_of
from netenforce.queries import all_lists
from tests.backoffice import staff_client
from tests.factories import make_account, make_device, make_line, make_status

pytestmark = pytest.mark.django_db

ADD = "admin:netenforce_addresslist_add"


@pytest.fixture
def client() -> Client:
    return staff_client()


def form(**fields: Any) -> dict[str, Any]:
    return {"name": "Off", "level": "suspend", "position": "100", "cause": "", **fields}


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def make_inactive(number: int) -> int:
    device, inactive = make_device(), make_status("Inactive", activates=False)
    for place in range(number):
        make_line(make_account(status=inactive), f"100.64.{place // 250}.{place % 250 + 1}", device=device)
    return inactive.pk


def test_a_list_is_told_in_one_sentence() -> None:
    made = AddressList.objects.create(
        name="Slow", level="throttle", cause="non_payment", rate_down_kbit=1024, rate_up_kbit=512
    )
    made.account_types.add(AccountType.objects.get_or_create(name="Residential")[0])
    assert does(made) == (
        "Slows lines of Residential accounts restricted for non-payment to 1024/512 kbit/s, on all devices."
    )
    made.devices.add(make_device("edge-1"), make_device("edge-2"))
    made.rate_up_kbit = None
    assert does(made).endswith("to 1024 kbit/s down, not limited up, on edge-1 and edge-2.")
    off = AddressList.objects.create(name="Off", level="suspend", by_account=True)
    off.statuses.add(make_status("Inactive"), make_status("Closed"))
    assert does(off) == (
        "Suspends all lines of accounts with status Closed or Inactive, on all devices, without any step of a policy."
    )


@pytest.mark.parametrize(
    ("fields", "driver", "words"),
    [
        ({"by_account": "on"}, "simulated", "without, it would restrict everybody"),
        ({"level": "throttle"}, "nftables", "A slowed line needs a speed: edge-1 would be told none"),
        ({"by_account": "on", "cause": "abuse"}, "simulated", "needs no other reason"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    client: Client, fields: dict[str, str], driver: str, words: str
) -> None:
    make_device(driver=driver)
    if "cause" in fields:
        fields = {**fields, "statuses": str(make_status().pk)}
    assert words in text(client.post(reverse(ADD), form(**fields)))
    assert not AddressList.objects.filter(name="Off").exists()


def test_a_throttle_whose_speed_the_routers_own_rules_carry_is_saved_and_said_to_be_so(client: Client) -> None:
    make_device("north", driver="routeros", host="192.0.2.1")
    answer = client.post(reverse(ADD), form(level="throttle", position="200"), follow=True)
    made = AddressList.objects.get(name="Off")
    assert "as slow as the rules of north say" in text(answer)
    # Nobody can tell it from the shipped list: the page says so.
    assert "Delinquent-Throttle and Off are for the same lines." in text(answer)
    made.delete()
    assert "To be mended" not in text(client.get(reverse("admin:netenforce_addresslist_changelist")))


def test_a_level_that_no_list_carries_is_said_on_the_page(client: Client) -> None:
    make_line(make_account(), "100.64.0.1", device=make_device("north"))
    AddressList.objects.filter(level="walled_garden").delete()
    page = text(client.get(reverse("admin:netenforce_addresslist_changelist")))
    assert "Device north has lines, and of the lists for lines that are let through to the payment page only" in page


def test_asking_what_would_change_saves_nothing_and_saving_shows_it_first(client: Client) -> None:
    wanted = form(by_account="on", statuses=str(make_inactive(3)))
    page = text(client.post(reverse(ADD), wanted | {"_preview": "1"}))
    assert "3 lines that would be restricted and are open now." in page
    assert '<td>edge-1</td> <td class="desk-right">3</td>' in page
    assert "What this would change" in text(client.post(reverse(ADD), wanted))
    assert not AddressList.objects.filter(name="Off").exists()
    answer = client.post(reverse(ADD), wanted | {"_confirmed": "1"}, follow=True)
    assert "3 accounts were brought in line" in text(answer)
    assert Hold.objects.filter(lifted_at=None, cause="status").count() == 3
    # Saved once more without a change, nothing is asked.
    made = AddressList.objects.get(name="Off")
    page = client.post(reverse("admin:netenforce_addresslist_change", args=[made.pk]), wanted)
    assert page.status_code == 302


def test_above_fifty_lines_their_number_is_typed(client: Client) -> None:
    wanted = form(by_account="on", statuses=str(make_inactive(51)), _confirmed="1")
    for typed in ("", "50", "fifty-one"):
        page = text(client.post(reverse(ADD), wanted | {"typed_count": typed}))
        assert "Type 51, the number of lines that would be restricted" in page
    assert not Hold.objects.exists()
    assert client.post(reverse(ADD), wanted | {"typed_count": "51"}).status_code == 302
    assert Hold.objects.count() == 51


def test_many_accounts_are_left_to_a_worker(
    client: Client, monkeypatch: pytest.MonkeyPatch, nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr("netenforce.admin.lists.CHUNK", 2)
    wanted = form(by_account="on", statuses=str(make_inactive(3)), _confirmed="1")
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse(ADD), wanted, follow=True)
    assert ("netenforce.follow_lists", ()) in nudges
    assert "3 accounts are brought in line now" in text(answer)
    assert not Hold.objects.exists()
    monkeypatch.setattr(lists, "CHUNK", 2)
    assert lists.follow_everybody() == 3
    assert Hold.objects.count() == 3


def test_a_renamed_list_takes_its_lines_along(client: Client) -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    place_hold(account_id=account.pk, cause="abuse", cause_key="a", level="suspend", why="spam")
    EnforcementTask.objects.update(state="confirmed")
    LineState.objects.update(observed_level="suspend", observed_list="Suspended")
    shipped = AddressList.objects.get(level="suspend")
    address = reverse("admin:netenforce_addresslist_change", args=[shipped.pk])
    page = text(client.post(address, form(name="Blocked")))
    assert "some would be held by another list of their level" in page
    client.post(address, form(name="Blocked", _confirmed="1"))
    order = EnforcementTask.objects.get(state="queued")
    assert (order.level, order.list_name, order.restores) == ("suspend", "Blocked", False)


def test_a_new_speed_is_told_to_devices_that_do_not_know_it_themselves(client: Client) -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device("nft", driver="nftables", host="192.0.2.1"))
    place_hold(account_id=account.pk, cause="abuse", cause_key="a", level="throttle", why="spam")
    EnforcementTask.objects.update(state="confirmed")
    LineState.objects.update(observed_level="throttle", observed_list="Delinquent-Throttle")
    shipped = AddressList.objects.get(level="throttle")
    address = reverse("admin:netenforce_addresslist_change", args=[shipped.pk])
    sent = form(name=shipped.name, level="throttle", rate_down_kbit="2048", rate_up_kbit="512")
    assert "1 lines are told the new speed" in text(client.post(address, sent, follow=True))
    order = EnforcementTask.objects.get(state="queued")
    assert (order.line, order.level, order.restores, order.list_name) == (line, "throttle", False, shipped.name)


def test_who_may_only_look_changes_nothing(client: Client) -> None:
    from tests.factories import make_staff

    client.force_login(make_staff("looker", "view_addresslist"))
    assert client.post(reverse(ADD), form(_preview="1")).status_code == 403


def test_an_effect_costs_the_same_for_many_lines_as_for_few() -> None:
    inactive = make_inactive(5)
    view = all_lists()[0]
    changed = type(view)(name="Off", level="suspend", by_account=True, status_ids=frozenset({inactive}))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            effect_of(changed)
        return len(captured)

    few = queries()
    device = LineState.objects.count()
    for place in range(40):
        make_line(make_account(status=make_status("Inactive")), f"100.65.0.{place + 1}")
    assert (queries(), device) == (few, 0)
    effect = effect_of(changed)
    assert effect.restricted == 45
    assert [(row.device, row.into) for row in effect.by_device] == [("edge-1", 5)]
