"""Recordings of event cameras and other address-event sensors."""

from .columns import Events
from .recording import EventFile, open_events
from .writer import write_events

__all__ = ["EventFile", "Events", "open_events", "write_events"]
