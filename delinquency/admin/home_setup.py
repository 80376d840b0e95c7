"""What a new installation needs before it can bill: a short list with links, until all of it is done."""

from dataclasses import dataclass

from django.urls import reverse

from accounts.models import Account, AccountStatus, Company, TemplateTest, User
from delinquency.counting import any_of
from delinquency.models import PolicyVersion
from invoicing.models import BillingDefault
from netenforce.models import Device

# The name that the first migration gives: nobody has looked at it yet.
SHIPPED_COMPANY = "Demo Internet"


@dataclass(frozen=True, slots=True)
class ToDo:
    """One thing to set up."""

    words: str
    help: str
    url: str
    done: bool


def steps_to_do(user: User) -> list[ToDo]:
    """Return what is to be set up, with what is done ticked; none if all of it is done, or it is not theirs to do."""
    if not user.has_perm("accounts.add_company"):
        return []
    done = any_of(
        {
            "company": Company.objects.exclude(name=SHIPPED_COMPANY),
            "statuses": AccountStatus.objects.filter(activates_billing=False),
            "policy": PolicyVersion.objects.filter(state=PolicyVersion.State.PUBLISHED),
            "default": BillingDefault.objects.all(), "accounts": Account.objects.all(),
            "device": Device.objects.all(), "letter": TemplateTest.objects.all(),
        }
    )  # fmt: skip
    if all(done.values()):
        return []
    return [
        ToDo(words, why, reverse(f"admin:{page}"), done[key])
        for key, words, why, page in (
            ("company", "Name your company", "Its currency, time zone and the sender of its letters.",
             "accounts_company_changelist"),
            ("statuses", "Look at the account statuses", "One that is billed; one, such as Delinquent, that is not.",
             "accounts_accountstatus_changelist"),
            ("policy", "Publish a policy", "What happens to whom, how many days late. Start from a shipped one.",
             "delinquency_policy_changelist"),
            ("default", "Make a billing default", "On which day accounts are billed, and under which policy.",
             "invoicing_billingdefault_changelist"),
            ("accounts", "Bring in the accounts", "Add one to try it, or import them all from a file.",
             "accounts_account_changelist"),
            ("device", "Connect a device", "The router, RADIUS server or webhook that restricts and frees lines.",
             "netenforce_device_changelist"),
            ("letter", "Send yourself a test letter", "Open a letter, look at the preview, press “Send a test”.",
             "accounts_noticetemplate_changelist"),
        )
    ]  # fmt: skip
