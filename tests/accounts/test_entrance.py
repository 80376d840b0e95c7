"""How staff sign in: password, code, recovery codes; and what is shut until they have (SEC-11)."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from tests.backoffice import make_everything, staff_client
from tests.staff_codes import LOGIN, PASSWORD, code_of, give_phone, hire, is_in, recovery_codes_of, sign_in

pytestmark = pytest.mark.django_db
RESET = "admin:accounts_user_reset_second_factor"
ON = "/admin/sign-in/on/"


@pytest.fixture(autouse=True)
def _no_codes_used_before(settings: Any) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; nothing here tests it


@pytest.fixture
def required(settings: Any) -> None:
    settings.STAFF_TWO_FACTOR = "required"


def test_the_sign_in_page_has_the_fields_that_browsers_know_and_leads_on() -> None:
    hire()
    page = Client().get("/admin/accounts/account/")
    assert page.status_code == 302
    assert page["Location"] == LOGIN + "?next=/admin/accounts/account/"
    text = Client().get(page["Location"]).content.decode()
    assert 'name="username"' in text
    assert 'name="password"' in text
    assert text.count("<h1") == 1
    browser = Client()
    done = browser.post(page["Location"], {"username": "ann", "password": PASSWORD, "next": "/admin/accounts/account/"})
    assert (done.status_code, done["Location"]) == (302, "/admin/accounts/account/")
    assert browser.get(done["Location"]).status_code == 200


def test_the_way_back_never_leads_to_another_site() -> None:
    hire()
    done = Client().post(LOGIN, {"username": "ann", "password": PASSWORD, "next": "https://evil.example/"})
    assert done["Location"] == "/admin/"


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": False}])
def test_who_is_switched_off_is_answered_as_a_wrong_password_is(fields: dict[str, bool]) -> None:
    hire(**fields)
    hire("bea")
    wrong = Client().post(LOGIN, {"username": "bea", "password": "wrong"})
    off = Client().post(LOGIN, {"username": "ann", "password": PASSWORD})
    assert off.status_code == wrong.status_code == 200
    assert "do not belong together" in off.content.decode()
    assert "do not belong together" in wrong.content.decode()


def test_a_password_alone_leads_only_to_the_code_of_whoever_has_set_one_up() -> None:
    user = hire()
    secret = give_phone(user)
    browser = Client()
    done = browser.post(LOGIN, {"username": "ann", "password": PASSWORD, "next": "/admin/accounts/account/"})
    assert done["Location"] == LOGIN + "code/"
    assert not is_in(browser)
    wrong = browser.post(LOGIN + "code/", {"code": "000000"})
    assert "Incorrect code" in wrong.content.decode()
    assert not is_in(browser)
    right = browser.post(LOGIN + "code/", {"code": code_of(secret)})
    assert right["Location"] == "/admin/accounts/account/"
    assert is_in(browser)


def test_a_recovery_code_lets_one_in_a_single_time() -> None:
    user = hire()
    give_phone(user)
    code = recovery_codes_of(user)[0]
    assert is_in(sign_in("ann", code=code))
    assert not is_in(sign_in("ann", code=code))
    assert len(recovery_codes_of(user)) == 9


def test_a_session_from_before_the_second_factor_was_set_up_ends() -> None:
    user = hire()
    old, new = sign_in("ann"), sign_in("ann")
    new.get(ON)
    page = new.post(ON, {"code": code_of(new.session["mfa.totp.secret"])})
    codes = re.findall(r"desk-key\">(\d{10})<", page.content.decode())
    assert len(set(codes)) == 10
    assert recovery_codes_of(user) == codes
    assert is_in(new)
    assert not is_in(old)


def test_a_session_that_began_beside_the_setting_up_of_a_second_factor_ends_at_the_next_click() -> None:
    user = hire()
    hire("bea")
    old, another = sign_in("ann"), sign_in("bea")
    assert is_in(old)
    give_phone(user)  # by another door: nothing has ended this session
    assert not is_in(old)
    assert is_in(another)


def test_recovery_codes_are_shown_once_and_new_ones_replace_them() -> None:
    user = hire()
    browser = sign_in("ann", code=code_of(give_phone(user)))
    before = recovery_codes_of(user)
    assert not set(before) & set(re.findall(r"\d{10}", browser.get("/admin/sign-in/").content.decode()))
    assert not re.findall(r">\d{10}<", browser.get("/admin/sign-in/recovery-codes/").content.decode())
    shown = re.findall(r">(\d{10})<", browser.post("/admin/sign-in/recovery-codes/").content.decode())
    assert shown == recovery_codes_of(user)
    assert not set(shown) & set(before)


def test_the_secret_and_the_codes_are_sealed_in_the_database() -> None:
    user = hire()
    secret = give_phone(user)
    text = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in text
    assert not any(code in text for code in recovery_codes_of(user))


@pytest.mark.usefixtures("required")
def test_nobody_gets_a_single_page_with_a_password_alone_where_a_second_factor_is_required() -> None:
    make_everything()
    hire("root", role="", is_superuser=True)
    browser = sign_in("root")
    addresses = _addresses()
    served = {
        address
        for address in addresses
        for answer in (browser.get(address), browser.post(address))
        if answer.status_code != 302 or answer["Location"].partition("?")[0] not in (ON, LOGIN)
    }
    assert len(addresses) > 300
    # Only the pages that lead to a second factor, and the way out.
    open_pages = {LOGIN, LOGIN + "code/", "/admin/sign-in/", ON, "/admin/logout/"}
    assert served <= open_pages


@pytest.mark.usefixtures("required")
def test_a_session_made_by_another_door_gets_no_page_either() -> None:
    assert staff_client().get("/admin/")["Location"] == ON


@pytest.mark.usefixtures("required")
def test_who_sets_up_a_second_factor_gets_in_at_once() -> None:
    hire()
    browser = sign_in("ann")
    assert browser.get("/admin/")["Location"] == ON
    text = browser.get(ON).content.decode()
    assert "data:image/svg+xml" in text
    assert "Every member of staff" in text
    assert "Incorrect code" in browser.post(ON, {"code": "12"}).content.decode()
    browser.post(ON, {"code": code_of(browser.session["mfa.totp.secret"])})
    assert is_in(browser)
    assert LogEntry.objects.get().get_change_message() == "Set up a second factor."


def test_where_it_is_offered_the_sign_in_says_calmly_where_to_set_one_up() -> None:
    hire()
    browser = Client()
    page = browser.post(LOGIN, {"username": "ann", "password": PASSWORD}, follow=True)
    assert "password alone" in page.content.decode()
    assert "/admin/sign-in/" in page.content.decode()
    assert "password alone" not in browser.get("/admin/").content.decode()


def test_an_administrator_takes_away_the_second_factor_of_a_lost_phone_but_never_their_own() -> None:
    user = hire()
    lost = sign_in("ann", code=code_of(give_phone(user)))
    boss = staff_client()
    address = reverse(RESET, args=[user.pk])
    assert "reason" in boss.get(address).content.decode()
    assert boss.post(address, {"reason": ""}).status_code == 200
    assert is_in(lost)
    assert boss.post(address, {"reason": "phone lost, called back on 118"}).status_code == 303
    assert not is_in(lost)
    assert is_in(sign_in("ann"))
    assert "phone lost" in LogEntry.objects.latest("pk").get_change_message()
    own = User.objects.get(username="boss")
    assert boss.post(reverse(RESET, args=[own.pk]), {"reason": "x"}).status_code == 403


def test_there_is_no_sign_up_and_no_password_reset() -> None:
    for address in ("/admin/signup/", "/admin/password_reset/", "/accounts/signup/", "/accounts/login/"):
        assert Client().get(address).status_code in (302, 404), address


def _addresses() -> list[str]:
    """Return every address under /admin/, with 1 for each part that names a row."""
    found = [re.sub(r"<[^>]+>", "1", route) for route in _routes(get_resolver().url_patterns, "")]
    return sorted({f"/{route}" for route in found if route.startswith("admin/") and "(" not in route})


def _routes(patterns: list[URLPattern | URLResolver], before: str) -> list[str]:
    found = []
    for pattern in patterns:
        route = before + str(pattern.pattern).lstrip("^").rstrip("$").replace(r"\Z", "")
        found += _routes(pattern.url_patterns, route) if isinstance(pattern, URLResolver) else [route]
    return found
