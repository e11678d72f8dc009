"""The base class of errors whose message is written for the user."""


class UserFacingError(Exception):
    """An error that a command shows as one message, without a traceback.

    The message says what came, what was expected, and what to do. Subclasses inherit
    from a built-in error too, such as `ValueError`, so that programs can catch that.
    """
