"""``python -m invalidator``."""

from invalidator.cli import main

main()
