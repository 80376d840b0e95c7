"""The network these days: a tower that does not answer, a line on two devices, abuse, a stranger's hand, and readings.

One customer has paid and is free on one device, while the other, which is down, still slows the line: the alarm that
must never stay unseen.
"""

import random
from collections.abc import Iterator
from datetime import datetime, time, timedelta

from accounts.models import Account, ServiceLine, User
from billing_project.kernel import clock
from delinquency.models import Standing
from delinquency.operations import reassess
from invoicing.operations.payments import record_payment
from invoicing.queries import account_position
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, DeviceReading, Hold, SimulatedEntry
from netenforce.models.hold import Level
from netenforce.operations.holds import place_hold
from netenforce.operations.lines import place_on
from netenforce.reconcile import reconcile

from .till import quiet_accounts
from .town import DEVICE_NAMES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CORE, TOWER = "core-west", "tower-hill"
STRANGER = "100.64.250.9"
NOON, AFTERNOON = time(11, 30), time(15)
TOWER_DOWN_FOR, STRANGER_SINCE = 3 * HOUR, 3 * DAY
READ_FOR_DAYS, RESTARTED_AGO = 7, 52 * HOUR


class Network:
    """Plays what happened in the network up to now."""

    def __init__(self, now: datetime, *, seed: int) -> None:
        """Set two more devices up, and take the lines that have been slowed since before yesterday."""
        self.now = now
        self.dice = random.Random(f"{seed}:network")  # noqa: S311 - readings are drawn, no secret
        self.edge = Device.objects.get(name=DEVICE_NAMES[0])
        self.core, self.tower = (
            Device.objects.create(name=name, driver=Device.Driver.SIMULATED) for name in (CORE, TOWER)
        )
        slowed = Hold.objects.filter(
            lifted_at__isnull=True, cause=Hold.Cause.NON_PAYMENT, level=Level.THROTTLE, placed_at__lt=now - 2 * DAY
        )
        keys = slowed.values_list("account_id", flat=True)
        # Whose story is told elsewhere already, or waits for a person, is left alone.
        able = Standing.objects.filter(account__in=keys, account__call_tasks__isnull=True, grace_until__isnull=True)
        self.slowed = [row.account for row in able.select_related("account").order_by("account__number")]

    def play(self) -> None:
        """Let it all happen, each thing at its time; a small town has less of it."""
        for account in self.slowed[:2]:
            self._on_two_devices(account, self.core if account is self.slowed[0] else self.tower)
        for account in quiet_accounts()[-1:]:
            self._abuses(account)
        SimulatedEntry.objects.create(
            device=self.edge, address=STRANGER, level=Level.SUSPEND, list_name="Suspended", ours=False,
            since_at=self.now - STRANGER_SINCE,
        )  # fmt: skip
        self._tower_fails()
        for account in self.slowed[1:2]:
            self._pays_and_stays_slowed(account)
        DeviceReading.objects.bulk_create(
            [row for device in Device.objects.order_by("pk") for row in self._readings(device)], batch_size=1000
        )

    def _at_daytime(self, account: Account, local: time) -> datetime:
        """Return an instant of yesterday, when devices may be told to cut."""
        day = clock.local(self.now, account.timezone).date() - DAY
        return clock.instant(datetime.combine(day, local), account.timezone)

    def _on_two_devices(self, account: Account, second: Device) -> None:
        line = ServiceLine.objects.filter(account=account).order_by("pk").first()
        if line is None:
            return
        with clock.at(self._at_daytime(account, NOON)):
            first = Device.objects.filter(placements__line=line).order_by("pk")
            place_on(line, [*first, second])
            dispatch_enforcement()

    def _abuses(self, account: Account) -> None:
        with clock.at(self._at_daytime(account, AFTERNOON)):
            place_hold(
                account_id=account.pk, cause=Hold.Cause.ABUSE, cause_key="abuse:mail", level=Level.SUSPEND,
                why="Sends thousands of mails an hour; told by phone, calls back when the computer is clean.",
            )  # fmt: skip
            dispatch_enforcement()

    def _tower_fails(self) -> None:
        self.tower.options = {"down": True}
        self.tower.save(update_fields=["options"])
        with clock.at(self.now - TOWER_DOWN_FOR):
            reconcile(TOWER)

    def _pays_and_stays_slowed(self, account: Account) -> None:
        """Let somebody pay all just now: one device frees the line, and the tower cannot be told."""
        with clock.at(self.now):
            record_payment(
                account=account, reference="VF-P-TOWER", amount=account_position(account.pk).pay_all,
                received_at=self.now, method="cash", by=User.objects.get(username="clerk"),
            )  # fmt: skip
            reassess(account.pk)
            dispatch_enforcement()

    # --- what the comparisons of the last days found ---

    def _readings(self, device: Device) -> Iterator[DeviceReading]:
        """Yield one comparison for each hour: mostly all is right, now and then a hand or a restart is made good."""
        held = SimulatedEntry.objects.filter(device=device, ours=True).count()
        first = self.now - READ_FOR_DAYS * DAY
        for hour in range(READ_FOR_DAYS * 24):
            at = first + hour * HOUR
            # Fewer were late some days ago.
            then = max(0, held - round((self.now - at) / DAY * held / 10))
            is_restart = device == self.edge and timedelta(0) <= at - (self.now - RESTARTED_AGO) < HOUR
            yield self._reading(device, at, then, is_restart=is_restart)

    def _reading(self, device: Device, at: datetime, held: int, *, is_restart: bool) -> DeviceReading:
        row = DeviceReading(device=device, at=at, held=held, seconds=round(self.dice.uniform(0.05, 0.4), 3))
        if device == self.tower and at > self.now - TOWER_DOWN_FOR:
            row.held, row.failure = 0, f"{TOWER} cannot be reached."
            return row
        if device == self.edge and at > self.now - STRANGER_SINCE:
            row.foreign, row.details = 1, {"foreign": {STRANGER: Level.SUSPEND}}
        if is_restart:
            row.trigger = DeviceReading.Trigger.RESTART
            row.missing = row.repaired = held
            return row
        chance = self.dice.random()
        if held and chance < 0.04:
            row.missing = row.repaired = 1
        elif chance < 0.06:
            row.extra = row.repaired = 1
        return row
