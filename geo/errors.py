"""The errors that computing can raise, named by what went wrong."""


class GridcircleError(Exception):
    """Base of every error a user of Gridcircle can be told about.

    The message is one sentence a planner can act on; ``remedy`` says what to do.

    Parameters
    ----------
    message : str
        What is wrong, naming the row, field and value where there is one.
    remedy : str
        What to change; empty where the message already says it.
    zh : tuple of str, optional
        Message and remedy in Chinese, where a page shows them to planners.
    """

    def __init__(
        self, message: str, *, remedy: str = "", zh: tuple[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.zh = zh


class CoordinateError(GridcircleError):
    """Coordinates are not where their CRS or datum says they should be."""


class NetworkError(GridcircleError):
    """A walking network is empty, inconsistent or of another version than its companions."""


class SnapError(GridcircleError):
    """A point cannot be joined to the network, or was joined to another version of it."""


class ProfileError(GridcircleError):
    """A travel profile, wait or cutoff is unknown or out of range."""


class PartitionError(GridcircleError):
    """An edit would leave grids that overlap, have a gap, or fall into pieces.

    Parameters
    ----------
    message : str
        What would be wrong.
    at : tuple of float, optional
        Longitude and latitude of the place, WGS84 degrees.
    remedy : str
        How to draw it instead.
    zh : tuple of str, optional
        Message and remedy in Chinese.
    """

    def __init__(
        self,
        message: str,
        *,
        at: tuple[float, float] | None = None,
        remedy: str = "",
        zh: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, zh=zh)
        self.at = at


class CellError(GridcircleError):
    """A community cannot be divided into cells."""


class DesignError(GridcircleError):
    """Base grids cannot be designed from what was given."""
