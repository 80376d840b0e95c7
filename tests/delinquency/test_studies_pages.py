"""The pages of a study: started by clerks, watched without a script, read by support, taken along as a file."""

import csv
import io
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.sheets import safe_text
from delinquency.models import PolicyVersion, Study
from delinquency.operations import studies
from delinquency.operations.policies import import_version
from delinquency.roles import CLERKS_DO, SUPPORT_DOES
from tests.backoffice import queries_for, staff_client
from tests.factories import instant
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "15.00"}
NOW = instant("2026-04-10 12:00")


def draft(accounts: int = 1) -> PolicyVersion:
    """Make customers who never paid their January invoice, and a draft of their policy that is stricter."""
    for number in range(1001, 1001 + accounts):
        story = Story(sonar(), number=str(number))
        story.owes(f"A-{number}", "2026-01-01", "100.00")
    policy = story.account.standing.policy_version.policy
    return import_version(sonar(grace_days=1, steps=[*sonar()["steps"], FEE]), policy=policy)


def done(version: PolicyVersion, kind: str = "backtest") -> Study:
    """Start a study and let a worker do it."""
    with clock.at(NOW):
        if kind == "backtest":
            study = studies.start_backtest(version, from_on=date(2026, 1, 1), to_on=date(2026, 3, 31))
        else:
            study = studies.start_thirty_days(version)
        studies.run_studies()
    study.refresh_from_db()
    assert study.state == "done", study.error
    return study


