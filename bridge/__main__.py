"""`python -m bridge` is `scorebridge`."""

from bridge.cli.app import main

if __name__ == "__main__":
    main()
