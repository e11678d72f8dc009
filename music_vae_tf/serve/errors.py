"""What the server refuses, with the status of HTTP that says so."""

from __future__ import annotations

from music_vae_tf.errors import UserFacingError


class Refused(UserFacingError, ValueError):
    """A request that is not answered; its message is shown on the page."""

    status = 400


class Forbidden(Refused):
    """A request of another web site."""

    status = 403


class Unknown(Refused):
    """A model or an address that does not exist."""

    status = 404


class TooSlow(Refused):
    """A body that does not arrive."""

    status = 408


class TooLarge(Refused):
    """A body above its limit."""

    status = 413


class Unplayable(Refused):
    """Music that a model cannot read, or that is too long."""

    status = 422


class DrumsUnknown(Unplayable):
    """Music in which no drums are found, with the tracks that can be chosen."""

    def __init__(self, message: str, tracks: list[dict[str, str]]):
        """tracks: as `tracks.choices` gives them."""
        super().__init__(message)
        self.details = {"tracks": tracks}


class Busy(Refused):
    """Too many requests wait."""

    status = 503


class CannotServe(UserFacingError, OSError):
    """The server cannot begin."""