def page_of(client: Client, study: Study, query: str = "") -> str:
    """Return the study's page."""
    response = client.get(reverse("admin:delinquency_study_change", args=[study.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def somebody(*codenames: str) -> Client:
    """Return a browser of a member of staff with some permissions."""
    user = User.objects.create(username="somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def test_a_clerk_starts_a_backtest_of_the_last_twelve_full_months() -> None:
    version = draft()
    client = somebody("view_policyversion", "view_study", *CLERKS_DO)
    address = reverse("admin:delinquency_policyversion_study_backtest", args=[version.pk])
    with clock.at(NOW):
        form = client.get(address).content.decode()
        assert 'value="2025-04-01"' in form
        assert 'value="2026-03-31"' in form
        assert "does not predict how customers would have behaved" in form
        response = client.post(
            address, {"from_on": "2025-04-01", "to_on": "2026-03-31", "scope": "policy", "against": ""}
        )
    study = Study.objects.get()
    assert response["Location"] == reverse("admin:delinquency_study_change", args=[study.pk])
    assert (study.kind, study.scope, study.requested_by.username) == ("backtest", "policy", "somebody")


def test_what_is_refused_is_said_on_the_form() -> None:
    version, client = draft(), staff_client()
    address = reverse("admin:delinquency_policyversion_study_backtest", args=[version.pk])
    sent = {"from_on": "2026-03-31", "to_on": "2026-01-01", "scope": "all", "against": ""}
    assert "give the earlier first" in client.post(address, sent).content.decode()
    assert not Study.objects.exists()


def test_support_may_read_studies_and_neither_start_nor_stop_them() -> None:
    version = draft()
    study = done(version)
    client = somebody("view_policyversion", "view_study", *SUPPORT_DOES)
    assert "Accounts that differ" in page_of(client, study)
    for name, row in (("policyversion_study_backtest", version), ("policyversion_study_ahead", version)):
        assert client.get(reverse(f"admin:delinquency_{name}", args=[row.pk])).status_code == 403
    assert client.get(reverse("admin:delinquency_study_cancel", args=[study.pk])).status_code == 403
    assert client.get(reverse("admin:delinquency_study_delete", args=[study.pk])).status_code == 403
    assert "Throw it away" not in page_of(client, study)


def test_nobody_reads_studies_without_leave() -> None:
    study = done(draft())
    client = somebody("view_account")
    for name in ("change", "csv"):
        assert client.get(reverse(f"admin:delinquency_study_{name}", args=[study.pk])).status_code == 403


def test_the_progress_page_looks_again_for_two_minutes_and_can_be_stopped() -> None:
    client, version = staff_client(), draft()
    with clock.at(NOW):
        study = studies.start_backtest(version, from_on=date(2026, 1, 1), to_on=date(2026, 3, 31))
        address = reverse("admin:delinquency_study_change", args=[study.pk])
        first = client.get(address)
        assert first["Refresh"] == f"3; url={address}?look=1"
        assert "0 of 1 accounts, 0 %." in first.content.decode()
        assert "Refresh" in client.get(f"{address}?look=39")
        for query in ("?look=40", "?look=stop"):
            stopped = client.get(address + query)
            assert "Refresh" not in stopped
            assert "Look again" in stopped.content.decode()


def test_opening_the_page_wakes_a_worker_when_nobody_works_on_it(
    nudges: Any, django_capture_on_commit_callbacks: Any
) -> None:
    client, version = staff_client(), draft()
    with clock.at(NOW):
        study = studies.start_backtest(version, from_on=date(2026, 1, 1), to_on=date(2026, 3, 31))
    for seconds, rings in ((5, 0), (15, 1)):
        nudges.clear()
        with clock.at(instant(f"2026-04-10 12:00:{seconds:02d}")), django_capture_on_commit_callbacks(execute=True):
            page_of(client, study)
        assert len(nudges) == rings, seconds


def test_a_study_is_cancelled_with_a_press_and_can_be_started_again() -> None:
    client, version = staff_client(), draft()
    with clock.at(NOW):
        study = studies.start_backtest(version, from_on=date(2026, 1, 1), to_on=date(2026, 3, 31))
        cancel = reverse("admin:delinquency_study_cancel", args=[study.pk])
        assert "can be started again" in client.get(cancel).content.decode()
        assert client.post(cancel).status_code == 303
        page = page_of(client, study)
    assert "It was cancelled" in page
    again = reverse("admin:delinquency_policyversion_study_backtest", args=[version.pk])
    assert f'href="{again}?from_on=2026-01-01&amp;to_on=2026-03-31"' in page
    assert 'value="2026-01-01"' in client.get(f"{again}?from_on=2026-01-01&to_on=x").content.decode()


def test_the_result_says_what_it_is_and_shows_live_beside_the_draft() -> None:
    page = page_of(staff_client(), done(draft()))
    assert "It replays decisions over what happened. It does not predict how customers would have behaved." in page
    assert "Late fee of 15.00 for A-1001 on 2026-01-19 instead of never" in page
    assert "Delinquent on 2026-01-17 instead of 2026-01-21" in page
    assert page.count("<svg") >= 4
    assert page.count("<h1") == 1
    assert "+15.00" in page
    assert "It would have cut no account that live would not have cut as hard" in page


def test_an_edited_draft_is_told_apart_from_what_was_studied() -> None:
    client, version = staff_client(), draft()
    study = done(version)
    words = "were changed after this study"
    assert words not in page_of(client, study)
    PolicyVersion.objects.filter(pk=version.pk).update(grace_days=3)
    assert words in page_of(client, study)


def test_the_ahead_page_names_the_next_steps_on_both_sides() -> None:
    version = draft()
    page = page_of(staff_client(), done(version, "ahead"))
    assert "What is to come if nobody pays" in page
    assert "Last 30 days" in page
    assert "1 account whose next step changes" in page
    # Nothing was ever looked at: all of it is behind live, and at the next check under the draft.
    assert "S v2" in page


def test_the_accounts_are_shown_in_pages_and_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delinquency.admin.study.ROWS_PER_PAGE", 2)
    client, study = staff_client(), done(draft(accounts=3))
    page = page_of(client, study)
    assert "page 1 of 2" in page
    assert (">1001</a>" in page, ">1003</a>" in page) == (True, False)
    assert ">1003</a>" in page_of(client, study, "?page=2")
    assert "None of these." in page_of(client, study, "?show=spared")
    assert ">1001</a>" in page_of(client, study, "?show=nonsense&page=x")


def test_a_page_needs_as_many_queries_for_twenty_accounts_as_for_one() -> None:
    client, first = staff_client(), done(draft())
    few = queries_for(client, reverse("admin:delinquency_study_change", args=[first.pk]))
    second = done(import_version(sonar(grace_days=1), policy=first.version.policy))
    for number in range(1002, 1022):
        Story(sonar(), number=str(number)).owes(f"A-{number}", "2026-01-01", "100.00")
    second = done(import_version(sonar(grace_days=1), policy=first.version.policy))
    assert second.findings.count() == 21
    assert queries_for(client, reverse("admin:delinquency_study_change", args=[second.pk])) == few


@pytest.mark.parametrize("kind", ["backtest", "ahead"])
def test_the_file_has_every_account_and_no_formula(kind: str) -> None:
    version = draft()
    Account.objects.update(name="=HYPERLINK(1)")
    study = done(version, kind)
    response = staff_client().get(reverse("admin:delinquency_study_csv", args=[study.pk]))
    assert response["Content-Disposition"].startswith('attachment; filename="s-v2-')
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert {(row["account"], row["name"]) for row in rows} == {("1001", "'=HYPERLINK(1)")}
    if kind == "backtest":
        fee = next(row for row in rows if row["what"] == "late fee")
        assert (fee["invoice"], fee["live_on"], fee["draft_on"], fee["draft_amount"]) == (
            "A-1001", "", "2026-01-19", "15.00",
        )  # fmt: skip


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@A1", "\tx", "\rx"])
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert safe_text(cell) == f"'{cell}"
    assert safe_text(f"x{cell}") == f"x{cell}"


def test_a_study_is_thrown_away_with_what_it_found() -> None:
    client, study = staff_client(), done(draft())
    address = reverse("admin:delinquency_study_delete", args=[study.pk])
    assert client.get(address).status_code == 200
    assert client.post(address, {"post": "yes"}).status_code == 302
    assert not Study.objects.exists()


def test_a_draft_that_was_studied_can_still_be_thrown_away() -> None:
    client, version = staff_client(), draft()
    study = done(version)
    version.delete()
    assert "a draft that was thrown away since" in page_of(client, study)
