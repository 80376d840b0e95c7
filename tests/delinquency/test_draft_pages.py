"""A clerk writes a policy from nothing: draft, steps, findings, publishing; and throws a draft away."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from delinquency.demo.staff import CLERKS_DO
from delinquency.models import PolicyStep, PolicyVersion
from delinquency.operations import import_version, new_draft
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
