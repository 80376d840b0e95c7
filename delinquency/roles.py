"""The five roles that ship with the program: what each may do, and how much each may give away alone (SEC-10, SEC-21).

The groups of these names are kept to this table by every `migrate`, so that what a role may do is read here and in
the reviewed table of the tests, never guessed from a database. Who wants a role of their own makes another group.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import Group, Permission

from accounts.groups import ADMINISTRATORS, AUDITORS, CLERKS, MANAGERS, SUPPORT
from invoicing.models import MoneyLimit
from netenforce.models import ReleaseLimit

from .models import GraceLimit

# And of Django's own: roles.
ROOMS = ("accounts", "invoicing", "netenforce", "delinquency", "auth")

SUPPORT_DOES = (
    # people and letters
    "change_contact", "stop_channel", "add_suppression", "send_notice", "file_message", "resolve_exception",
    # tickets, calls, disputes
    "add_ticket", "change_ticket", "work_ticket", "reply_ticket", "merge_ticket", "add_ticketcomment",
    "change_calltask", "log_call", "change_dispute", "open_dispute",
    # small courtesies, within limits
    "grant_grace", "waive_fee", "release_line", "push_restore",
    # files, without contact data: who answers a customer needs no list of all of them
    "export_data",
)  # fmt: skip
CLERKS_DO = (
    *SUPPORT_DOES,
    # accounts
    "add_account", "change_account", "set_status", "add_contact", "add_serviceline", "change_serviceline",
    "add_fundingsource", "change_fundingsource", "bar_fundingsource", "close_links", "lift_suppression",
    "pause_everything", "move_bill_date", "change_billingparameters", "add_subscription", "change_subscription",
    # money
    "record_payment", "reverse_payment", "refund_payment", "charge_due", "resolve_payment", "handle_report",
    "add_charge", "change_charge", "credit_invoice", "void_invoice", "write_off_invoice", "approve_money",
    "add_bankfile", "change_bankfile",
    # late payers
    "decide_dispute", "decide_flag", "decide_airbag", "move_accounts", "change_case", "retry_order", "mass_grace",
    "hold_accounts", "import_payments",
    "add_exclusion", "change_exclusion", "delete_exclusion", "copy_holidays",
    # the drafts of policies, and what they would do
    "add_policy", "change_policy", "import_policy", "add_policyversion", "change_policyversion",
    "delete_policyversion", "add_policystep", "change_policystep", "delete_policystep", "publish_policy",
    "add_study", "change_study", "delete_study", "run_study",
    # the desk
    "add_cannedreply", "change_cannedreply", "delete_cannedreply", "add_macro", "change_macro", "delete_macro",
    "add_macroaction", "change_macroaction", "delete_macroaction", "change_ticketqueue", "add_queuehours",
    "change_queuehours", "delete_queuehours", "change_noticetemplate", "publish_noticetemplate",
    # proof
    "make_evidence_pack", "export_contacts", "share_savedfilter",
)  # fmt: skip
MANAGERS_DO = (
    *CLERKS_DO,
    "approve_grace", "approve_release", "resume_channel", "place_hold",
    "add_billingdefault", "change_billingdefault", "add_catalogitem", "change_catalogitem",
    "add_tax", "change_tax", "add_discount", "change_discount", "change_accountstatus", "change_accounttype",
    "change_outreachrules", "add_ticketqueue", "change_company",
    "resend_webhookdelivery", "verify_audit", "run_sweep", "change_actminutes",
    "import_data", "delete_importmapping", "run_shadow", "add_reportsubscription", "change_reportsubscription",
)  # fmt: skip
AUDITORS_DO = ("verify_audit", "make_evidence_pack", "export_data", "export_contacts")
EVERYTHING = ("*",)
_Holds = Group.permissions.through
_PAIR = ("group_id", "permission_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a role may do. It may see every row of the rooms; money limits are at one time, in the account's currency.

    ``does`` names permissions by their codename. A release limit is (hours, how often in 30 days for one account), and
    one of more time (days at once, how often in 12 months for one account).
    """

    name: str
    words: str
    does: tuple[str, ...]
    sees_not: tuple[str, ...] = ()
    waive_max: str = "0.00"
    write_off_max: str = "0.00"
    refund_max: str = "0.00"
    release: tuple[int, int] | None = None
    grace: tuple[int, int] | None = None


ROLES = (
    Role(
        name=ADMINISTRATORS, words="Set the program up: devices, policies, staff.", does=EVERYTHING,
        waive_max="1000.00", write_off_max="5000.00", refund_max="1000.00", release=(168, 12), grace=(366, 12),
    ),
    Role(
        name=MANAGERS, words="Lead the clerks: decide what is above their limits, set prices and defaults.",
        does=MANAGERS_DO, waive_max="500.00", write_off_max="2500.00", refund_max="500.00", release=(168, 8),
        grace=(90, 8),
    ),
    Role(
        name=CLERKS, words="Bill, take money, give more time, work the policies.",
        does=CLERKS_DO, sees_not=("view_auditentry",),
        waive_max="100.00", write_off_max="250.00", refund_max="100.00", release=(72, 4), grace=(30, 4),
    ),
    Role(
        name=SUPPORT, words="Answer customers: tickets, calls, small courtesies.",
        does=SUPPORT_DOES, sees_not=("view_auditentry",), waive_max="25.00", release=(24, 2), grace=(14, 2),
    ),
    Role(
        name=AUDITORS, words="Read everything, check the record, take it out as files; change nothing.",
        does=AUDITORS_DO,
    ),
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
    GraceLimit.objects.bulk_create(
        (
            GraceLimit(group=groups[role.name], days_max=role.grace[0], times_a_year=role.grace[1])
            for role in ROLES
            if role.grace is not None
        ),
        ignore_conflicts=True,
    )


def permissions_of(role: Role, known: set[str]) -> set[str]:
    """Return the codenames that a role holds, of those that the rooms know."""
    if role.does == EVERYTHING:
        return known
    seen = {codename for codename in known if codename.startswith("view_") and codename not in role.sees_not}
    return seen | (set(role.does) & known)
