"""The one error of the contract: a value breaks a rule of the platform."""


class ContractError(ValueError):
    """A value that the platform would refuse.

    The message is one line, names what is wrong and what to do, and never holds a value of a
    secret or of a source: it may be shown as it is.
    """
