"""Staff, their roles, and the rows of celery-beat in the same dress."""

from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.forms import AdminOwnPasswordChangeForm, AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import groups, standing_of_staff
from accounts.models import BrowserSession, LastCode, User
from accounts.staff_access import end_sessions, has_second_factor, take_away_second_factor
from billing_project.kernel.errors import Refused

from .base import GOOD, NOTHING, QUIET, WARN, DeskAdmin, ReadOnlyAdmin, ReadOnlyTabular, badge, staff_user
from .confirm import ReasonForm, confirm_one
from .field_help import DeskForm, SaysHow, explain
from .fresh import FreshChanges, needs_fresh_proof
from .moments import local_column

admin.site.unregister(Group)
# Seen and changed on the pages of staff alone; addresses of mail are not used to sign in.
for hidden in (Authenticator, EmailAddress, EmailConfirmation):
    if admin.site.is_registered(hidden):
        admin.site.unregister(hidden)


# The page of one's own password is the admin's own, and takes no other form.
explain(AdminOwnPasswordChangeForm.base_fields)


class NewPasswordForm(SaysHow, AdminPasswordChangeForm):
    """A new password for somebody else."""


class StaffForm(UserChangeForm):
    """Edit a member of staff; the last administrator stays one."""

    def clean(self) -> dict[str, Any]:
        """Refuse a change after which nobody could let staff in."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        user = self.instance
        was_one = standing_of_staff.administrators().filter(pk=user.pk).exists()
        if was_one and not self._stays_administrator(found):
            with transaction.atomic():
                try:
                    standing_of_staff.check_one_remains([user.pk])
                except Refused as refusal:
                    raise forms.ValidationError(refusal.words) from refusal
        return found

    def _stays_administrator(self, found: dict[str, Any]) -> bool:
        def value(name: str) -> bool:
            # A field that is only shown is not among the answers.
            return bool(
                found.get(name, getattr(self.instance, name))
                if name in self.fields
                else self.initial.get(name, getattr(self.instance, name))
            )

        roles = found["groups"] if "groups" in found else self.instance.groups.all()
        is_one = value("is_superuser") or any(group.name == groups.ADMINISTRATORS for group in roles)
        return is_one and value("is_active") and value("is_staff")


class SessionsInline(ReadOnlyTabular):
    """The browsers in which somebody is signed in; their keys are shown to nobody."""

    model = BrowserSession
    fields = ("saved_at", "expire_date")
    readonly_fields = fields
    verbose_name_plural = "Browsers signed in (UTC): last seen, and when they end at the latest"
    ordering = ("-saved_at",)

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Tell whether the user may see staff at all."""
        return bool(request.user.has_perm("accounts.view_user"))


class LastCodeInline(ReadOnlyTabular):
    """When somebody last gave a code of their phone; no code of that half minute or an earlier one counts again."""

    model = LastCode
    fields = ("given",)
    readonly_fields = fields
    verbose_name_plural = "Last code of their phone"
    ordering = ("user",)

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Tell whether the user may see staff at all."""
        return bool(request.user.has_perm("accounts.view_user"))

    @display(description="Given (UTC, to the half minute)")
    def given(self, row: LastCode) -> str:
        """Return the half minute in words."""
        return f"{row.given_at:%Y-%m-%d %H:%M:%S}" if row.step else NOTHING


class _WithinOwnRights:
    """Offer only permissions and roles that the one who edits holds; the form refuses all others."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field with what may be chosen."""
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]
        editor = staff_user(request)
        if db_field.name == "groups":
            field.queryset = standing_of_staff.groups_within(editor)
        elif db_field.name in ("permissions", "user_permissions"):
            within = standing_of_staff.permissions_within(editor)
            field.queryset = within.select_related("content_type")
        return field


