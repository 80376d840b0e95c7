"""Staff, their groups, and the rows of celery-beat in the same dress."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import User

from .base import DeskAdmin, ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User], DeskAdmin):
    """Members of staff. Customers have no user: they come in by a link."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    empty_words = "Add a member of staff; manage.py createsuperuser makes the first one."


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, DeskAdmin):
    """Groups of permissions."""

    may_delete = True
    empty_words = "Add a group such as Clerks, give it permissions, and put staff into it."


class BeatAdmin(ReadOnlyAdmin):
    """Celery-beat's own rows, which this program does not read: its timetable is billing_project/schedule.py."""

    empty_words = "Nothing is scheduled from here: the timetable is one page of code, billing_project/schedule.py."


def dress_beat(models: Any) -> None:
    """Show celery-beat's models for reading only: a change here would have no effect."""
    for model in models:
        if admin.site.is_registered(model):
            admin.site.unregister(model)
        admin.site.register(model, BeatAdmin)


if apps.is_installed("django_celery_beat"):
    # PeriodicTasks is one row with the time of the last change, no screen.
    dress_beat(
        model for model in apps.get_app_config("django_celery_beat").get_models() if model.__name__ != "PeriodicTasks"
    )
