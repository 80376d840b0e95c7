"""A device that does not obey is a ticket, and the device that obeys at last closes it."""

import pytest

from accounts.models import ServiceLine
from billing_project.kernel import clock
from delinquency.customer_tickets import tickets_of
from delinquency.models import Ticket
from delinquency.operations import desk, reassess
from delinquency.operations.desk_unreachable import tend_desk
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, LinePlacement, LineState
from netenforce.reconcile import reconcile
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
MORNING = "2026-01-21 09:30"


@pytest.fixture
def story() -> Story:
    """Return a customer whose line is cut on 2026-01-21."""
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    line = ServiceLine.objects.create(account=story.account, ipv4="100.64.9.1")
    LinePlacement.objects.create(line=line, device=Device.objects.create(name="Edge 9"))
    story.days("2026-01-01", "2026-01-21")
    return story


def refuse(refuses: bool) -> None:
    Device.objects.update(options={"rejects": True} if refuses else {})


def network_ticket() -> Ticket:
    return Ticket.objects.get(kind=Ticket.Kind.NETWORK)


def test_an_order_that_is_given_up_opens_one_ticket_in_words(story: Story) -> None:
    refuse(True)
    with story.now(MORNING) as at:
        assert dispatch_enforcement(at) == {"parked": 1}
    ticket = network_ticket()
    assert (ticket.state, ticket.priority, ticket.queue.name) == ("open", Ticket.Priority.HIGH, "Support")
    said = "\n".join(ticket.comments.values_list("text", flat=True))
    assert "Device Edge 9 did not make line 100.64.9.1" in said
    assert "Edge 9 does not take this change." in said
    assert ticket not in tickets_of(story.account)  # the customer is not told what goes on among staff


def test_who_has_paid_and_is_still_held_makes_it_urgent(story: Story) -> None:
    with story.now(MORNING) as at:
        assert dispatch_enforcement(at) == {"confirmed": 1}
    refuse(True)
    story.pays("2026-01-21 10:00", "100.00")
    with story.now("2026-01-21 10:01") as at:
        reassess(story.account.pk)
        dispatch_enforcement(at)
    ticket = network_ticket()
    assert ticket.priority == Ticket.Priority.URGENT
    assert "should be free" in ticket.comments.order_by("-pk").values_list("text", flat=True)[0]


def test_the_device_that_obeys_at_last_closes_it(story: Story) -> None:
    refuse(True)
    with story.now(MORNING) as at:
        dispatch_enforcement(at)
    with story.now("2026-01-21 09:35"):
        reconcile()  # the device still refuses: the same words are not said twice
        lines = network_ticket().comments.count()
        reconcile()
        assert network_ticket().comments.count() == lines
        assert network_ticket().state == "open"
    refuse(False)
    with story.now("2026-01-21 09:40"):
        reconcile()
        tend_desk(clock.now())
    ticket = network_ticket()
    assert (ticket.state, ticket.closed_how) == ("closed", "obeyed")


def test_one_line_that_obeys_does_not_close_it_for_the_other(story: Story) -> None:
    second = ServiceLine.objects.create(account=story.account, ipv4="100.64.9.2")
    bad = Device.objects.create(name="Edge 10", options={"rejects": True})
    LinePlacement.objects.create(line=second, device=bad)
    LineState.objects.create(line=second, device=bad, desired_level="throttle", observed_level="open")
    desk.open_ticket(account=story.account, kind=Ticket.Kind.NETWORK, subject="A device does not obey")
    with story.now(MORNING) as at:
        assert dispatch_enforcement(at) == {"confirmed": 1}
        tend_desk(at)
    assert network_ticket().state == "open"
