"""The lines of tickets."""

from django.contrib import admin

from accounts.admin.base import ReadOnlyAdmin
from accounts.admin.moments import local_column
from delinquency.models import TicketComment


@admin.register(TicketComment)
class TicketCommentAdmin(ReadOnlyAdmin):
    """Notes on tickets; read and written on the ticket's page."""

    list_display = ("written", "ticket", "author", "text", "internal")
    list_select_related = ("ticket__account", "author")
    list_filter = ("internal",)
    search_fields = ("text", "ticket__number")
    date_hierarchy = "at"
    empty_words = "Nobody has written a note yet."
    written = local_column("at", "written", account="ticket__account")
