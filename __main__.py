"""`eucentric` and `python -m eucentric`."""

import sys

from eucentric.core.stop_early import stop_at_once


def main() -> None:
    """The command line; a stop is sent before the rest of it is imported."""
    stop_at_once(sys.argv[1:])
    from eucentric.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
