"""An evidence pack that is too large for a page is made by a task, and lies ready for whoever asked for it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts import exports
from accounts.models import Account, DataExport, User
from accounts.tasks import report_exports
from billing_project.kernel import clock
from tests.backoffice import make_everything
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
RIGHTS = ("view_account", "make_evidence_pack", "view_dataexport")


@pytest.fixture
def account(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return an account whose pack is too large for a page."""
    settings.EXPORT_ROOT = tmp_path / "exports"
    monkeypatch.setattr("delinquency.evidence.pack.ROWS_MAX", 3)
    return make_everything()


@pytest.fixture
def asker(account: Account) -> User:
    """Return who has asked for a pack of the account."""
    user = make_staff("ada", *RIGHTS)
    sent = {"first": "2026-01-01", "last": str(clock.today(account.timezone)), "form": "json"}
    answer = _in(user).post(f"/admin/accounts/account/{account.pk}/evidence_pack/", sent, follow=True)
    assert "lies here for seven days" in answer.content.decode()
    return user


def _in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_it_is_made_by_the_task_and_fetched_by_its_asker_alone(account: Account, asker: User) -> None:
    row = DataExport.objects.latest("pk")
    assert (row.state, row.asked_by, row.with_contacts) == ("waiting", asker, True)
    assert report_exports() > 3
    row.refresh_from_db()
    assert (row.state, row.rows_done) == ("ready", row.rows_total)
    page = f"/admin/accounts/dataexport/{row.pk}/file/"
    made = b"".join(_in(asker).get(page).streaming_content)  # type: ignore[attr-defined]
    assert json.loads(made)["account"] == account.number
    assert _in(make_staff("eve", *RIGHTS)).get(page).status_code == 403
    asker.user_permissions.clear()
    asker.user_permissions.add(*make_staff("x", "view_dataexport").user_permissions.all())
    assert _in(User.objects.get(pk=asker.pk)).get(page).status_code == 403


def test_its_file_is_deleted_after_seven_days(asker: User) -> None:
    report_exports()
    row = DataExport.objects.latest("pk")
    assert exports.path_of(row).is_file()
    with clock.at(clock.now() + timedelta(days=7, minutes=1)):
        report_exports()
    row.refresh_from_db()
    assert (row.state, exports.path_of(row).exists()) == ("gone", False)


def test_what_cannot_be_made_says_why(asker: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delinquency.evidence.large.ROWS_MOST", 4)
    assert report_exports() == 0
    row = DataExport.objects.latest("pk")
    assert row.state == "failed"
    assert "a pack holds 4; choose fewer days" in row.why


def test_who_lost_the_right_meanwhile_gets_none(asker: User) -> None:
    asker.user_permissions.clear()
    assert report_exports() == 0
    assert "may not make evidence packs any more" in DataExport.objects.latest("pk").why


def test_a_list_is_not_taken_out_as_a_pack_is() -> None:
    client = _in(make_staff("ada", "view_account", "export_data"))
    assert 'value="pdf"' not in client.get("/admin/accounts/account/export/").content.decode()
