"""More days for the customer: the dates that are offered, what each does and costs, and one press (P09)."""

from datetime import date
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.customer_time import choice_of, runs_until
from delinquency.models import Standing
from delinquency.operations import reassess
from delinquency.operations.portal_time import promise_in_portal


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def more_time(request: HttpRequest, account: Account) -> HttpResponse:
    """Show what may be promised and what it changes; on POST note it. What runs already is shown instead."""
    if request.method != "POST":
        return _shown(request, account)
    try:
        pay_by_on = date.fromisoformat(request.POST.get("pay_by", "")[:10])
        seen, shown = int(request.POST.get("seen", "")[:18]), request.POST.get(f"shown-{pay_by_on}", "")
    except ValueError:
        return _shown(request, account, _("The form was incomplete. Please choose again."), status=400)
    try:
        promise_in_portal(account, pay_by_on, seen=seen, shown=shown)
    except Refused as refusal:
        return _shown(request, account, refusal.words, status=409)
    return HttpResponseRedirect(reverse("portal-time"), status=303)


def _shown(request: HttpRequest, account: Account, wrong: str = "", *, status: int = 200) -> HttpResponse:
    # A check whose time has come, but that no sweep has made yet, is made now: what is shown must hold.
    if Standing.objects.filter(account=account, next_look_at__lte=clock.now()).exists():
        reassess(account.pk)
    choice = choice_of(account)
    not_now = choice.not_now
    if not_now is not None and wrong == not_now.words:
        wrong = ""  # it is said on the page already
    question = {"subject": _("More days to pay"), "text": _("I need more days to pay, because ")}
    return page(
        request,
        "portal/time.html",
        {
            "account": account, "choice": choice, "at": choice.at, "not_now": not_now, "wrong": wrong,
            "promise": choice.promise, "until": runs_until(account), "ask": f"?{urlencode(question)}",
        },
        status=status,
    )  # fmt: skip
