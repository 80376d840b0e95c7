"""G21: a policy changes in the middle of an episode, and one account is moved by a clerk."""

import pytest

from accounts.models import User
from delinquency.models import Policy, PolicyVersion
from delinquency.operations import import_version, publish
from delinquency.operations.moves import move_account
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Honolulu", "Australia/Lord_Howe"])
def test_g21_publishing_moves_nobody_and_a_clerk_moves_one_account_to_its_new_dates(zone: str) -> None:
    stays = Story(sonar(), first_bill_on="2026-01-01", number="stays", zone=zone)
    moves = Story(sonar(), first_bill_on="2026-01-01", number="moves", zone=zone)
    moves.days("2026-01-01", "2026-01-17")
    with moves.now("2026-01-18 12:00"):
        publish(import_version(sonar(grace_days=10), policy=Policy.objects.get(name="S")))
    moves.days("2026-01-18")
    with moves.now("2026-01-19 12:00"):
        newest = PolicyVersion.objects.get(policy__name="S", number=2)
        move_account(
            moves.account, version=newest, reason="agreed on the phone", by=User.objects.create(username="clerk")
        )
    moves.days("2026-01-19", "2026-02-03")
    assert stays.story("account_delinquent", "status_switch") == [
        ("2026-01-21", "account_delinquent"),
        ("2026-01-28", "status_switch"),
    ]
    assert moves.story("account_delinquent", "status_switch") == [
        ("2026-01-26", "account_delinquent"),
        ("2026-02-02", "status_switch"),
    ]
