"""Cards and bank accounts that customers add on the gateway's own page; only tokens come here (SEC-13)."""

from dataclasses import dataclass

from django.db import transaction

from accounts.models import Account, FundingSource
from accounts.operations import bar_funding_source, refresh_funding_source, replace_funding_source
from accounts.queries import funding_sources_by_rank
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_row
from invoicing.gateways.port import Page, PageFacts, PageRequest, PageState, SourceFacts
from invoicing.gateways.registry import gateway
from invoicing.models import PaymentAttempt, SourcePage

from . import ledger

RANKS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a customer comes back to from the gateway's page, done or not, and in which language it speaks."""

    return_url: str
    leave_url: str
    language: str = "en"


def open_page_to_add(account: Account, *, key: str, rank: int, way: Way) -> Page:
    """Open a page on which the customer adds a card for a rank, which it then replaces; raises Refused.

    The same key again opens the same page, as long as the gateway keeps it.
    """
    if not 1 <= rank <= RANKS_MAX:
        raise Refused("bad_rank", f"A card has a place from 1 to {RANKS_MAX}, not {rank}.")
    row, _ = SourcePage.objects.get_or_create(key=key, defaults={"account": account, "rank": rank})
    if row.account_id != account.pk:
        raise Refused("foreign_key", "This page was opened for another account; begin again.")
    request = PageRequest(
        key=key, account_ref=str(account.public_id), currency=account.company.currency, rank=rank,
        description=f"Account {account.number}", return_url=way.return_url, leave_url=way.leave_url,
        language=way.language, customer_token=customer_token(account),
    )  # fmt: skip
    try:
        page = gateway().page_to_add_source(request)
    except (Rejected, Unavailable, OutcomeUnknown) as error:
        raise Refused("gateway_unavailable", f"The payment provider's page cannot be opened now. {error}") from None
    SourcePage.objects.filter(pk=row.pk).update(page_id=page.page_id)
    return page


def take_added(page_id: str) -> str:
    """Store the card that was added on a page, once, and say what came of it; raises Unavailable."""
    row = SourcePage.objects.filter(page_id=page_id).first() if page_id else None
    if row is None:
        return "not a page of ours"
    if row.taken_at is not None:
        return "the card is stored already"
    facts = gateway().page_facts(page_id)
    if facts is None or facts.state is not PageState.DONE or facts.source is None:
        return "no card was added"
    return _store_once(row, facts)


@transaction.atomic
def _store_once(row: SourcePage, facts: PageFacts) -> str:
    ledger.lock_account(row.account_id)
    locked = lock_row(SourcePage.objects.select_related("account"), row.pk)
    if locked.taken_at is not None or facts.source is None:
        return "the card is stored already"
    rank = 0 if _changed_since(locked) else locked.rank
    source = keep_source(locked.account, facts.source, rank=rank)
    locked.taken_at = clock.now()
    locked.save(update_fields=["taken_at"])
    return f"{source} is stored as number {source.rank}"


def _changed_since(page: SourcePage) -> bool:
    """Tell whether another card came into the page's place while it was open: that one must not be replaced."""
    there = FundingSource.objects.filter(account_id=page.account_id, rank=page.rank).first()
    return there is not None and there.history.filter(history_date__gte=page.opened_at).exists()


@transaction.atomic
def keep_paid_with(attempt_id: int, facts: SourceFacts) -> FundingSource:
    """Store the card with which a customer has paid on a page and which they asked to keep; twice is once."""
    account_id = PaymentAttempt.objects.values_list("account_id", flat=True).get(pk=attempt_id)
    account = ledger.lock_account(account_id)
    attempt = lock_row(PaymentAttempt.objects.select_related("funding_source", "payment"), attempt_id)
    if attempt.funding_source is not None:
        return attempt.funding_source
    source = keep_source(account, facts)
    attempt.funding_source = source
    attempt.save(update_fields=["funding_source"])
    if attempt.payment is not None:
        attempt.payment.funding_source = source
        attempt.payment.save(update_fields=["funding_source"])
    return source


def keep_source(account: Account, facts: SourceFacts, *, rank: int = 0) -> FundingSource:
    """Store a card: in its own rank if it is known, else in the wanted or first free one, else in the last one's place.

    It was just used or confirmed, so a bar on it ends.
    """
    own = gateway().name
    rows = FundingSource.objects.filter(account=account)
    ranks = {row.source_token: row.rank for row in rows if row.gateway == own}
    taken = {row.rank for row in rows}
    free = next((number for number in range(1, RANKS_MAX) if number not in taken), RANKS_MAX)
    return replace_funding_source(
        account, ranks.get(facts.token, rank or free), source_token=facts.token, customer_token=facts.customer_token,
        gateway=own, brand=facts.brand, last4=facts.last4, expires_on=facts.expires_on,
    )  # fmt: skip


def bring_source_up_to_date(token: str) -> str:
    """Note what changed about a stored card at the gateway: a new expiry, or that it was removed there."""
    own = gateway()
    rows = list(FundingSource.objects.filter(gateway=own.name, source_token=token).order_by("pk"))
    if not rows:
        return "not a card of ours"
    facts = own.source_facts(token)
    done = []
    for row in rows:
        if facts is None:
            bar_funding_source(row, "it was removed at the gateway")
            done.append(f"{row} was removed there and is charged no more")
        elif refresh_funding_source(row, brand=facts.brand, last4=facts.last4, expires_on=facts.expires_on):
            done.append(f"{row} was renewed")
    return "; ".join(done) or "nothing new"


def customer_token(account: Account) -> str:
    """Return the gateway's name for this customer, if they have a source there."""
    known = funding_sources_by_rank({account.pk}).get(account.pk, {})
    own = gateway().name
    tokens = [known[rank].customer_token for rank in sorted(known) if known[rank].gateway == own]
    return next((token for token in tokens if token), "")
