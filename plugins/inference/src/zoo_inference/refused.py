"""The exception of a pass or backend that cannot run a model."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - no error: `optimize` notes its reason and goes on
    """A pass or backend that cannot run this model on this machine; its text is the reason."""
