"""The morning in a browser: what went wrong, what comes next, what is held, and who is blocked still."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.operations import resume_everything
from billing_project.kernel import clock
from delinquency.models import AirbagTrip, Event, RunRequest, Standing, TaskRun
from delinquency.operations.airbag_decisions import ask_release
from delinquency.reports.months import count_months
from delinquency.runs import WORDS
from netenforce.models import EnforcementTask, LineState
from tests.backoffice import make_everything
from tests.browser.stories import Story
from tests.browser.test_backoffice import PASSWORD, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")
ROLES = ("Administrators", "Billing clerks", "Support", "Auditors")
PAGES = ("taskrun_runs", "taskrun_tonight", "taskrun_blocked", "monthfigures_charts", "runrequest_changelist",
         "actminutes_changelist")  # fmt: skip


@pytest.fixture
def account() -> Account:
    """Make a row of everything, people of each role, a task that failed, a line that is blocked still."""
    boss = User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    for role in ROLES:
        User.objects.create_user(role, password=PASSWORD, is_staff=True).groups.add(Group.objects.get(name=role))
    account = make_everything()
    resume_everything(reason="mended")
    AirbagTrip.objects.update(tripped_at=clock.now(), on=clock.today())
    ask_release(AirbagTrip.objects.get(), by=User.objects.get(username="reader"), reason="The town was flooded.")
    LineState.objects.update(desired_level="open", observed_level="throttle", desired_since_at=clock.now())
    now = clock.now()
    TaskRun.objects.all().delete()
    for place, task in enumerate(WORDS):
        TaskRun.objects.create(task=task, first_at=now, last_at=now, seconds=place / 3, count=place % 3)
    TaskRun.objects.filter(task="netenforce.reconcile").update(
        state="failed", count=0, error="Unavailable: Edge 1 does not answer"
    )
    Standing.objects.update(looked_until_at=now, next_look_at=now + timedelta(hours=1))
    RunRequest.objects.create(kind="check", asked_by=boss, why="After the outage", state="running", total=900, done=500,
                              started_at=now)  # fmt: skip
    count_months()
    return account


def enter(page: Page, server: LiveServer, username: str) -> None:
    """Arrive on the home page as somebody who is logged in."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.clear_cookies()
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": server.url}])
    page.goto(f"{server.url}/admin/")
    expect(page.locator("#group-1")).to_be_visible()


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


def test_the_operator_sees_what_went_wrong_what_comes_and_decides_what_is_held(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    enter(page, live_server, "boss")
    with Story("K1", page):
        page.get_by_role("link", name="runs missed or failed").click()
        expect(page.get_by_text("Edge 1 does not answer").first).to_be_visible()
    page.goto(f"{live_server.url}/admin/")
    with Story("K2", page):
        page.locator(".desk-panel").get_by_role("link", name="What comes next", exact=True).click()
        expect(page.get_by_role("heading", name="What comes next", exact=True)).to_be_visible()
    page.goto(f"{live_server.url}/admin/")
    with Story("K3", page):
        page.get_by_role("link", name="Look and decide").first.click()
        page.get_by_role("link", name="Approve").click()
        page.get_by_label("Reason").focus()
        page.keyboard.type("Seen the list.")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("Released").first).to_be_visible()
    assert AirbagTrip.objects.get().state == "released"


def test_support_pushes_one_who_is_free_to_go_and_still_blocked(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    enter(page, live_server, "Support")
    EnforcementTask.objects.all().delete()
    with Story("H10", page):
        page.get_by_role("link", name="free to go, still blocked must be 0").click()
        page.get_by_role("button", name=f"Push now: {account}").click()
        expect(page.get_by_text("1 line is freed before anything else")).to_be_visible()
    assert EnforcementTask.objects.get().level == "open"


def test_a_run_is_asked_for_in_three_clicks_without_scripts(
    phone_free: Page, live_server: LiveServer, account: Account
) -> None:
    page = phone_free
    enter(page, live_server, "boss")
    page.goto(live_server.url + reverse("admin:delinquency_taskrun_runs"))
    page.get_by_role("link", name="Run now: Billing").click()
    page.get_by_label("Reason").fill("After the outage")
    page.get_by_role("button", name="Run it now").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    assert Event.objects.count() == 1


@pytest.fixture
def phone_free(browser: object) -> object:
    """Return a page in a browser without scripts."""
    context = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    roles, pages = (ROLES, PAGES) if scheme == "light" else (ROLES[2:3], PAGES[:4])
    for role in roles:
        page.set_viewport_size({"width": 1366, "height": 768})
        enter(page, live_server, role)
        picture(page, f"home-{role}-{scheme}")
        assert serious(page) == [], role
        page.set_viewport_size({"width": 360, "height": 740})
        assert _too_wide(page) <= 0, role
        picture(page, f"home-{role}-{scheme}-360")
    enter(page, live_server, "Administrators")
    for name in pages:
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(live_server.url + reverse(f"admin:delinquency_{name}"))
        picture(page, f"{name}-{scheme}")
        assert serious(page) == [], name
        page.set_viewport_size({"width": 360, "height": 740})
        assert _too_wide(page) <= 0, name
        picture(page, f"{name}-{scheme}-360")


def _too_wide(page: Page) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found
