"""The error of the contract: a value breaks a rule of the platform."""

from __future__ import annotations

from collections.abc import Collection


class ContractError(ValueError):
    """A value that the platform would refuse.

    The message is one line, names what is wrong and what to do, and never holds a value of a
    secret or of a source: it may be shown as it is.
    """


class UnknownReference(ContractError):
    """A reference to names that stand for nothing.

    Args:
        message: what to say.
        names: the names.
    """

    def __init__(self, message: str, names: Collection[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)
