"""What the next 24 hours bring, in counts, money and names, before it happens (K2)."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from accounts.admin.base import local_time
from accounts.admin.exporting import hand_out
from billing_project.kernel import clock
from delinquency.models import RunRequest
from delinquency.tonight import AT_ONCE, Coming, coming, due_ids, totals

ROWS_PER_PAGE = 50
COLUMNS = ("number", "name", "what", "local_at", "at", "invoice", "amount", "currency", "why")
HEADS = ("account", "name", "what", "when (account's time)", "when (UTC)", "invoice", "amount", "currency", "why")


class TonightPage:
    """The page of what comes next."""

    def get_urls(self) -> list[Any]:
        """Add the page before the admin's own."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        page = path("tonight/", site.admin_view(require_safe(self.tonight)), name="delinquency_taskrun_tonight")
        return [page, *super().get_urls()]  # type: ignore[misc]

    def tonight(self, request: HttpRequest) -> HttpResponseBase:
        """Show what the coming day brings if nobody pays: how much of what, and to whom; also as a file."""
        if not request.user.has_perms(("delinquency.view_taskrun", "accounts.view_account")):
            raise PermissionDenied
        now, last = clock.now(), None
        ids = due_ids(now)
        if len(ids) <= AT_ONCE:
            rows = coming(ids)
        else:
            last = RunRequest.objects.filter(kind=RunRequest.Kind.PREVIEW, state=RunRequest.State.DONE).first()
            rows = [Coming(**row) for row in last.result["rows"]] if last else []
        kind = request.GET.get("kind", "")
        wanted = [row for row in rows if not kind or row.kind == kind]
        if "csv" in request.GET:
            return hand_out(request, _lines(wanted), source="tonight", title="What comes next", of=kind)
        site: Any = self.admin_site  # type: ignore[attr-defined]
        page = Paginator(wanted, ROWS_PER_PAGE).get_page(request.GET.get("page"))
        context = {
            **site.each_context(request), "opts": self.opts, "title": "What comes next", "totals": totals(rows),  # type: ignore[attr-defined]
            "page": page, "kind": kind, "accounts": len({row.account_id for row in rows}), "due": len(ids),
            "stored": len(ids) > AT_ONCE, "made_at": local_time(last.finished_at) if last else "",
            "ask_url": reverse("admin:delinquency_runrequest_ask", args=[RunRequest.Kind.PREVIEW]),
            "may_run": request.user.has_perm("delinquency.run_sweep"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/sweeps_tonight.html", context)


def _lines(rows: list[Coming]) -> Iterator[list[str]]:
    yield list(HEADS)
    for row in rows:
        yield [str(getattr(row, name)) for name in COLUMNS]
