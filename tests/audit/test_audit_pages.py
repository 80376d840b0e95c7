"""The pages of the audit record: who sees them, what they say, and that they stay quick."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.audit.checks import run_checks
from accounts.audit.sealing import head, seal_entries
from accounts.models import AccountType, AuditCheck, AuditEntry, User
from accounts.operations import change_status
from billing_project.kernel import acting
from delinquency.roles import ensure_roles
from tests.backoffice import queries_for, staff_client
from tests.factories import make_account, make_contact, make_status

from .tampering import as_owner, as_shipped, sql

pytestmark = pytest.mark.django_db
LIST, WHOLE = "/admin/accounts/auditentry/", "/admin/accounts/auditentry/whole/"


@pytest.fixture(autouse=True)
def roles() -> None:
    """Give the shipped groups what the table says."""
    ensure_roles()


def client_of(role: str) -> Client:
    """Return a browser in which a member of a role is logged in."""
    user = User.objects.create_user(role.lower().replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def text(client: Client, address: str) -> str:
    """Return a page's text."""
    response = client.get(address)
    assert response.status_code == 200, address
    return " ".join(response.content.decode().split())


def test_the_list_says_who_did_what_with_names_instead_of_keys() -> None:
    client, account = staff_client(), make_account(number="10007")
    active, away = account.status, make_status("Away", activates=False)
    with acting.as_described(lambda: {"by": "ann", "at": "POST /admin/x/", "mark": "m1"}):
        change_status(account, away, reason="asked by phone")
    page = text(client, f"{LIST}?account={account.pk}&what=accounts_account")
    for words in (f"{active} → Away", "ann", "POST /admin/x/", "asked by phone", f"account {account.pk}", "10007"):
        assert words in page
    entry = AuditEntry.objects.filter(table="accounts_account").first()
    assert entry is not None
    page = text(client, f"{LIST}{entry.pk}/change/")
    for words in ("<td>Active</td>", "<td>Away</td>", "asked by phone", "Not sealed yet", "?mark=m1"):
        assert words in page
    seal_entries()
    assert "Sealed as link" in text(client, f"{LIST}{entry.pk}/change/")


def test_every_filter_and_search_narrows_the_list() -> None:
    client, account, other = staff_client(), make_account(number="10007"), make_account(number="10008")
    boss = User.objects.get(username="boss")
    with acting.as_described(lambda: {"by": "boss", "by_id": boss.pk, "mark": "m7"}):
        make_contact(account)
    with acting.as_program("task x"), acting.because("storm over the lake"):
        make_contact(other)
    sql("UPDATE accounts_account SET parked_why = 'x' WHERE id = %s", other.pk)
    for asked, has, lacks in (
        (f"who={boss.pk}", "10007", "10008"),
        ("who=people&what=accounts_contact", "10007", "10008"),
        ("who=system&what=accounts_contact", "10008", "10007"),
        ("who=database&act__exact=changed", "10008", "10007"),
        ("q=10007", "10007", "10008"),
        ("q=lake", "10008", "10007"),
        ("mark=m7", "10007", "10008"),
        (f"account={other.pk}", "10008", "10007"),
    ):
        page = text(client, f"{LIST}?{asked}")
        rows = page.partition("<tbody")[2]
        assert has in rows, asked
        assert lacks not in rows, asked
    assert "10007" not in text(client, f"{LIST}?day=2020-01-31").partition("<tbody")[2]


def test_personal_values_are_not_on_any_page() -> None:
    client, account = staff_client(), make_account()
    make_contact(account, email="ada@customer.example")
    entry = AuditEntry.objects.filter(table="accounts_contact").first()
    assert entry is not None
    page = text(client, f"{LIST}{entry.pk}/change/")
    assert "(not shown)" in page
    assert "ada@" not in page + text(client, LIST)


def test_the_list_asks_as_often_for_many_rows_as_for_few() -> None:
    client, account = staff_client(), make_account()
    AuditEntry.objects.count()
    statuses = [make_status(f"S{number}") for number in range(12)]
    for status in statuses[:3]:
        change_status(account, status, reason="x")
    few = queries_for(client, f"{LIST}?what=accounts_account")
    for status in statuses[3:]:
        change_status(make_account(), status, reason="x")
    assert queries_for(client, f"{LIST}?what=accounts_account") == few
    assert few < 25


@pytest.mark.parametrize(
    ("role", "sees", "checks"),
    [
        ("Administrators", True, True),
        ("Billing managers", True, True),
        ("Billing clerks", False, False),
        ("Support", False, False),
        ("Auditors", True, True),
    ],
)
def test_who_may_see_the_record_and_have_it_checked(role: str, sees: bool, checks: bool) -> None:
    client = client_of(role)
    entry = AuditEntry.objects.first()
    assert entry is not None
    for address in (LIST, WHOLE, f"{LIST}{entry.pk}/change/", f"{LIST}{entry.pk}/history/"):
        assert client.get(address).status_code == (200 if sees else 403), address
    assert client.post(WHOLE).status_code == (303 if checks else 403)
    assert AuditCheck.objects.count() == checks
    for address in (f"{LIST}add/", f"{LIST}{entry.pk}/delete/"):
        assert client.get(address).status_code == 403
    assert client.post(f"{LIST}{entry.pk}/change/", {"by": "me"}).status_code == 403


def test_the_page_about_the_whole_record_shows_head_checks_and_what_is_broken() -> None:
    as_shipped()
    client = staff_client()
    with as_owner():
        sql("DELETE FROM accounts_auditentry")
    assert "Nothing is sealed yet" in text(client, WHOLE)
    assert "Nobody has had the record checked yet" in text(client, WHOLE)
    AccountType.objects.create(name="A")
    seal_entries()
    client.post(WHOLE)
    assert client.get(WHOLE)["Refresh"] == f"3; url={WHOLE}?look=1"
    assert "A check is under way" in text(client, WHOLE)
    assert run_checks() == 1
    page = text(client, WHOLE)
    end = head()
    assert end is not None
    assert end.hash in page
    assert "the record is whole" in page
    assert not client.get(WHOLE).has_header("Refresh")
    with as_owner():
        sql("UPDATE accounts_auditentry SET by = 'me'")
    client.post(WHOLE)
    run_checks()
    assert "is not what was sealed." in text(client, WHOLE)
