"""Filters of lists kept as queues: two clicks to keep one, a count each, an address each, and an honest word later."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import SavedFilter
from tests.factories import make_account, make_staff, make_status

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/account/"


def browser(name: str = "ann", *permissions: str) -> Client:
    client = Client()
    client.force_login(make_staff(name, "view_account", *permissions))
    return client


def keep(client: Client, name: str, query: str, **more: str) -> Any:
    return client.post(f"{LIST}filters/", {"do": "keep", "name": name, "query": query, **more})


@pytest.fixture
def gone() -> str:
    """Return the filter of a status that two of three accounts have."""
    status = make_status("Gone", activates=False)
    for number in range(3):
        make_account(number=f"3000{number}", **({"status": status} if number else {}))
    return f"status__id__exact={status.pk}"


def test_a_filter_is_kept_from_its_list_and_shown_there_with_its_count(gone: str) -> None:
    client = browser()
    page = client.get(f"{LIST}?{gone}")
    assert b'value="status: Gone"' in page.content, "a name is suggested"
    answer = keep(client, "Lost ones", f"{gone}&p=2")
    assert (answer.status_code, answer["Location"]) == (303, f"{LIST}?{gone}")
    again = client.get(LIST).content.decode()
    assert f'href="{LIST}?{gone}"' in again
    assert "Lost ones <strong>2</strong>" in again
    assert 'aria-current="true"' in client.get(f"{LIST}?{gone}").content.decode()
    assert b"Save this filter" not in client.get(LIST).content, "there is nothing to keep"


def test_the_same_name_is_one_queue(gone: str) -> None:
    client = browser()
    keep(client, "Mine", gone)
    keep(client, "Mine", "q=30001")
    assert [(row.name, row.query) for row in SavedFilter.objects.all()] == [("Mine", "q=30001")]
    keep(client, " ", gone)
    assert SavedFilter.objects.count() == 1


def test_private_ones_are_their_makers_and_sharing_needs_its_permission(gone: str) -> None:
    ann, bob = browser(), browser("bob", "share_savedfilter")
    keep(ann, "Anns own", gone)
    assert b"Anns own" not in bob.get(LIST).content
    assert keep(ann, "For all", gone, shared="1").status_code == 403
    keep(bob, "For all", gone, shared="1")
    assert b"For all" in ann.get(LIST).content
    shared, own = SavedFilter.objects.get(shared=True), SavedFilter.objects.get(shared=False)
    assert ann.post(f"{LIST}filters/", {"do": "delete", "pk": shared.pk}).status_code == 403
    bob.post(f"{LIST}filters/", {"do": "delete", "pk": own.pk})
    ann.post(f"{LIST}filters/", {"do": "delete", "pk": own.pk})
    bob.post(f"{LIST}filters/", {"do": "unshare", "pk": shared.pk})
    assert [(row.name, row.shared) for row in SavedFilter.objects.all()] == [("For all", False)]
    assert Client().post(f"{LIST}filters/", {"do": "delete", "pk": shared.pk}).status_code == 302
    assert SavedFilter.objects.count() == 1


def test_somebody_who_may_not_see_the_list_keeps_nothing() -> None:
    client = Client()
    client.force_login(make_staff("eve"))
    assert keep(client, "x", "q=1").status_code == 403
    assert client.get(f"{LIST}filters/").status_code == 403


def test_a_filter_that_the_list_no_longer_knows_is_said_so_and_breaks_nothing(gone: str) -> None:
    client = browser()
    keep(client, "Old", "color__exact=red")
    keep(client, "Fine", gone)
    page = client.get(LIST)
    assert page.status_code == 200
    assert b"not understood any more" in page.content
    listed = client.get(f"{LIST}filters/").content.decode()
    assert "no longer knows this filter" in listed


def test_each_count_is_one_query_whatever_the_rows(gone: str) -> None:
    client = browser()

    def asked() -> int:
        client.get(LIST)
        with CaptureQueriesContext(connection) as found:
            assert client.get(LIST).status_code == 200
        return len(found)

    none = asked()
    keep(client, "One", gone)
    one = asked()
    assert one - none == 1
    keep(client, "Two", f"{gone}&standing=parked")
    assert asked() - one == 1
    for number in range(9):
        make_account(number=f"4000{number}")
    assert asked() - one == 1


def test_the_page_of_kept_filters_says_what_to_do_when_there_are_none() -> None:
    page = browser().get(f"{LIST}filters/").content
    assert b"No saved filters yet" in page
    assert reverse("admin:accounts_account_changelist").encode() in page
