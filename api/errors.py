"""The errors that speaking HTTP can raise, beside those of ``data`` and ``geo``."""

from geo.errors import GridcircleError


class VersionMissingError(GridcircleError):
    """A write does not say in If-Match which version of the row it saw."""


class BadHeaderError(GridcircleError):
    """A request header cannot be read."""


class HostRefusedError(GridcircleError):
    """The Host header names an address this service does not answer for."""


class CrossOriginError(GridcircleError):
    """A page of another origin tried to write."""


class BodyTooLargeError(GridcircleError):
    """The request body is larger than any request of ours."""


class BadUploadError(GridcircleError):
    """A form with a file cannot be read, or a field beside the file makes no sense."""


class NotReadyError(GridcircleError):
    """The service is still starting, or what was asked for is not loaded yet."""


class LoginRequiredError(GridcircleError):
    """Nobody is logged in, or the session or token has ended."""


class PasswordDueError(GridcircleError):
    """The password was given by somebody else and must be changed first."""


class FormRefusedError(GridcircleError):
    """A form was not made for this session: it is too old, or of another page."""


class TooManyRequestsError(GridcircleError):
    """Somebody asks more often than anybody needs to.

    Parameters
    ----------
    message : str
    wait_s : int
        After how many seconds to try again.
    """

    def __init__(self, message: str, *, remedy: str = "", wait_s: int = 60) -> None:
        super().__init__(message, remedy=remedy)
        self.wait_s = wait_s
