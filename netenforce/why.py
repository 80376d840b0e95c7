"""Why a line is as it is, in sentences: each cause, the list on each device, what rests, and what the devices say."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from accounts.models import ServiceLine
from billing_project.kernel import clock

from .models import Hold, LineState, PaymentWindow
from .models.hold import Level
from .queries import active_holds, all_lists, rests, running_windows
from .rules.desired import OPEN
from .rules.lists import ListView, Standing, carried, meets

NOT_SO = "That is not what it should be: the order is on its way, or the next comparison sends it."


def why_line_is(line: ServiceLine) -> list[str]:
    """Return why a line is as it is, in sentences in the account's time; five queries, however much there is to say."""
    zone = line.account.timezone
    holds = active_holds([line.account_id]).get(line.account_id, [])
    window = running_windows([line.account_id]).get(line.account_id)
    states = {row.device_id: row for row in line.network_states.select_related("device").order_by("device__name")}
    placements = list(line.placements.select_related("device").order_by("device__name"))
    lists = all_lists()
    said = [_cause(hold, window, zone) for hold in holds] or ["Nothing restricts it, so it should be open."]
    said += _window(window, holds, zone)
    counting = [hold for hold in holds if not rests(hold, window)]
    for placement in placements:
        device = placement.device
        own = carried(lists, device.pk, device.options)
        said += _on_device(line, device.name, states.get(device.pk), counting, own, zone)
    if not placements:
        said.append("It is on no device, so nothing slows or opens it. Choose its devices.")
    for device_id, state in states.items():
        if state.device is not None and all(placement.device_id != device_id for placement in placements):
            said += _left(state, zone)
    return said


def _cause(hold: Hold, window: PaymentWindow | None, zone: str) -> str:
    until = f", until {_moment(hold.until_at, zone)}" if hold.until_at else ""
    resting = " It rests at the moment." if rests(hold, window) else ""
    cause = str(hold.get_cause_display())
    why = hold.why.rstrip(".")
    return f"To be {Level(hold.level).label} for {cause} since {_moment(hold.placed_at, zone)}{until}: {why}.{resting}"


def _window(window: PaymentWindow | None, holds: Sequence[Hold], zone: str) -> Iterator[str]:
    if window is None:
        return
    what = "Released by staff" if window.kind == PaymentWindow.Kind.RELEASE else "Open for a payment"
    stays = any(not rests(hold, window) for hold in holds)
    ends = ", but for what does not rest" if stays else ""
    yield f"{what} until {_moment(window.closes_at, zone)}{ends}: {window.why.rstrip('.')}."


def _on_device(
    line: ServiceLine, name: str, state: LineState | None, holds: Sequence[Hold], own: Sequence[ListView], zone: str
) -> Iterator[str]:
    level = state.desired_level if state is not None else OPEN
    since = f" since {_moment(state.desired_since_at, zone)}" if state is not None else ""
    how = "" if level == OPEN else _which_list(line, level, holds, own)
    yield f"{name}: it should be {Level(level).label}{since}{how}."
    yield _seen(name, state, zone)


def _which_list(line: ServiceLine, level: str, holds: Sequence[Hold], own: Sequence[ListView]) -> str:
    causes = frozenset(str(hold.cause) for hold in holds if hold.level == level)
    account = Standing(status_id=line.account.status_id, account_type_id=line.account.account_type_id, causes=causes)
    fitting = [one for one in own if one.level == level and meets(account, one)]
    if not fitting:
        return ", but the device carries no list of that level for such an account"
    first, *others = fitting
    if not others:
        return f", by list {first.name}, the only one of that level there that the account meets"
    names = ", ".join(one.name for one in others)
    return f", by list {first.name}, which goes before the others of that level that the account meets ({names})"


def _seen(name: str, state: LineState | None, zone: str) -> str:
    if state is None or state.observed_at is None:
        return f"{name} has not been asked about it yet."
    by_list = f" (list {state.observed_list})" if state.observed_list else ""
    wrong_list = state.observed_list and state.desired_list and state.observed_list != state.desired_list
    agrees = state.observed_level == state.desired_level and not wrong_list
    remark = f" {state.remark}" if state.remark else ""
    verdict = (
        "" if agrees else " That is not what it should be: the order is on its way, or the next comparison sends it."
    )
    label = Level(state.observed_level).label if state.observed_level in Level.values else state.observed_level
    return f"{name} said on {_moment(state.observed_at, zone)} that it is {label}{by_list}.{verdict}{remark}"


def _left(state: LineState, zone: str) -> Iterator[str]:
    if state.observed_level != OPEN:
        name = str(state.device)
        yield f"It was taken off {name}, where it should be open."
        yield _seen(name, state, zone)


def _moment(at: datetime, zone: str) -> str:
    return f"{clock.local(at, zone):%Y-%m-%d %H:%M}"
