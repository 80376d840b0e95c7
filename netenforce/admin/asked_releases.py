"""Releases above somebody's limit, which wait for a second person (SEC-21)."""

from django.contrib import admin

from accounts.admin.second_person import SecondPersonAdmin
from netenforce.models import ReleaseRequest
from netenforce.operations import asked_releases


@admin.register(ReleaseRequest)
class ReleaseRequestAdmin(SecondPersonAdmin):
    """Some hours of full access that one person asks for and another decides."""

    operations = asked_releases
    done = "Approved; the lines are released."
    empty_words = (
        "Nobody has asked for a release above their limit. Limits are set by role; a release that is longer, or one"
        " more in 30 days, waits here for a second person."
    )
    empty_link = ("Release limits", "admin:netenforce_releaselimit_changelist")
