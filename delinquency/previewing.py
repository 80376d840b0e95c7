"""What the post room asks before it shows a letter: how an account stands now, which accounts tell most, who writes."""

from django.db.models import Max

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import Invoice

from .models import PolicyVersion, StepRun
from .operations.letters import letter, next_harm
from .operations.messages import template_of
from .policy_file import policies_of
from .reading import read_positions
from .rules.policy import Do
from .rules.timeline import advance
from .rules.when import LOOK

LATE, RESTRICTED, LATE_SPANISH = "Late", "Restricted", "Late, reads Spanish"


def texts_for(account_id: int) -> dict[str, str]:
    """Return the texts that a letter to an account would have at this moment; nothing is written or decided.

    Empty for an account that is under no policy.
    """
    account = Account.objects.select_related("status", "company").get(pk=account_id)
    positions = read_positions([account])
    if not positions:
        return {}
    position = positions[0]
    until = (clock.local(clock.now(), account.timezone), LOOK)
    position.state = position.state.copy()
    advance(position.state, position.facts, position.policy, until, after=position.after)
    today = until[0].date()
    unpaid = {key: invoice for key, invoice in position.state.invoices.items() if invoice.remaining > 0}
    overdue = [key for key, invoice in unpaid.items() if invoice.due_on < today]
    return letter(position, overdue or list(unpaid), until, ahead=next_harm(position, until))


def telling_accounts() -> list[tuple[str, int]]:
    """Return a late account, a restricted one, and a late one that reads Spanish, each with words for its situation."""
    runs = StepRun.objects.filter(in_force=True, action=Do.RESTRICT)
    cut = runs.order_by("account__number").values_list("account_id", flat=True).first()
    late = (
        Account.objects.filter(
            closed_on__isnull=True, parked_at__isnull=True, contacts__is_billing_contact=True,
            invoice_standings__past_due_on__isnull=False, invoice_standings__invoice__state=Invoice.State.OPEN,
        )
        .exclude(pk__in=runs.values("account"))
        .order_by("number")
    )  # fmt: skip
    english = late.exclude(contacts__is_billing_contact=True, contacts__language="es")
    spanish = late.filter(contacts__is_billing_contact=True, contacts__language="es")
    found = (
        (LATE, english.values_list("pk", flat=True).first()),
        (RESTRICTED, cut),
        (LATE_SPANISH, spanish.values_list("pk", flat=True).first()),
    )
    return [(words, pk) for words, pk in found if pk is not None]


def uses_of_letters() -> dict[str, list[str]]:
    """Return which steps of the live policies write which letter, such as "Residential v2: notice"."""
    newest = (
        PolicyVersion.objects.filter(state=PolicyVersion.State.PUBLISHED)
        .values("policy")
        .annotate(most=Max("pk"))
        .values_list("most", flat=True)
    )
    names = {
        version.pk: str(version) for version in PolicyVersion.objects.select_related("policy").filter(pk__in=newest)
    }
    uses: dict[str, list[str]] = {}
    for pk, policy in policies_of(names).items():
        for step in policy.steps:
            key = template_of(step)
            if key:
                uses.setdefault(key, []).append(f"{names[pk]}: {step.key}")
    return {key: sorted(words) for key, words in uses.items()}
