"""Nobody is cut off who cannot be told, until somebody mends the address (T16, A30, R-10)."""

import pytest

from accounts.models import Contact, Suppression
from accounts.outreach.reach import use_again
from accounts.outreach.suppressions import suppress
from billing_project.kernel.nudge import Nudge
from delinquency.queries import OUT_OF_REACH, why_not_cut
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
MAIL = "ann@customer.example"


def test_a_cut_waits_while_no_way_leads_to_the_billing_contact(nudges: list[Nudge]) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    Contact.objects.filter(account=story.account).update(phone="")
    with story.now("2026-01-10 10:00"):
        suppress("email", MAIL, Suppression.Reason.HARD_BOUNCE, "550 5.1.1")
    story.days("2026-01-01", "2026-01-21")
    with story.now("2026-01-21 12:00"):
        assert why_not_cut(story.account.pk) == OUT_OF_REACH
        contact = Contact.objects.get(account=story.account)
        contact.phone = "+15550100123"
        contact.save()
        assert why_not_cut(story.account.pk) == ""
        contact.phone = ""
        contact.save()
        assert why_not_cut(story.account.pk) == OUT_OF_REACH
        use_again("email", MAIL, "The provider was wrong")
        assert why_not_cut(story.account.pk) == ""
