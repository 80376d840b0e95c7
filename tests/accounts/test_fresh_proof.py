"""Whoever does something dangerous proves once more that it is them, and goes on with what they were doing."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.admin.fresh import FRESH_SECONDS
from accounts.models import User
from tests.backoffice import staff_client
from tests.staff_codes import PASSWORD, code_of, give_phone, hire, sign_in

pytestmark = pytest.mark.django_db
ADD = "/admin/accounts/user/add/"
NEW = {"username": "new", "password1": "quite a long enough one", "password2": "quite a long enough one",
       "usable_password": "true"}  # fmt: skip
RECORDS = "account_authentication_methods"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def boss() -> Client:
    hire("boss", role="", is_superuser=True)
    return sign_in("boss")


def _age(browser: Client, seconds: float) -> None:
    session = browser.session
    session[RECORDS] = [record | {"at": record["at"] - seconds} for record in session[RECORDS]]
    session.save()


def test_a_proof_younger_than_a_quarter_of_an_hour_is_enough(boss: Client) -> None:
    _age(boss, FRESH_SECONDS - 60)
    assert "Is it still you?" not in boss.get(ADD).content.decode()


def test_an_older_one_is_asked_for_before_the_form_opens_and_then_it_opens(boss: Client) -> None:
    _age(boss, FRESH_SECONDS + 1)
    page = boss.get(ADD).content.decode()
    assert "Is it still you?" in page
    assert page.count("<h1") == 1
    done = boss.post(ADD, {"proof_alone": "1", "proof_password": PASSWORD})
    assert (done.status_code, done["Location"]) == (303, ADD)
    assert "Is it still you?" not in boss.get(ADD).content.decode()


def test_what_was_typed_meanwhile_is_not_lost(boss: Client) -> None:
    _age(boss, FRESH_SECONDS + 1)
    asked = boss.post(ADD, NEW).content.decode()
    assert 'name="username" value="new"' in asked
    assert not User.objects.filter(username="new").exists()
    wrong = boss.post(ADD, NEW | {"proof_password": "no"}).content.decode()
    assert "not your password" in wrong
    assert 'name="username" value="new"' in wrong
    assert boss.post(ADD, NEW | {"proof_password": PASSWORD}).status_code == 302
    assert User.objects.filter(username="new").exists()


def test_with_a_second_factor_it_is_the_code_that_is_asked_for() -> None:
    user = hire("boss", role="", is_superuser=True)
    secret = give_phone(user)
    boss = sign_in("boss", code=code_of(secret))
    _age(boss, FRESH_SECONDS + 1)
    assert "proof_code" in boss.get(ADD).content.decode()
    assert "Is it still you?" in boss.post(ADD, NEW | {"proof_password": PASSWORD}).content.decode()
    cache.clear()  # as another process, which knows nothing of the code that signed in
    assert "was used already" in boss.post(ADD, NEW | {"proof_code": code_of(secret)}).content.decode()
    assert boss.post(ADD, NEW | {"proof_code": code_of(secret, ahead=1)}).status_code == 302


def test_wrong_proofs_are_counted_and_shut_the_door(boss: Client) -> None:
    _age(boss, FRESH_SECONDS + 1)
    for _ in range(8):
        boss.post(ADD, {"proof_alone": "1", "proof_password": "guess"})
    answer = boss.post(ADD, {"proof_alone": "1", "proof_password": PASSWORD})
    assert answer.status_code == 429 or "Wait 15 minutes" in answer.content.decode()
    assert "Is it still you?" in boss.get(ADD).content.decode()


def test_a_session_that_the_program_made_counts_only_where_a_second_factor_is_offered(settings: Any) -> None:
    from django.test import RequestFactory

    from accounts.admin.fresh import is_fresh

    browser = staff_client()
    request = RequestFactory().get("/admin/")
    request.session, request.user = browser.session, User.objects.get(username="boss")
    assert is_fresh(request)
    settings.STAFF_TWO_FACTOR = "required"
    assert not is_fresh(request)


def test_the_old_password_is_not_guessed_in_a_browser_that_was_left_open(boss: Client) -> None:
    page = "/admin/password_change/"
    assert "Is it still you?" not in boss.get(page).content.decode()
    _age(boss, FRESH_SECONDS + 1)
    assert "Is it still you?" in boss.get(page).content.decode()
    sent = {"old_password": PASSWORD, "new_password1": "quite another one 7", "new_password2": "quite another one 7"}
    assert "Is it still you?" in boss.post(page, sent).content.decode()
    assert User.objects.get(username="boss").check_password(PASSWORD)
    assert boss.post(page, sent | {"proof_password": PASSWORD}).status_code == 302
    assert User.objects.get(username="boss").check_password("quite another one 7")
