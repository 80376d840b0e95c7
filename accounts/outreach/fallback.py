"""When a way to a person is closed, try the next one; when none is left, say so (R-10, A30, D9).

Only letters that somebody needs go another way: a courtesy, or a link that somebody asked to get by e-mail, does not.
"""

from collections.abc import Iterable, Mapping

from accounts import signals
from accounts.models import Contact, Notice
from accounts.models.notice import Channel
from accounts.operations import AttentionRequest, raise_attentions
from billing_project.kernel import clock

from . import numbers, rules
from .gathering import limits_of, reach_of
from .letterbook import Urgency, keys_of, letter_kind
from .suppressions import Place, normal, suppressed

ORDER = (Channel.EMAIL.value, Channel.SMS.value, Channel.VOICE.value)
# Of these nobody is harmed who does not get them.
COURTESY = keys_of(Urgency.COURTESY)
UNDER_WAY = (Notice.State.QUEUED, Notice.State.CLAIMED, Notice.State.SENDING, Notice.State.AMBIGUOUS)


def is_needed(template: str) -> bool:
    """Tell whether a letter must reach its person by one way or another."""
    return template not in COURTESY and template not in rules.ASKED_FOR


def open_ways(contact: Contact, listed: Mapping[Place, str], template: str = "") -> list[str]:
    """Return the channels by which the program may reach a contact of its own accord, best first.

    With a ``template``, only those for which that letter has words. A machine calls only people who agreed to that; an
    explicit voice step of a policy is the operator's own decision.
    """
    reach, kind = reach_of(contact), letter_kind(template)
    found = []
    for channel in kind.channels if kind else ORDER:
        address = reach.address(channel)
        if rules.why_unreachable(reach, channel) or (channel, normal(channel, address)) in listed:
            continue
        if channel == Channel.VOICE and contact.consented_at is None:
            continue
        if channel != Channel.EMAIL:
            said = numbers.facts_of(address)
            if said.takes_money or said.country not in limits_of(contact.account.company, channel).countries:
                continue
        found.append(channel)
    return found


def listed_places(contacts: Iterable[Contact]) -> dict[Place, str]:
    """Return which addresses of some people are left alone; one query."""
    return suppressed((channel, reach_of(person).address(channel)) for person in contacts for channel in ORDER)


def out_of_reach(account_ids: Iterable[int]) -> set[int]:
    """Return the accounts whose billing contact had an address, lost it (bounced, opted out), and has no other way.

    Their lines wait before they are cut (A30, R-10). Somebody without any address from the start is not among them:
    that is put before the clerks when the first letter is written (A26), and does not stop a policy.
    """
    people = list(
        Contact.objects.filter(account_id__in=list(account_ids), is_billing_contact=True).select_related(
            "account__company__outreach_rules"
        )
    )
    listed = listed_places(people)
    return {
        person.account_id
        for person in people
        if any((channel, normal(channel, reach_of(person).address(channel))) in listed for channel in ORDER)
        and not open_ways(person, listed)
    }


def fall_back(notice: Notice) -> list[Notice]:
    """Write a letter that could not reach its person by the next channel; tell staff if there is none."""
    from .outbox import NoticeRequest, enqueue  # the outbox uses this module, too

    contact = notice.contact
    if contact is None or not is_needed(notice.template):
        return []
    same = Notice.objects.filter(
        account=notice.account_id, anchor_key=notice.anchor_key, step_key=notice.step_key,
        occurrence=notice.occurrence, contact=notice.contact_id,
    )  # fmt: skip
    tried = {row.channel: row.state for row in same.only("channel", "state")}
    if any(state in UNDER_WAY or state in Notice.TOLD for state in tried.values()):
        return []  # it reaches them another way already
    if clock.now() - notice.created_at > rules.GOOD_FOR:
        # Its days and sums are those of then; telling the customer something else is a person's decision.
        raise_attentions([_came_back_late(notice)])
        return []
    ways = open_ways(contact, listed_places([contact]), notice.template)
    channel = next((way for way in ways if way not in tried), None)
    if channel is None:
        tell_staff([notice])
        return []
    return enqueue(
        NoticeRequest(
            account_id=notice.account_id, anchor_key=notice.anchor_key, step_key=notice.step_key,
            occurrence=notice.occurrence, template=notice.template, contact_id=contact.pk, channels=(channel,),
            context=notice.context, fallback_of=notice.pk,
            why=f"By {Channel(channel).label}, because {notice.get_channel_display()} failed: {notice.why}",
        )
    )  # fmt: skip


def _came_back_late(notice: Notice) -> AttentionRequest:
    return AttentionRequest(
        code="notice-too-late",
        key=f"notice:{notice.pk}",
        account_id=notice.account_id,
        words=f"The {notice.get_channel_display()} notice {notice.template!r} to account {notice.account.number} did"
        f" not arrive, and that was known only {(clock.now() - notice.created_at).days} days later: too late to send"
        f" the same words another way. {notice.why} Tell the customer yourself if it still matters.",
    )


def tell_staff(notices: Iterable[Notice]) -> None:
    """Put it before staff that people cannot be reached any more: an exception, and a ticket by who listens."""
    rows = list(notices)
    raise_attentions(
        AttentionRequest(
            code="cannot-be-reached",
            key=f"account:{row.account_id}",
            account_id=row.account_id,
            words=f"{row.contact or 'The billing contact'} of account {row.account.number} cannot be reached: notice"
            f" {row.template!r} came through by no channel. {row.why} Find another address or number; until then a line"
            " is not cut off.",
        )
        for row in rows
    )
    for row in rows:
        signals.unreachable.send(
            sender=Notice,
            account_ids=[row.account_id],
            words=f"Notice {row.template!r} reached {row.contact or 'nobody'} by no channel. {row.why}".strip(),
        )
