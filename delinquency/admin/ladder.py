"""A policy's steps in words: what each does, when, and what holds it back."""

from typing import Any

from delinquency.models import PolicyStep, PolicyVersion

WEEKDAYS = [
    ("mon", "Monday"), ("tue", "Tuesday"), ("wed", "Wednesday"), ("thu", "Thursday"), ("fri", "Friday"),
    ("sat", "Saturday"), ("sun", "Sunday"),
]  # fmt: skip


def weekdays_of(version: PolicyVersion) -> str:
    """Return the checked weekdays in words."""
    checked = [name for day, name in WEEKDAYS if day in version.check_weekdays]
    return "every day" if len(checked) == len(WEEKDAYS) else ", ".join(checked)


def ladder(version: PolicyVersion) -> list[dict[str, Any]]:
    """Return the steps in order: what each does, when, and what holds it back."""
    return [
        {"step": step, "what": _what(step), "when": _when(step), "only": _only(step)}
        for step in version.steps.order_by("position", "pk")
    ]


def _what(step: PolicyStep) -> str:
    details = {
        "notice": f"{step.template or 'the usual text'}, by {' and '.join(step.channels)}",
        "charge": step.source,
        "restrict": {"throttle": "slowed", "walled_garden": "payment page only", "suspend": "suspended"}.get(
            step.level, ""
        ),
        "late_fee": " + ".join(
            part
            for part in (
                f"{step.flat}" if step.flat else "",
                f"{step.percent.normalize():f} %" if step.percent else "",
            )
            if part
        ),
    }
    detail = details.get(step.action, "")
    return f"{step.get_action_display()}: {detail}" if detail else step.get_action_display()


def _when(step: PolicyStep) -> str:
    at = f" at {step.at:%H:%M}" if step.at else ""
    if step.after_day_of_month is not None:
        return f"the morning after day {step.after_day_of_month} of the month{at}"
    days = step.offset_days or 0
    anchor = step.get_anchor_display()
    if days == 0:
        return f"when the {anchor.replace('invoice ', 'invoice is ').replace('account ', 'account is ')}{at}"
    return f"{abs(days)} day{'s' if abs(days) > 1 else ''} {'after' if days > 0 else 'before'} {anchor}{at}"


def _only(step: PolicyStep) -> str:
    parts = [
        "only flagged accounts" if step.only_flagged else "",
        f"at least {step.minimum_amount} unpaid" if step.minimum_amount else "",
        f"after “{step.requires_notice}” was accepted" if step.requires_notice else "",
    ]
    return ", ".join(part for part in parts if part)
