"""What the device's page says: what each driver needs, what a device can do, and how it is doing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce.drivers.port import Capabilities
from netenforce.drivers.registry import driver_for
from netenforce.models import Device
from netenforce.models.hold import Level

# For each driver: what has to be filled in, an example of its options, and the page that explains all of them.
DRIVERS = (
    (
        Device.Driver.SIMULATED, "a name and nothing else; it lives in this program's database",
        '{"down": true}', "makes it fail on purpose: down, lost_answer, ignores, rejects", "",
    ),
    (
        Device.Driver.ROUTEROS, "host, user name and secret; port 8729 unless you enter another",
        '{"ca_pem": "-----BEGIN CERTIFICATE-----…", "drop_connections": true}',
        "who signed the router's certificate; whether live connections are ended", "docs/routeros.md",
    ),
    (
        Device.Driver.NFTABLES,
        "nothing if it is this machine itself; over SSH a host, a user name, and the private key as the secret",
        '{"via": "ssh", "ssh": {"known_host": "ssh-ed25519 AAAA…"}}',
        "how it is reached; its host key, since no unknown machine is spoken to", "docs/nftables.md",
    ),
    (
        Device.Driver.RADIUS,
        'the host and user name of FreeRADIUS\'s database; the secret is {"database": "…", "coa": "…"}',
        '{"database": "radius", "nas": [{"address": "10.0.0.1", "port": 1700}]}',
        "where the tables are, and the clients that are told about running sessions", "docs/radius.md",
    ),
    (
        Device.Driver.WEBHOOK,
        "the address of your program in the options, and a secret of 16 signs or more that signs each call",
        '{"url": "https://net.example.com/billing"}', "where each call is posted", "docs/webhook.md",
    ),
)  # fmt: skip
FIELD_WORDS = {"ipv4": "IPv4 address", "ipv6": "IPv6 address", "radius_username": "RADIUS user name"}
LEVEL_CAN = {
    Level.THROTTLE: "slow a line",
    Level.WALLED_GARDEN: "leave it the payment page only",
    Level.SUSPEND: "suspend it",
}


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether a device is left in peace after failures, in words; ``until`` is when it is asked again."""

    words: str
    until: datetime | None

    @property
    def is_open(self) -> bool:
        """Tell whether it is not asked at the moment."""
        return self.until is not None


def drivers_help() -> SafeString:
    """Return what each kind of device needs, with an example of its options."""
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{}</td><td><code>{}</code><span class="desk-why">{}{}</span></td></tr>',
        (
            (driver.label, needs, example, means, f"; all of them: {page}" if page else "")
            for driver, needs, example, means, page in DRIVERS
        ),
    )
    return format_html(
        '<details class="desk-panel"><summary>What each kind of device needs</summary><div class="desk-table-wrap"'
        ' tabindex="0" role="group" aria-label="What each kind of device needs"><table class="desk-table"><thead><tr>'
        '<th scope="col">Driver</th><th scope="col">Needs</th><th scope="col">Options, for example</th></tr></thead>'
        "<tbody>{}</tbody></table></div></details>",
        rows,
    )


def capabilities_of(device: Device) -> list[str]:
    """Return what a device can do, a sentence each; what it cannot do is said as well."""
    try:
        able = driver_for(device).capabilities
    except Refused as refusal:
        return [refusal.words]
    return capability_words(able)


def capability_words(able: Capabilities) -> list[str]:
    """Return what a driver can do, a sentence each."""
    can = [words for level, words in LEVEL_CAN.items() if level in able.levels]
    cannot = [words for level, words in LEVEL_CAN.items() if level not in able.levels]
    groups = [" and ".join(FIELD_WORDS.get(name, name) for name in group) for group in able.identifiers]
    return [
        f"It can {_joined(can)}." if can else "It restricts nothing.",
        *([f"It cannot {_joined(cannot, 'or')}."] if cannot else []),
        f"It knows a line by its {', else by its '.join(groups)}." if groups else "It knows no line.",
        "Entries that others made can be taken over."
        if able.adopts
        else "Entries that others made are shown and left alone; they cannot be taken over.",
        "It tells since when it runs, so a restart is noticed."
        if able.tells_uptime
        else "It does not tell since when it runs.",
    ]


def breaker_of(device: Device) -> Breaker:
    """Return whether a device is left in peace after failures, and until when (UTC)."""
    count = device.failures_in_row
    times = f"{count} failure{'s' if count != 1 else ''} in a row"
    if device.retry_at is not None and device.retry_at > clock.now():
        again = clock.local(device.retry_at, "UTC")
        return Breaker(f"left in peace after {times}; asked again at {again:%H:%M:%S} UTC", device.retry_at)
    if count:
        return Breaker(f"{times}; it is asked at the next pass", None)
    return Breaker("closed: it is asked whenever there is something to do", None)


def duration(seconds: int | None) -> str:
    """Return a time span as people say it, in its two largest units; blank for none."""
    if seconds is None:
        return ""
    span = timedelta(seconds=seconds)
    hours, rest = divmod(span.seconds, 3600)
    parts = [(span.days, "day"), (hours, "hour"), (rest // 60, "minute"), (rest % 60, "second")]
    said = [f"{count} {unit}{'s' if count != 1 else ''}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 seconds"


def _joined(parts: list[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
