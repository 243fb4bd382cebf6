"""Runs the `scorebridge` command line as `python -m bridge`."""

from bridge.cli.app import main

if __name__ == "__main__":
    main()
