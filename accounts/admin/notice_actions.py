"""What staff may do with a letter: send it again, or say how one ended of which nobody knew (R-09)."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from accounts.models import Notice
from accounts.outreach import resend

from .base import number_of, staff_user
from .confirm import confirm_one

AMBIGUOUS_ONLY = frozenset({"it_arrived", "it_did_not_arrive"})


class NoticeActions:
    """The buttons on a notice's page and in the list of notices."""

    notice_actions: ClassVar[tuple[str, ...]] = ("it_arrived", "it_did_not_arrive", "send_again")

    @action(description="Send again", icon="forward_to_inbox", permissions=["operate"])
    def send_again(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, warn of a second copy, and queue the letter anew."""

        def carry_out(notice: Notice, data: dict[str, Any]) -> str:
            new = resend.send_again(notice, data["reason"], by=staff_user(request))
            return f"Queued again to {new.to_address}; it goes out within a minute, at a decent hour."

        return confirm_one(
            self, request, object_id, title="Send again", submit="Send again", carry_out=carry_out,
            words="It is written anew and goes to the contact's address of now, through the contact rules.",
            facts=lambda notice: list(filter(None, [resend.warning_of(notice)])),
        )  # fmt: skip

    @action(description="It arrived", icon="mark_email_read", permissions=["operate"])
    def it_arrived(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how one knows, and count the letter as delivered."""

        def carry_out(notice: Notice, data: dict[str, Any]) -> str:
            resend.say_it_arrived(notice, data["reason"], by=staff_user(request))
            return "It counts as delivered; a cut that had to wait for it may go on."

        return confirm_one(
            self, request, object_id, title="It arrived", submit="It arrived", carry_out=carry_out,
            words="Say how you know: the customer said so, or it stands in the provider's log. It then counts as the"
            " notice that must come before a cut.",
        )  # fmt: skip

    @action(description="It did not arrive", icon="unsubscribe", permissions=["operate"])
    def it_did_not_arrive(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how one knows, and count the letter as failed; the next way is tried."""

        def carry_out(notice: Notice, data: dict[str, Any]) -> str:
            resend.say_it_did_not_arrive(notice, data["reason"], by=staff_user(request))
            return "It counts as failed. What must reach the customer goes another way."

        return confirm_one(
            self, request, object_id, title="It did not arrive", submit="It did not arrive", carry_out=carry_out,
            words="Say how you know. A letter that must reach the customer then goes by the next channel that is open;"
            " if there is none, an exception says so.",
        )  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what fits the letter's state."""
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        row = Notice.objects.filter(pk=number_of(object_id)).only("state").first()
        useless: set[str] = set() if row and row.state == Notice.State.AMBIGUOUS else set(AMBIGUOUS_ONLY)
        if row is None or row.state in resend.ON_ITS_WAY:
            useless.add("send_again")
        return [button for button in found if button.path.replace("-", "_") not in useless]
