"""How events travel: many in one message, which names its sender so that a node does not hear itself.

A message is one msgpack value, ``[format, node, generation, [event, …]]``. An event is packed once, when it is
published: what its owner does to it afterwards does not change what others hear.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgpack

from scenehub.server.bus.counts import Counts
from scenehub.server.bus.port import Deliver

__all__ = ["FORMAT", "Envelope", "Malformed", "events_of", "hear"]

#: Raised when nodes of the version before could not read a message; they then ignore it and repair by seq (N3).
FORMAT = 1

ChannelT = TypeVar("ChannelT", str, bytes)
_log = logging.getLogger(__name__)


class Malformed(ValueError):
    """A message that no node of this version has sent."""


class Envelope:
    """The messages of one sender: a node in one of its generations."""

    def __init__(self, node: str, generation: str) -> None:
        self._packer = msgpack.Packer()
        sender = [FORMAT, node, generation]
        self._start: bytes = self._packer.pack_array_header(len(sender) + 1) + b"".join(map(self._packer.pack, sender))

    def event(self, event: Mapping[str, Any]) -> bytes:
        """An event, packed. Raises TypeError, ValueError or OverflowError for what msgpack cannot say."""
        packed: bytes = self._packer.pack(event)
        return packed

    def message(self, events: Sequence[bytes]) -> bytes:
        """One message of packed events."""
        header: bytes = self._packer.pack_array_header(len(events))
        return b"".join((self._start, header, *events))

    def is_own(self, message: bytes) -> bool:
        """This sender made the message."""
        return message.startswith(self._start)


def events_of(message: bytes) -> list[dict[str, Any]]:
    """The events of a message, in the order in which they were published. Raises Malformed."""
    try:
        match msgpack.unpackb(message, strict_map_key=False):
            case [version, str(), str(), list(events)] if version == FORMAT:
                if all(isinstance(event, dict) for event in events):
                    return events
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise Malformed(str(error)) from error
    raise Malformed(f"not a message of format {FORMAT}")


def hear(message: bytes, channel: ChannelT, listeners: Mapping[ChannelT, Deliver], counts: Counts) -> None:
    """Hand the events of a message to whoever listens to the channel; nothing that goes wrong there comes back."""
    try:
        events = events_of(message)
    except Malformed as error:
        counts.malformed += 1
        _log.warning("ignored a malformed message of %d bytes on %r: %s", len(message), channel, error)
        return
    for event in events:
        deliver = listeners.get(channel)  # anew for each: an event may have ended the listening
        if deliver is None:
            return
        counts.received += 1
        try:
            deliver(event)
        except Exception:  # noqa: BLE001
            # One event that its listener cannot take must not cost the others theirs.
            _log.exception("an event on %r was not taken by its listener", channel)
