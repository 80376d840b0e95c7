"""Bill everybody who is due at one instant, beside the floor of the very same rows (contract section 6)."""

from datetime import UTC, date, datetime

DUE_ON = date(2026, 3, 1)
# After 00:05 of that day in every zone of the crowd.
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
