"""Sessions of staff: they end when somebody is switched off, changed or idle, and wrong passwords are counted."""

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import BrowserSession, User
from accounts.staff_access import IDLE_SECONDS, SEEN
from tests.staff_codes import LOGIN, PASSWORD, code_of, give_phone, hire, is_in, sign_in

pytestmark = pytest.mark.django_db
FORM = {"username": "ann", "first_name": "", "last_name": "", "email": "", "is_active": "on", "is_staff": "on",
        "sessions-TOTAL_FORMS": 0, "sessions-INITIAL_FORMS": 0,
        "last_code-TOTAL_FORMS": 0, "last_code-INITIAL_FORMS": 0}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def boss() -> Client:
    hire("boss", role="", is_superuser=True)
    return sign_in("boss")


def test_whoever_is_switched_off_is_out_at_the_next_click(boss: Client) -> None:
    user = hire()
    browser = sign_in("ann")
    assert is_in(browser)
    role = user.groups.get().pk
    sent = {name: value for name, value in FORM.items() if name != "is_active"} | {"groups": [role]}
    assert boss.post(f"/admin/accounts/user/{user.pk}/change/", sent).status_code == 302
    answer = browser.get("/admin/accounts/account/")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, LOGIN)
    assert not BrowserSession.objects.filter(user=user).exists()
    assert not is_in(sign_in("ann"))


def test_a_user_who_is_switched_off_by_any_other_door_is_out_as_well() -> None:
    user = hire()
    browser = sign_in("ann")
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not is_in(browser)


def test_a_new_password_or_another_role_ends_all_sessions(boss: Client) -> None:
    user = hire()
    browser = sign_in("ann")
    support = Group.objects.get(name="Support")
    assert boss.post(f"/admin/accounts/user/{user.pk}/change/", FORM | {"groups": [support.pk]}).status_code == 302
    assert not is_in(browser)
    browser = sign_in("ann")
    assert is_in(browser)
    new = {"password1": "quite another long one", "password2": "quite another long one", "usable_password": "true"}
    assert boss.post(f"/admin/accounts/user/{user.pk}/password/", new).status_code == 302
    assert not is_in(browser)


def test_a_new_name_ends_nobodys_session(boss: Client) -> None:
    user = hire()
    browser = sign_in("ann")
    sent = FORM | {"first_name": "Ann", "groups": [user.groups.get().pk]}
    assert boss.post(f"/admin/accounts/user/{user.pk}/change/", sent).status_code == 302
    assert is_in(browser)


def test_an_administrator_ends_all_sessions_of_somebody_with_a_reason(boss: Client) -> None:
    user = hire()
    browsers = [sign_in("ann"), sign_in("ann")]
    page = boss.post(
        reverse("admin:accounts_user_end_sessions", args=[user.pk]), {"reason": "left the company"}, follow=True
    )
    assert "out of 2 browsers" in page.content.decode()
    assert [is_in(browser) for browser in browsers] == [False, False]
    assert is_in(boss)


def test_half_an_hour_without_a_click_signs_out_and_a_minute_less_does_not() -> None:
    hire()
    for idle, stays in ((IDLE_SECONDS - 60, True), (IDLE_SECONDS + 1, False)):
        browser = sign_in("ann")
        session = browser.session
        session[SEEN] -= idle
        session.save()
        assert is_in(browser) is stays
    assert "sessionid" not in browser.cookies or not browser.cookies["sessionid"].value


def test_each_click_puts_the_half_hour_off() -> None:
    hire()
    browser = sign_in("ann")
    session = browser.session
    session[SEEN] -= 20 * 60
    session.save()
    assert is_in(browser)
    assert browser.session[SEEN] > session[SEEN] + 19 * 60


def test_signing_in_makes_a_new_session_key_at_each_step() -> None:
    secret = give_phone(hire())
    browser = Client()
    browser.get(LOGIN)
    browser.post(LOGIN, {"username": "ann", "password": PASSWORD})
    before = browser.cookies["sessionid"].value
    browser.post(LOGIN + "code/", {"code": code_of(secret)})
    assert is_in(browser)
    assert browser.cookies["sessionid"].value != before
    stolen = Client()
    stolen.cookies["sessionid"] = before
    assert not is_in(stolen)


def test_too_many_wrong_passwords_lock_that_address_and_not_the_one_whose_name_it_is() -> None:
    hire()
    stranger = Client(REMOTE_ADDR="203.0.113.9")
    codes = [stranger.post(LOGIN, {"username": "ann", "password": "guess"}).status_code for _ in range(9)]
    assert codes[:7] == [200] * 7
    assert codes[-1] == 429
    locked = stranger.post(LOGIN, {"username": "ann", "password": PASSWORD})
    assert locked.status_code == 429
    assert "Wait 15 minutes" in locked.content.decode()
    assert is_in(sign_in("ann", client=Client(REMOTE_ADDR="198.51.100.7")))


def test_wrong_codes_are_counted_like_wrong_passwords() -> None:
    give_phone(hire())
    browser = sign_in("ann")
    for _ in range(8):
        cache.clear()  # as if it went to another process each time
        browser.post(LOGIN + "code/", {"code": "000000"})
    assert AccessAttempt.objects.get().failures_since_start == 8
    assert browser.post(LOGIN + "code/", {"code": "000000"}).status_code == 429


def test_pages_are_not_kept_by_the_browser() -> None:
    hire()
    assert "no-store" in sign_in("ann").get("/admin/")["Cache-Control"]
