"""Which buttons an account's page offers: only those that would do something now."""

from typing import Any

from django.db.models import Exists, OuterRef, Subquery
from django.http import HttpRequest

from accounts.admin.base import number_of, staff_user
from accounts.models import Account
from billing_project.kernel import clock
from delinquency.models import GraceGrant, Standing
from delinquency.operations.grace import UNDO_WITHIN, why_not_undone
from invoicing.models import Charge


class FittingButtons:
    """Leaves out the buttons that would only be refused; one query, as every page asks."""

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to remove a flag where there is one, and to undo what the user gave just now."""
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        user, moment = staff_user(request), clock.now()
        own = GraceGrant.objects.filter(account=OuterRef("pk"), granted_by=user, granted_at__gte=moment - UNDO_WITHIN)
        flagged = Standing.objects.filter(account=OuterRef("pk"), flagged_on__isnull=False)
        fees = Charge.objects.filter(account=OuterRef("pk"), invoice=None, waived_at=None, amount__gt=0)
        about = Account.objects.filter(pk=number_of(object_id)).values_list(
            Exists(flagged), Exists(fees), Subquery(own.order_by("-pk").values("pk")[:1])
        )
        is_flagged, has_fees, grant_id = about.first() or (False, False, None)
        useless = {name for name, fits in (("unflag", is_flagged), ("waive_fee", has_fees)) if not fits}
        grant = GraceGrant.objects.select_related("account").filter(pk=grant_id).first() if grant_id else None
        if grant is None or why_not_undone(grant, user, moment):
            useless.add("undo_grace")
        return [button for button in found if button.path not in useless]
