"""Who of the staff stands above whom: nobody gives more than they hold, raises themselves, or shuts everybody out."""

from collections.abc import Iterable
from typing import cast

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_rows

from . import signals
from .groups import ADMINISTRATORS
from .models import User


def permissions_within(user: User) -> QuerySet[Permission]:
    """Return the permissions that a user holds and so may give."""
    everything = Permission.objects.all()
    if user.is_superuser:
        return everything
    held = Q(user=user) | Q(group__user=user)
    return everything.filter(pk__in=Permission.objects.filter(held).values("pk"))


def groups_within(user: User) -> QuerySet[Group]:
    """Return the groups that give nothing which a user does not hold: neither a permission nor a higher limit."""
    groups = Group.objects.all()
    if user.is_superuser:
        return groups
    above = Permission.objects.exclude(pk__in=permissions_within(user).values("pk"))
    groups = groups.exclude(permissions__in=above)
    for _receiver, too_high in signals.groups_with_higher_limits.send(sender=User, user=user):
        groups = groups.exclude(pk__in=cast(list[int], too_high))
    return groups


def may_edit_user(editor: User, user: User) -> bool:
    """Tell whether an editor may change a user: never oneself, and nobody who stands above."""
    if editor.pk == user.pk:
        return False
    if editor.is_superuser:
        return True
    if user.is_superuser:
        return False
    if user.user_permissions.exclude(pk__in=permissions_within(editor).values("pk")).exists():
        return False
    return not user.groups.exclude(pk__in=groups_within(editor).values("pk")).exists()


def may_edit_group(editor: User, group: Group) -> bool:
    """Tell whether an editor may change a role: never one of their own, and none that gives more than they hold."""
    if editor.groups.filter(pk=group.pk).exists():
        return False
    return editor.is_superuser or groups_within(editor).filter(pk=group.pk).exists()


def administrators() -> QuerySet[User]:
    """Return those who can let others in: superusers and Administrators that are switched on."""
    is_one = Q(is_superuser=True) | Q(groups__in=Group.objects.filter(name=ADMINISTRATORS))
    found = User.objects.filter(is_one, is_active=True, is_staff=True).distinct()
    return User.objects.filter(pk__in=found.values("pk"))


def check_one_remains(leaving: Iterable[int]) -> None:
    """Raise Refused unless an administrator is left when those leave; the others are locked, for two at once."""
    gone = set(leaving)
    rest = [user.pk for user in lock_rows(administrators(), list(administrators().values_list("pk", flat=True)))]
    if not set(rest) - gone:
        raise Refused(
            "last_administrator",
            "This is the last administrator. Make somebody else one first; otherwise nobody could let staff in.",
        )
