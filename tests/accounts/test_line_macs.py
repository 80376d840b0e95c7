"""The MAC of a line: taken in any writing, kept in one, on one account alone."""

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import ServiceLine
from tests.backoffice import staff_client
from tests.factories import make_account

pytestmark = pytest.mark.django_db
MAC = "4c:5e:0c:12:ab:9f"


def sent(account_id: int, mac: str) -> dict[str, str]:
    """Return what the form of a line sends."""
    return {
        "account": str(account_id), "label": "Internet", "ipv4": "", "ipv6": "", "radius_username": "", "mac": mac,
    }  # fmt: skip


def test_the_form_takes_any_writing_and_says_what_is_wrong() -> None:
    client, account, other = staff_client(), make_account(), make_account(number="10024")
    add = "/admin/accounts/serviceline/add/"
    assert "4c:5e:0c:12:ab:9f" in client.get(add).content.decode()
    assert client.post(add, sent(account.pk, "4C5E.0C12.AB9F")).status_code == 302
    assert ServiceLine.objects.get().mac == MAC
    assert "is no MAC: write twelve of" in client.post(add, sent(other.pk, "4c:5e:0c")).content.decode()
    twin = client.post(add, sent(other.pk, "4C-5E-0C-12-AB-9F")).content.decode()
    assert f"a line of account {account.number}; clear it there first" in twin
    assert client.post(add, sent(account.pk, MAC)).status_code == 302
    listed = client.get("/admin/accounts/serviceline/", {"q": "4C5E.0C12.AB9F"}).content.decode()
    assert listed.count(MAC) == 2


def test_the_database_knows_one_writing_only() -> None:
    line = ServiceLine.objects.create(account=make_account(), mac="4C-5E-0C-12-AB-9F")
    line.refresh_from_db()
    assert line.mac == MAC
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_serviceline SET mac = '4C-5E-0C-12-AB-9F' WHERE id = %s", [line.pk])