@admin.register(User)
class UserAdmin(_WithinOwnRights, FreshChanges, DjangoUserAdmin[User], DeskAdmin):
    """Members of staff. Customers have no user: they come in by a link."""

    form = StaffForm
    add_form = UserCreationForm
    change_password_form = NewPasswordForm
    inlines = (SessionsInline, LastCodeInline)
    list_display = ("username", "full_name", "role", "state", "second_factor", "browsers", "signed_in")
    list_filter = ("is_active", "is_superuser", "groups")
    readonly_fields = ("last_login", "date_joined", "second_factor")
    signed_in = local_column("last_login", "last signed in")
    actions_detail = ("end_sessions", "reset_second_factor")
    empty_words = "Add a member of staff; manage.py createsuperuser makes the first one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return staff with what the list shows of each, in a constant number of queries."""
        totp = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
        counted = super().get_queryset(request).annotate(
            has_totp=Exists(totp), sessions_count=Count("sessions", distinct=True)
        )  # fmt: skip
        return counted.prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the groups of fields, with the second factor beside the dates."""
        found = super().get_fieldsets(request, obj)
        if obj is None:
            return found
        return [*found, ("Second factor", {"fields": ("second_factor",)})]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the sessions, which somebody new has none of."""
        return self.inlines if obj is not None else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is only shown: superusers are made by superusers alone, and single permissions, too."""
        shown = tuple(super().get_readonly_fields(request, obj))
        return shown if request.user.is_superuser else (*shown, "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no to oneself, and to whoever holds more."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or standing_of_staff.may_edit_user(staff_user(request), obj))

    @needs_fresh_proof
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Add a member of staff, after a fresh proof."""
        return super().add_view(request, form_url, extra_context)

    @needs_fresh_proof
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002
        """Set somebody's password, after a fresh proof; it ends their sessions."""
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            user = self.get_object(request, unquote(id))
            assert user is not None
            end_sessions(user)
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Keep the roles; whoever got other ones, or was switched off, is signed out everywhere at once (SEC-19)."""
        super().save_related(request, form, formsets, change)
        if change and {"groups", "user_permissions", "is_active", "is_staff", "is_superuser"} & set(form.changed_data):
            end_sessions(form.instance)

    @display(description="Name")
    def full_name(self, user: User) -> str:
        """Return first and last name."""
        return user.get_full_name() or NOTHING

    @display(description="Role")
    def role(self, user: User) -> str:
        """Return the roles by name."""
        names = [group.name for group in user.groups.all()]
        return ", ".join((["Superuser"] if user.is_superuser else []) + names) or "none: may do nothing"

    @display(description="State", ordering="is_active")
    def state(self, user: User) -> SafeString:
        """Tell whether they may sign in."""
        return badge("May sign in", GOOD) if user.is_active and user.is_staff else badge("Switched off", QUIET)

    @display(description="Second factor")
    def second_factor(self, user: User) -> SafeString:
        """Tell whether they give a code beside the password."""
        has = user.has_totp if hasattr(user, "has_totp") else bool(user.pk) and has_second_factor(user)
        return badge("Set up", GOOD) if has else badge("Not set up", WARN)

    @display(description="Browsers")
    def browsers(self, user: User) -> int:
        """Return in how many browsers they are signed in."""
        return int(getattr(user, "sessions_count", 0))

    def has_end_sessions_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Tell whether the user may sign others out: oneself, and nobody above."""
        if not request.user.has_perm("accounts.end_sessions"):
            return False
        user = self.get_object(request, str(object_id)) if object_id is not None else None
        editor = staff_user(request)
        return user is None or user.pk == editor.pk or standing_of_staff.may_edit_user(editor, user)

    def has_reset_second_factor_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Tell whether the user may take a second factor away: of others, and of nobody above."""
        if not request.user.has_perm("accounts.reset_second_factor"):
            return False
        user = self.get_object(request, str(object_id)) if object_id is not None else None
        return user is None or standing_of_staff.may_edit_user(staff_user(request), user)

    @action(description="End all sessions", icon="logout", permissions=["end_sessions"])
    def end_sessions(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Sign somebody out of every browser."""

        def carry_out(user: User, data: dict[str, Any]) -> str:
            if not self.has_end_sessions_permission(request, user.pk):
                raise PermissionDenied
            count = end_sessions(user)
            self.log_change(request, user, f"Ended all sessions: {data['reason']}")
            return f"{user.get_username()} is signed out of {count} browser{'' if count == 1 else 's'}."

        return confirm_one(
            self, request, object_id, title="End all sessions", submit="Sign out everywhere", carry_out=carry_out,
            words="Every browser in which this user is signed in asks for name and password at the next click.",
        )  # fmt: skip

    @action(description="Take second factor away", icon="phonelink_erase", permissions=["reset_second_factor"])
    @needs_fresh_proof
    def reset_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take somebody's second factor away, such as after a lost phone."""

        def carry_out(user: User, data: dict[str, Any]) -> str:
            if not self.has_reset_second_factor_permission(request, user.pk):
                raise PermissionDenied
            if not take_away_second_factor(user):
                raise Refused("no_second_factor", f"{user.get_username()} has no second factor; nothing to take away.")
            self.log_change(request, user, f"Took the second factor away: {data['reason']}")
            return f"{user.get_username()} is signed out, and signs in with the password alone to set up a new one."

        return confirm_one(
            self, request, object_id, title="Take the second factor away", submit="Take it away", danger=True,
            words="For a lost phone. Make sure that it is really this person who asks: call them back on a number you"
            " know. Their codes and recovery codes stop working, and they are signed out everywhere.",
            carry_out=carry_out, form_class=ReasonForm,
        )  # fmt: skip


