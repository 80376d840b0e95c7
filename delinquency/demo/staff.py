"""The people who work there: a clerk, somebody in support, and who administers it all."""

import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import cast

from django.contrib.auth.models import Group, Permission
from django.utils.module_loading import import_string

from accounts.models import User
from invoicing.models import MoneyLimit
from netenforce.models import ReleaseLimit
from netenforce.operations.releases import SENSIBLE

ROOMS = ("accounts", "invoicing", "netenforce", "delinquency")
# What only an administrator changes is not named; money, notices, events and history are never changed at all.
CLERKS_DO = (
    "change_account", "add_account", "change_contact", "add_contact", "change_serviceline",
    "add_serviceline", "add_fundingsource", "change_fundingsource", "change_attention",
    "change_billingparameters", "add_subscription", "change_subscription", "add_payment", "change_payment",
    "add_charge", "change_charge", "change_invoice", "add_gracegrant", "change_standing",
    "add_dispute", "change_dispute",
    "change_ticket", "add_ticket", "reply_ticket",
    "merge_ticket", "add_cannedreply", "change_cannedreply", "delete_cannedreply", "add_macro", "change_macro",
    "delete_macro", "add_macroaction", "change_macroaction", "delete_macroaction", "change_ticketqueue",
    "add_queuehours", "change_queuehours", "delete_queuehours",
    "add_ticketcomment", "change_calltask", "add_exclusion", "change_exclusion", "delete_exclusion",
    "change_case", "add_study", "change_study", "delete_study", "change_pause", "change_airbagtrip",
    "add_policy", "change_policy", "add_policyversion", "change_policyversion", "delete_policyversion",
    "add_policystep", "change_policystep", "delete_policystep", "change_paymentattempt", "change_gatewayevent",
    "change_notice", "change_inboundmessage", "add_suppression", "change_suppression",
    "change_noticetemplate", "publish_noticetemplate",
    "record_payment", "reverse_payment", "refund_payment", "waive_fee", "credit_invoice", "void_invoice",
    "write_off_invoice", "approve_money", "add_bankfile", "change_bankfile",
)  # fmt: skip
SUPPORT_DOES = (
    "change_contact", "change_ticket", "add_ticket", "reply_ticket", "merge_ticket",
    "add_ticketcomment", "change_calltask", "add_gracegrant", "add_dispute", "change_dispute",
    "change_attention", "change_inboundmessage", "add_suppression", "waive_fee",
)  # fmt: skip
# What each group may give away alone: fees and credits, write-offs and voids, refunds.
LIMITS = {"Billing clerks": ("100.00", "250.00", "100.00"), "Support": ("25.00", "0.00", "0.00")}
GROUPS = {"Billing clerks": CLERKS_DO, "Support": SUPPORT_DOES}
STAFF = (
    ("admin", "Avery", "Administrator", None),
    ("clerk", "Casey", "Clerk", "Billing clerks"),
    ("support", "Sandy", "Support", "Support"),
)
# Without the signs that are mistaken for one another.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"


def hire() -> User:
    """Make the groups and the three members of staff; return the clerk."""
    for name, does in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        in_rooms = Permission.objects.filter(content_type__app_label__in=ROOMS)
        group.permissions.set(in_rooms.filter(codename__startswith="view_").union(in_rooms.filter(codename__in=does)))
        waive, write_off, refund = (Decimal(amount) for amount in LIMITS[name])
        MoneyLimit.objects.get_or_create(
            group=group, defaults={"waive_max": waive, "write_off_max": write_off, "refund_max": refund}
        )
        hours, times = SENSIBLE[name]
        ReleaseLimit.objects.get_or_create(group=group, defaults={"hours_max": hours, "releases_a_month": times})
    for username, first, last, group_name in STAFF:
        user = User(
            username=username, first_name=first, last_name=last, email=f"{username}@valley-fibre.example",
            is_staff=True, is_superuser=group_name is None,
        )  # fmt: skip
        user.set_password(password_of(username))
        user.save()
        if group_name is not None:
            user.groups.set(Group.objects.filter(name=group_name))
    return User.objects.get(username="clerk")


def password_of(username: str) -> str:
    """Return the demo password of a member of staff: made once for this installation and kept in its state folder."""
    # By its name: rooms do not import the wiring around them.
    kept = cast(Callable[[str, Callable[[], str]], str], import_string("billing_project.places.kept_secret"))
    return kept(f"demo_password_{username}", _new_password)


def logins() -> list[str]:
    """Return a line for each member of staff who still has the demo password."""
    lines = []
    for user in User.objects.filter(username__in=[row[0] for row in STAFF]).order_by("username"):
        if user.check_password(password_of(user.username)):
            lines.append(f"{user.username} / {password_of(user.username)}  ({user.first_name} {user.last_name})")
        else:
            lines.append(f"{user.username}  (the password has been changed since)")
    return lines


def _new_password() -> str:
    return "-".join("".join(secrets.choice(SIGNS) for _ in range(4)) for _ in range(3))
