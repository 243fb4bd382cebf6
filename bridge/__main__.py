"""`python -m bridge` is `scorebridge`."""

from bridge.cli.app import main

main()