class CopyForm(DeskForm):
    """Ask for the name of a new role."""

    name = forms.CharField(max_length=150, help_text="Such as “Night clerks”.")

    def clean_name(self) -> str:
        """Refuse a name that is taken."""
        name = str(self.cleaned_data["name"]).strip()
        if Group.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError(f"There is a role “{name}” already; choose another name.")
        return name


@admin.register(Group)
class GroupAdmin(_WithinOwnRights, FreshChanges, DjangoGroupAdmin, DeskAdmin):  # type: ignore[misc]
    """Roles: the five that ship are only read, since every update of the program sets them anew."""

    may_delete = True
    list_display = ("name", "kind")
    actions_detail = ("copy_role",)
    empty_words = "Add a group such as Clerks, give it permissions, and put staff into it."

    @display(description="Kind")
    def kind(self, group: Group) -> SafeString:
        """Tell whether a role ships with the program."""
        return badge("Ships with the program") if group.name in groups.SHIPPED else badge("Your own", GOOD)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no to shipped roles, to one's own, and to those that give more than one holds."""
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no likewise."""
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse to delete, also from the list, what may not be changed."""
        found, counts, missing, protected = super().get_deleted_objects(objs, request)
        missing |= {f"the role {group}" for group in objs if not self._may_touch(request, group)}
        return found, counts, missing, protected

    @needs_fresh_proof
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Add a role, after a fresh proof."""
        return super().add_view(request, form_url, extra_context)

    def has_copy_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Tell whether the user may copy roles."""
        return bool(request.user.has_perm("auth.add_group"))

    @action(description="Copy to a role of your own", icon="content_copy", permissions=["copy"])
    @needs_fresh_proof
    def copy_role(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a role of one's own that begins with the permissions of another."""
        made: list[Group] = []

        def carry_out(group: Group, data: dict[str, Any]) -> str:
            within = standing_of_staff.permissions_within(staff_user(request))
            with transaction.atomic():
                copy = Group.objects.create(name=data["name"])
                copy.permissions.set(group.permissions.filter(pk__in=within.values("pk")))
                self.log_addition(request, copy, f"Copied from {group}.")
            made.append(copy)
            return f"{copy} is made. It has no limits for money yet: add one under Money limits, or it may give none."

        return confirm_one(
            self, request, object_id, title="Copy to a role of your own", submit="Copy", carry_out=carry_out,
            form_class=CopyForm, back=lambda _row: _page_of(made),
            words="The new role begins with the permissions of this one that you hold yourself; then change it.",
        )  # fmt: skip

    def _may_touch(self, request: HttpRequest, group: Group | None) -> bool:
        if group is None:
            return True
        return group.name not in groups.SHIPPED and standing_of_staff.may_edit_group(staff_user(request), group)


def _page_of(made: list[Group]) -> str:
    return reverse("admin:auth_group_change", args=[made[0].pk]) if made else reverse("admin:auth_group_changelist")


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
