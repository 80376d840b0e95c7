"""What a letter tells its reader alone, taken out of what is kept of it: the code and the link that were asked for.

A letter is rendered before it is sent, so its row holds them until then. When it has ended they are masked; one of
which nobody knows whether it went out is looked up at the provider by its very words, and is masked a day later.
"""

import re
from datetime import timedelta

from django.db.models import Q

from accounts.models import Notice
from billing_project.kernel import clock

MASK = "••••••"
TEMPLATE = "portal_link"
LOOKED_UP_FOR = timedelta(days=1, hours=1)
BATCH = 500
ON_ITS_WAY = (Notice.State.QUEUED, Notice.State.CLAIMED, Notice.State.SENDING)
_TOKEN = re.compile(r"(/portal/enter/)[^/\s?]+")


def is_masked(notice: Notice) -> bool:
    """Tell whether a letter's own link was taken out of what is kept of it."""
    return notice.template == TEMPLATE and MASK in str(notice.context.get("pay_url", ""))


def mask_secrets(notice: Notice) -> None:
    """Take code and link out of what is kept of a letter that was asked for; of any other, nothing."""
    if notice.template != TEMPLATE or is_masked(notice):
        return
    code = str(notice.context.get("sign_in_code", ""))
    notice.body = _TOKEN.sub(rf"\g<1>{MASK}", notice.body)
    notice.subject = _TOKEN.sub(rf"\g<1>{MASK}", notice.subject)
    notice.context = {name: _TOKEN.sub(rf"\g<1>{MASK}", str(text)) for name, text in notice.context.items()}
    if code:
        notice.body, notice.subject = notice.body.replace(code, MASK), notice.subject.replace(code, MASK)
        notice.context["sign_in_code"] = MASK
    Notice.objects.filter(pk=notice.pk).update(body=notice.body, subject=notice.subject, context=notice.context)


def forget_old_secrets() -> None:
    """Mask letters that ended without being masked, and those that were looked up long enough."""
    looked_up = ~Q(state=Notice.State.AMBIGUOUS) | Q(created_at__lt=clock.now() - LOOKED_UP_FOR)
    rows = Notice.objects.filter(looked_up, template=TEMPLATE).exclude(state__in=ON_ITS_WAY)
    for notice in rows.exclude(context__pay_url__icontains=MASK).order_by("created_at")[:BATCH]:
        mask_secrets(notice)
