"""Which adapter serves which channel: dotted paths in the settings, checked at start."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from accounts.models.notice import Channel as ChannelName

from .port import Channel


def channel_for(name: str) -> Channel:
    """Return the adapter of a channel (email, sms, voice); raises ImportError if the setting is wrong."""
    return _made(dotted_path(name))


def dotted_path(name: str) -> str:
    """Return the dotted path in EMAIL_CHANNEL, SMS_CHANNEL or VOICE_CHANNEL of the settings."""
    return str(getattr(settings, f"{ChannelName(name).value.upper()}_CHANNEL"))


@lru_cache(maxsize=16)
def _made(path: str) -> Channel:
    return cast(Channel, import_string(path)())


def check_channels(**_: Any) -> Iterable[CheckMessage]:
    """Report every channel whose adapter cannot be loaded, at start rather than at night."""
    for name in ChannelName.values:
        try:
            adapter = channel_for(name)
        except (AttributeError, ImportError, TypeError) as error:
            yield Error(f"{name.upper()}_CHANNEL names no usable channel: {error}", id="accounts.E001")
            continue
        if not (hasattr(adapter, "send") and hasattr(adapter, "lookup")):
            yield Error(f"{name.upper()}_CHANNEL: {dotted_path(name)} has no send and lookup.", id="accounts.E002")
