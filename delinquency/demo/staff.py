"""The people who work there: one of each role, and who administers it all."""

import secrets
from collections.abc import Callable
from typing import cast

from django.contrib.auth.models import Group
from django.utils.module_loading import import_string

from accounts import groups
from accounts.models import User

STAFF = (
    ("admin", "Avery", "Administrator", None),
    ("manager", "Morgan", "Manager", groups.MANAGERS),
    ("clerk", "Casey", "Clerk", groups.CLERKS),
    ("support", "Sandy", "Support", groups.SUPPORT),
    ("auditor", "Audrey", "Auditor", groups.AUDITORS),
)
# Without the signs that are mistaken for one another.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"


def hire() -> User:
    """Make a member of staff of each role; return the clerk."""
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
