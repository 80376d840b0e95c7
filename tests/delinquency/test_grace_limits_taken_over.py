"""What companies had said of more time is kept by role from migration 0023 on: it, on rows of the time before (A9)."""

from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from delinquency.models import GraceLimit
from tests.factories import NEW_YORK

pytestmark = pytest.mark.django_db
OLD = ("grace_limit_support", "grace_limit_clerk")
take_over = import_module("delinquency.migrations.0023_grace_limits").take_over


@pytest.fixture(scope="module")
def then() -> Any:
    """Return the models as they are just when the migration moves the rows."""
    loader = MigrationLoader(connection=None)
    return loader.project_state([("delinquency", "0023_grace_limits"), ("accounts", "0022_line_mac")]).apps


@pytest.fixture(autouse=True)
def _before(then: Any) -> None:
    """Put the columns and the right back that the migrations have since taken away."""
    company = then.get_model("accounts", "Company")
    with connection.schema_editor(atomic=False) as editor:
        for name in OLD:
            editor.add_field(company, company._meta.get_field(name))
    company.objects.all().delete()  # the one that every new database begins with
    GraceLimit.objects.all().delete()
    Permission.objects.filter(codename="approve_grace").delete()
    kind = ContentType.objects.get(app_label="delinquency", model="gracegrant")
    Permission.objects.create(codename="grant_beyond_limit", name="old", content_type=kind)


def group_that_may(name: str, *codenames: str) -> Group:
    """Return a group of the operator's own, with rights of that time."""
    group = Group.objects.create(name=name)
    found = Permission.objects.filter(codename__in=codenames)
    assert len(found) == len(codenames)
    group.permissions.set(found)
    return group


def company_with(then: Any, name: str, support: int, clerk: int) -> None:
    """Make a company with its numbers of that time."""
    then.get_model("accounts", "Company").objects.create(
        name=name, currency="USD", timezone=NEW_YORK, grace_limit_support=support, grace_limit_clerk=clerk
    )


def limits() -> dict[str, tuple[int, int]]:
    """Return how often and how many days each group may give, by name."""
    return {row.group.name: (row.times_a_year, row.days_max) for row in GraceLimit.objects.select_related("group")}


def test_each_group_keeps_the_lowest_number_that_a_company_had_for_its_like(then: Any) -> None:
    company_with(then, "North", 3, 9)
    company_with(then, "South", 5, 6)
    group_that_may("Front desk", "grant_grace")
    group_that_may("Back office", "grant_grace", "change_account")
    group_that_may("Readers", "change_account")
    take_over(then, None)
    assert limits() == {
        "Support": (3, 14), "Billing clerks": (6, 30), "Front desk": (3, 14), "Back office": (6, 30),
    }  # fmt: skip


def test_without_a_company_the_numbers_are_those_that_shipped(then: Any) -> None:
    group_that_may("Front desk", "grant_grace")
    take_over(then, None)
    assert (limits()["Front desk"], limits()["Billing clerks"]) == ((2, 14), (4, 30))


def test_whoever_had_no_limit_keeps_the_widest_and_decides_what_others_ask_for(then: Any) -> None:
    company_with(then, "North", 3, 9)
    chiefs = group_that_may("Chiefs", "grant_grace", "grant_beyond_limit")
    take_over(then, None)
    assert limits()["Chiefs"] == (12, 366)
    right = Permission.objects.get(codename="approve_grace")
    assert right.content_type.model == "gracerequest"
    assert right in chiefs.permissions.all()
    assert not Permission.objects.filter(codename="grant_beyond_limit").exists()


def test_taking_over_twice_changes_nothing_more(then: Any) -> None:
    company_with(then, "North", 3, 9)
    group_that_may("Chiefs", "grant_grace", "grant_beyond_limit")
    take_over(then, None)
    once = limits()
    GraceLimit.objects.filter(group__name="Support").update(times_a_year=1)
    take_over(then, None)
    assert limits() == once | {"Support": (1, 14)}
