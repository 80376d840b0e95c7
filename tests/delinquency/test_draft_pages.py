"""A clerk writes a policy from nothing: draft, steps, findings, publishing; and throws a draft away."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from delinquency.models import PolicyStep, PolicyVersion
from delinquency.operations import import_version, new_draft
from delinquency.roles import CLERKS_DO
from tests.worlds import sonar

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> Client:
    """Return a clerk's browser, with what clerks may do."""
    user = User.objects.create_user("casey", is_staff=True)
    names = {*CLERKS_DO, "view_policyversion", "view_policystep", "view_policy"}
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def draft() -> PolicyVersion:
    """Return a draft with steps."""
    return import_version(sonar())


def page(name: str, version: PolicyVersion) -> str:
    return reverse(f"admin:delinquency_policyversion_{name}", args=[version.pk])


def test_a_clerk_publishes_a_draft_and_makes_the_next_one_from_it(clerk: Client, draft: PolicyVersion) -> None:
    assert "Checked before it goes live" in clerk.get(page("change", draft)).content.decode()
    clerk.post(page("publish", draft), {"read": "on"})
    draft.refresh_from_db()
    assert draft.state == "published"
    assert clerk.post(page("copy", draft)).status_code == 303
    assert PolicyVersion.objects.get(policy=draft.policy, state="draft").steps.count() == draft.steps.count()


def test_a_draft_is_thrown_away_with_its_steps_and_a_published_version_is_not(
    clerk: Client, draft: PolicyVersion
) -> None:
    thrown = new_draft(draft)
    assert clerk.post(page("delete", thrown), {"post": "yes"}).status_code == 302
    assert not PolicyVersion.objects.filter(pk=thrown.pk).exists()
    assert not PolicyStep.objects.filter(version=thrown.pk).exists()
    clerk.post(page("publish", draft), {"read": "on"})
    assert clerk.post(page("delete", draft), {"post": "yes"}).status_code == 403
    assert draft.steps.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"grace_days": "5", "after_day_of_month": "5"}, "Both ways are filled in: clear grace days"),
        ({"grace_days": "", "after_day_of_month": ""}, "Fill in grace days, such as 5, or a day of the month"),
        ({"window_opens": "21:00", "window_closes": "09:00"}, "The window closes before it opens at 21:00"),
    ],
)
def test_what_cannot_stand_together_is_said_at_its_field_and_nothing_is_saved(
    clerk: Client, draft: PolicyVersion, fields: dict[str, str], said: str
) -> None:
    sent = {
        "check_weekdays": ["mon"], "minimum_amount_due": "0.01", "grace_days": "7", "on_reversal": "restart",
        "reconnection_fee": "0", "nsf_fee": "0", "window_opens": "09:00", "window_closes": "21:00",
        "seriously_late_after_days": "14", "seriously_late_limit": "2", "seriously_late_window": "calendar_year",
        "delinquency_status": "Delinquent", "steps-TOTAL_FORMS": "0", "steps-INITIAL_FORMS": "0",
    }  # fmt: skip
    page_said = clerk.post(page("change", draft), sent | fields).content.decode()
    assert said in page_said
    assert "is violated" not in page_said
    draft.refresh_from_db()
    assert draft.grace_days == 5
