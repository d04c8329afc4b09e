"""`docker run`, and every system that says nothing of itself: `PLUGIN_*` variables, and outputs in a file."""

from __future__ import annotations

from typing import ClassVar

from gocdnext_sdk.contract.dialects.base import Dialect


class Plain(Dialect):
    """A container that somebody started by hand or by a script. Comes last: it is everywhere."""

    name: ClassVar = "plain"
