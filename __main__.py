"""`eucentric` and `python -m eucentric`."""

from eucentric.cli import main

if __name__ == "__main__":
    main()
