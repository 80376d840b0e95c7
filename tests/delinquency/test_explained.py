"""Every effect explains itself: rule, policy version, facts compared; and the facts lead to the same decision again."""

from datetime import date
from typing import Any

import pytest

from delinquency.explained import same_decision, unexplained
from delinquency.history import run_days
from delinquency.models import Event
from delinquency.policy_file import policy_of
from delinquency.rules.words import TELLERS, sentence
from tests.scenarios.worlds_at_random import START, drawn, enter, under
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db

UNTIL = date(2028, 6, 30)
FEES = [
    {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "5.00", "percent": "1.5"},
    {"key": "wall", "action": "restrict", "anchor": "delinquent", "offset_days": 4, "level": "walled_garden",
     "requires_notice": "notice"},
]  # fmt: skip


def told_again(event: Event) -> str:
    """Return the sentence of an event, from its row alone."""
    number = event.invoice.number if event.invoice else None
    return sentence(event.kind, event.facts, number=number, amount=event.amount)


def each_is_explained() -> int:
    """Check every event in the database; return how many there are."""
    events = list(Event.objects.select_related("invoice").order_by("pk"))
    assert [(e.account_id, e.on, e.kind, e.facts) for e in unexplained(events)] == []
    for event in events:
        assert event.rule, event.kind
        assert event.why.startswith(told_again(event)), (event.why, event.facts)
        assert told_again(event).endswith("."), event.kind
    return len(events)


def test_whatever_happens_to_random_customers_is_decided_again_from_its_facts() -> None:
    for index, scenario in enumerate(drawn(18)):
        default = under(scenario["policy"], f"Terms {index}")
        enter(f"S{index}", scenario, default, scenario["policy"]["bill_day"])
    run_days(START, UNTIL, outside=False)
    assert each_is_explained() > 300


def late_customer(policy: dict[str, Any]) -> Story:
    """Return a customer who is cut, pays, and whose payment comes back."""
    story = Story(policy, first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-02-20")
    payment = story.pays("2026-02-20 12:00", "100.00")
    story.days("2026-02-20", "2026-02-25")
    story.bounces("2026-02-26 08:00", payment)
    story.days("2026-02-26", "2026-03-10")
    return story


@pytest.mark.parametrize("policy", [sonar(steps=[*sonar()["steps"], *FEES], reconnection_fee="25.00"), exchange()])
def test_touching_what_was_compared_is_found_for_every_kind_of_decision(policy: dict[str, Any]) -> None:
    story = late_customer(policy)
    rules = policy_of(story.account.standing.policy_version)
    touched = {"issued": {}, "payment": {}, "reversal": {}}
    for event in Event.objects.filter(account=story.account):
        assert same_decision(event, rules), event.kind
        if event.kind in touched:
            continue
        wrong = {
            "unpaid": "0.00", "due_on": "2031-01-01", "since_on": "2031-01-01", "invoices": {}, "days_on": [],
            "cured": {"X": "50.00"}, "reached_cut": False, "delinquent": True,
        }  # fmt: skip
        if event.kind in ("released", "ticket_closed"):
            wrong["invoices"] = {"X": "50.00"}
        if event.kind == "cured":
            wrong["unpaid"] = "50.00"
        event.facts = event.facts | wrong
        assert not same_decision(event, rules), event.kind


def test_an_event_without_a_policy_version_is_not_explained() -> None:
    story = late_customer(sonar())
    event = Event.objects.filter(account=story.account, kind="delinquent").first()
    assert event is not None
    event.policy_version_id = None
    assert list(unexplained([event])) == [event]


def test_a_flag_taken_off_by_hand_is_told_with_its_reason() -> None:
    assert sentence("unflagged", {"by_hand": "A clerk took it off: our error."}) == "A clerk took it off: our error."


def test_every_kind_that_the_rules_know_can_be_told() -> None:
    from delinquency.rules.actions import Kind
    from delinquency.rules.explain import JUDGES

    assert set(TELLERS) == {str(kind) for kind in Kind}
    assert set(JUDGES) == {kind for kind in Kind if not kind.startswith("_")}


def test_the_page_of_an_event_shows_what_was_compared_and_that_it_leads_to_it_again(
    admin_client: Any,
) -> None:
    story = late_customer(sonar())
    event = Event.objects.filter(account=story.account, kind="delinquent").first()
    assert event is not None
    page = admin_client.get(f"/admin/delinquency/event/{event.pk}/change/").content.decode()
    assert "least amount that counts" in page
    assert "first possible day" in page
    assert "the same facts lead to the same decision" in page
    assert "A3" in page
