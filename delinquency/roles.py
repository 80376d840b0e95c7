"""The five roles that ship with the program: what each may do, and how much each may give away alone (SEC-10, SEC-21).

The groups of these names are kept to this table by every `migrate`, so that what a role may do is read here and in
the reviewed table of the tests, never guessed from a database. Who wants a role of their own makes another group.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import Group, Permission

from invoicing.models import MoneyLimit
from netenforce.models import ReleaseLimit

ROOMS = ("accounts", "invoicing", "netenforce", "delinquency")
ADMINISTRATORS, MANAGERS, CLERKS = "Administrators", "Billing managers", "Billing clerks"
SUPPORT, AUDITORS = "Support", "Auditors"

SUPPORT_DOES = (
    "change_contact", "change_ticket", "add_ticket", "reply_ticket", "merge_ticket",
    "add_ticketcomment", "change_calltask", "add_gracegrant", "add_dispute", "change_dispute",
    "change_attention", "change_inboundmessage", "add_suppression", "waive_fee",
    "export_data",  # without contact data: who answers a customer needs no list of all of them
)  # fmt: skip
CLERKS_DO = (
    *SUPPORT_DOES,
    "change_account", "add_account", "add_contact", "change_serviceline", "add_serviceline", "add_fundingsource",
    "change_fundingsource", "change_billingparameters", "add_subscription", "change_subscription",
    "add_payment", "change_payment", "add_charge", "change_charge", "change_invoice", "change_standing",
    "add_cannedreply", "change_cannedreply", "delete_cannedreply", "add_macro", "change_macro",
    "delete_macro", "add_macroaction", "change_macroaction", "delete_macroaction", "change_ticketqueue",
    "add_queuehours", "change_queuehours", "delete_queuehours",
    "add_exclusion", "change_exclusion", "delete_exclusion",
    "change_case", "add_study", "change_study", "delete_study", "change_pause", "change_airbagtrip",
    "add_policy", "change_policy", "add_policyversion", "change_policyversion", "delete_policyversion",
    "add_policystep", "change_policystep", "delete_policystep", "change_paymentattempt", "change_gatewayevent",
    "change_notice", "change_suppression",
    "change_noticetemplate", "publish_noticetemplate",
    "record_payment", "reverse_payment", "refund_payment", "credit_invoice", "void_invoice",
    "write_off_invoice", "approve_money", "add_bankfile", "change_bankfile",
    "export_contacts", "share_savedfilter",
)  # fmt: skip
MANAGERS_DO = (
    *CLERKS_DO,
    "grant_beyond_limit", "add_billingdefault", "change_billingdefault", "add_catalogitem", "change_catalogitem",
    "add_tax", "change_tax", "add_discount", "change_discount", "change_accountstatus", "change_accounttype",
    "change_outreachrules", "add_ticketqueue", "change_company",
    "add_reportsubscription", "change_reportsubscription",
)  # fmt: skip
AUDITORS_DO = ("export_data", "export_contacts")
EVERYTHING = ("*",)
_Holds = Group.permissions.through
_PAIR = ("group_id", "permission_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a role may do. It may see every row of the rooms; money limits are at one time, in the account's currency.

    ``does`` names permissions by their codename. A release limit is (hours, how often in 30 days for one account).
    """

    name: str
    words: str
    does: tuple[str, ...]
    waive_max: str = "0.00"
    write_off_max: str = "0.00"
    refund_max: str = "0.00"
    release: tuple[int, int] | None = None


ROLES = (
    Role(
        name=ADMINISTRATORS, words="Set the program up: devices, policies, staff.", does=EVERYTHING,
        waive_max="1000.00", write_off_max="5000.00", refund_max="1000.00", release=(168, 12),
    ),
    Role(
        name=MANAGERS, words="Lead the clerks: decide what is above their limits, set prices and defaults.",
        does=MANAGERS_DO, waive_max="500.00", write_off_max="2500.00", refund_max="500.00", release=(168, 8),
    ),
    Role(
        name=CLERKS, words="Bill, take money, give more time, work the policies.",
        does=CLERKS_DO, waive_max="100.00", write_off_max="250.00", refund_max="100.00", release=(72, 4),
    ),
    Role(
        name=SUPPORT, words="Answer customers: tickets, calls, small courtesies.",
        does=SUPPORT_DOES, waive_max="25.00", release=(24, 2),
    ),
    Role(name=AUDITORS, words="Read everything and take it out as files, change nothing.", does=AUDITORS_DO),
)  # fmt: skip


def ensure_roles() -> None:
    """Make the shipped groups what the table says; limits are only begun here, since an administrator sets them.

    A few queries, however many permissions there are: it runs after every migration.
    """
    in_rooms = Permission.objects.filter(content_type__app_label__in=ROOMS)
    numbers = dict(in_rooms.values_list("codename", "pk"))
    names = [role.name for role in ROLES]
    Group.objects.bulk_create((Group(name=name) for name in names), ignore_conflicts=True)
    groups = Group.objects.in_bulk(names, field_name="name")
    wanted = {
        (groups[role.name].pk, numbers[codename]) for role in ROLES for codename in permissions_of(role, set(numbers))
    }
    held = _Holds.objects.filter(group__name__in=names, permission__content_type__app_label__in=ROOMS)
    has = {(group_id, permission_id): pk for pk, group_id, permission_id in held.values_list("pk", *_PAIR)}
    _Holds.objects.filter(pk__in=[pk for pair, pk in has.items() if pair not in wanted]).delete()
    _Holds.objects.bulk_create(
        (_Holds(group_id=group, permission_id=permission) for group, permission in sorted(wanted - set(has))),
        ignore_conflicts=True,
    )
    MoneyLimit.objects.bulk_create(
        (
            MoneyLimit(
                group=groups[role.name], waive_max=Decimal(role.waive_max), write_off_max=Decimal(role.write_off_max),
                refund_max=Decimal(role.refund_max),
            )
            for role in ROLES
        ),
        ignore_conflicts=True,
    )  # fmt: skip
    ReleaseLimit.objects.bulk_create(
        (
            ReleaseLimit(group=groups[role.name], hours_max=role.release[0], releases_a_month=role.release[1])
            for role in ROLES
            if role.release is not None
        ),
        ignore_conflicts=True,
    )


def permissions_of(role: Role, known: set[str]) -> set[str]:
    """Return the codenames that a role holds, of those that the rooms know."""
    if role.does == EVERYTHING:
        return known
    return {codename for codename in known if codename.startswith("view_")} | (set(role.does) & known)
