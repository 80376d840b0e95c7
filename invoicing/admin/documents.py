"""The PDF of a row, on its own page and for the chosen rows of a list."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from unfold.decorators import action

from accounts.admin.base import DeskAdmin
from accounts.admin.confirm import ROWS_MAX
from billing_project.kernel.errors import Refused
from invoicing.documents.answers import pdf_answer, zip_answer
from invoicing.documents.bundle import Part

if TYPE_CHECKING:
    _Desk = DeskAdmin
else:
    _Desk = object


class DocumentsAdmin(_Desk):
    """Offer the PDF of each row, and of many rows as one ZIP; ``document`` says which PDF that is."""

    def document(self, row: Any) -> Part:
        """Return the PDF of a row, made when it is asked for."""
        raise NotImplementedError

    @action(description="PDF", icon="picture_as_pdf", permissions=["view"])
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the row's PDF as the customer gets it; if it cannot be made, say so on the row's page."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}.")
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        part = self.document(row)
        try:
            return pdf_answer(part.make(), part.name)
        except Refused as refused:
            messages.error(request, refused.words)
        home = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
        return HttpResponseRedirect(home, status=303)

    @admin.action(description="Download the PDFs of the chosen", permissions=["view"])
    def pdfs_of_chosen(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponseBase | None:
        """Give the PDFs of the chosen rows as one ZIP, sent while they are made."""
        chosen = list(rows[: ROWS_MAX + 1])
        if len(chosen) > ROWS_MAX:
            messages.error(request, f"Choose at most {ROWS_MAX} rows at a time; filter the list to get at the others.")
            return None
        return zip_answer((self.document(row) for row in chosen), f"{self.opts.model_name}s.zip")
