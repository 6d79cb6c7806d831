"""The answer of a reconciliation. Texts in it are data: escape them where they are shown."""

from pydantic import Field

from eucentric.core.base import Model


class Mark(Model):
    """A moment at which the driver's count of commands is known."""

    commands: int
    utc: str
    what: str
    """Such as 'event 120'."""


class Unexplained(Model):
    """Commands that were counted and have no row."""

    commands: int
    """How many."""
    during: str = ""
    """The act in whose time they fell, if they did not fall between two."""
    after: Mark | None = None
    before: Mark | None = None
    log: tuple[str, ...] = ()
    """What the instrument's own log says they were, as far as it has them."""
    hint: str = ""


class Absent(Model):
    """A row that says something was sent, and the instrument knows nothing of it."""

    event: int
    store: str
    utc: str
    what: str
    why: str


class Halt(Model):
    """A stop, a blank, a lease: done by a person or a watchdog, noted by the host, and without a row by design."""

    utc: str
    what: str
    text: str
    commands: int = 0
    """How many of the counted commands were its."""


class Life(Model):
    """One life of the process that owns the instrument: its count begins with it."""

    incarnation: str
    runs: tuple[str, ...]
    """Such as 'r-0001'; with the store's folder if several were given."""
    acts: int
    first: Mark | None = None
    last: Mark | None = None
    unexplained: tuple[Unexplained, ...] = ()
    absent: tuple[Absent, ...] = ()
    halts: tuple[Halt, ...] = ()
    log: str = ""
    """What there was of the instrument's own log."""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything has a row, and every row its commands."""
        return not (self.unexplained or self.absent)


class Account(Model):
    """One instrument."""

    uri: str
    now: str
    """What was read of it now, or why nothing was."""
    lives: tuple[Life, ...] = ()


class File(Model):
    """Something on the disk that no row names."""

    path: str
    """Relative to the store."""
    bytes: int
    what: str
    event: int | None = None
    """The row of the act it belongs to, if that act never ended well."""


class Disk(Model):
    """One store's folder."""

    store: str
    frames: int
    """Recorded in rows, and read."""
    files: int
    bytes: int
    problems: tuple[str, ...] = ()
    """Rows whose files are missing or altered."""
    without_row: tuple[File, ...] = ()
    explained: tuple[File, ...] = ()
    """Left by acts that never ended well, or by a write that was cut off."""

    @property
    def ok(self) -> bool:
        """Whether every file has a row, and every row its files."""
        return not (self.problems or self.without_row)


class Reconciliation(Model):
    """All of it."""

    instruments: tuple[Account, ...] = ()
    disks: tuple[Disk, ...] = ()
    notes: tuple[str, ...] = Field(default=())

    @property
    def ok(self) -> bool:
        """Whether everything has a row."""
        lives = (life for account in self.instruments for life in account.lives)
        return all(life.ok for life in lives) and all(disk.ok for disk in self.disks)
