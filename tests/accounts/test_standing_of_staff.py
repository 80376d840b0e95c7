"""Nobody gives more than they hold, raises themselves, or shuts everybody out (SEC-10)."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import User
from accounts.standing_of_staff import check_one_remains, groups_within, may_edit_user
from billing_project.kernel.errors import Refused
from invoicing.models import MoneyLimit
from tests.factories import make_staff
from tests.staff_codes import hire, sign_in

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _in(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def _sent(user: User, **fields: Any) -> dict[str, Any]:
    """Return the form of a member of staff as the page sends it, changed by some fields."""
    own = {"username": user.username, "is_active": "on", "is_staff": "on", "groups": [g.pk for g in user.groups.all()]}
    own |= {
        "sessions-TOTAL_FORMS": 0,
        "sessions-INITIAL_FORMS": 0,
        "last_code-TOTAL_FORMS": 0,
        "last_code-INITIAL_FORMS": 0,
    }
    return {name: value for name, value in (own | fields).items() if value is not None}


def _people_manager(**rights: Any) -> User:
    """Make somebody who may edit staff and holds what clerks hold, and no more."""
    user = hire("pat", **rights)
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "add_user", "change_group"]))
    return User.objects.get(pk=user.pk)


def test_nobody_edits_themselves_not_even_a_superuser() -> None:
    boss = hire("boss", role="", is_superuser=True)
    hire("other", role="", is_superuser=True)
    assert _in(boss).post(f"{USERS}{boss.pk}/change/", _sent(boss, first_name="B")).status_code == 403
    pat = _people_manager()
    administrators = Group.objects.get(name="Administrators")
    assert _in(pat).post(f"{USERS}{pat.pk}/change/", _sent(pat, groups=[administrators.pk])).status_code == 403
    assert _in(pat).post(f"{USERS}{pat.pk}/password/", {}).status_code == 403


def test_nobody_touches_whoever_holds_more() -> None:
    pat = _people_manager()
    for above in (hire("adi", role="Administrators"), hire("max", role="Billing managers"),
                  hire("sue", role="", is_superuser=True)):  # fmt: skip
        assert not may_edit_user(pat, above)
        assert _in(pat).post(f"{USERS}{above.pk}/change/", _sent(above, is_active=None)).status_code == 403
        assert _in(pat).post(f"{USERS}{above.pk}/password/", {"password1": "x"}).status_code == 403
    assert may_edit_user(pat, hire("sam", role="Support"))


def test_nobody_gives_a_role_above_their_own() -> None:
    pat, new = _people_manager(), hire("new", role="Support")
    browser = _in(pat)
    managers = Group.objects.get(name="Billing managers")
    refused = browser.post(f"{USERS}{new.pk}/change/", _sent(new, groups=[managers.pk]))
    assert refused.status_code == 200
    assert list(new.groups.values_list("name", flat=True)) == ["Support"]
    clerks = Group.objects.get(name="Billing clerks")
    assert browser.post(f"{USERS}{new.pk}/change/", _sent(new, groups=[clerks.pk])).status_code == 302
    assert list(new.groups.values_list("name", flat=True)) == ["Billing clerks"]


def test_only_superusers_make_superusers_and_give_single_rights() -> None:
    pat, new = _people_manager(), hire("new", role="Support")
    right = Permission.objects.get(codename="approve_money")
    sent = _sent(new, is_superuser="on", user_permissions=[right.pk])
    assert _in(pat).post(f"{USERS}{new.pk}/change/", sent).status_code == 302
    new.refresh_from_db()
    assert not new.is_superuser
    assert not new.user_permissions.exists()


def test_a_role_with_a_higher_limit_of_money_is_above_one_with_the_same_rights() -> None:
    pat = _people_manager()
    rich = Group.objects.create(name="Rich clerks")
    rich.permissions.set(Group.objects.get(name="Billing clerks").permissions.all())
    assert rich in groups_within(pat)
    MoneyLimit.objects.create(group=rich, waive_max=Decimal("100.01"))
    assert rich not in groups_within(pat)


def test_the_last_administrator_stays_one() -> None:
    boss = hire("boss", role="", is_superuser=True)
    with pytest.raises(Refused, match="last administrator"):
        check_one_remains([boss.pk])
    other = hire("adi", role="Administrators")
    check_one_remains([boss.pk])
    User.objects.filter(pk=other.pk).update(is_active=False)
    with pytest.raises(Refused):
        check_one_remains([boss.pk])


def test_shipped_roles_are_read_and_copied_but_not_changed() -> None:
    boss = hire("boss", role="", is_superuser=True)
    browser, clerks = _in(boss), Group.objects.get(name="Billing clerks")
    page = f"/admin/auth/group/{clerks.pk}/"
    assert "Copy to a role of your own" in browser.get(page + "change/").content.decode()
    assert browser.post(page + "change/", {"name": "Mine"}).status_code == 403
    assert browser.post(page + "delete/", {"post": "yes"}).status_code == 403
    assert "exists" not in browser.get(page + "copy_role/").content.decode()
    assert browser.post(page + "copy_role/", {"name": "Night clerks"}).status_code == 303
    copy = Group.objects.get(name="Night clerks")
    assert set(copy.permissions.all()) == set(clerks.permissions.all())
    assert "already" in browser.post(page + "copy_role/", {"name": "night clerks"}).content.decode()
    assert browser.post(f"/admin/auth/group/{copy.pk}/change/", {"name": "Late clerks"}).status_code == 302


def test_nobody_changes_a_role_of_their_own_or_gives_it_what_they_lack() -> None:
    pat = _people_manager()
    own = Group.objects.create(name="People")
    pat.groups.add(own)
    other = Group.objects.create(name="Helpers")
    above = Permission.objects.get(codename="approve_grace")
    browser = _in(User.objects.get(pk=pat.pk))
    assert browser.post(f"/admin/auth/group/{own.pk}/change/", {"name": "People"}).status_code == 403
    sent = {"name": "Helpers", "permissions": [above.pk]}
    assert browser.post(f"/admin/auth/group/{other.pk}/change/", sent).status_code == 200
    assert not other.permissions.exists()


def test_limits_are_set_by_superusers_alone() -> None:
    hire("boss", role="", is_superuser=True)
    adi = hire("adi", role="Administrators")
    limit = MoneyLimit.objects.get(group__name="Administrators")
    for page in (
        f"invoicing/moneylimit/{limit.pk}/change/",
        "invoicing/moneylimit/add/",
        "netenforce/releaselimit/add/",
    ):
        assert _in(adi).post(f"/admin/{page}", {}).status_code == 403, page


def test_the_list_of_staff_tells_role_second_factor_and_browsers_in_a_constant_number_of_queries(
    django_assert_max_num_queries: Any,
) -> None:
    boss = hire("boss", role="", is_superuser=True)
    for number in range(12):
        hire(f"clerk{number}")
    browser = _in(boss)
    with django_assert_max_num_queries(14):
        text = browser.get(USERS).content.decode()
    assert "Billing clerks" in text
    assert "Not set up" in text


def test_nobody_is_signed_out_by_whoever_stands_below() -> None:
    boss = hire("boss", role="", is_superuser=True)
    low = make_staff("low", "view_user", "end_sessions")
    sign_in("boss")
    page = f"/admin/accounts/user/{boss.pk}/end_sessions/"
    assert _in(low).post(page, {"reason": "x"}).status_code == 403
    assert boss.sessions.count() == 1
    assert _in(boss).post(page, {"reason": "x"}).status_code == 303
