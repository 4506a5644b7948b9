"""``python -m invalidator``, and the command ``invalidator``."""

import sys


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        from invalidator.cli import app  # noqa: PLC0415 what the function needs is installed without it
    except ImportError as error:
        sys.exit(f"error: the command line needs the extra 'cli': pip install '.[cli]' ({error})")
    app(prog_name="invalidator")


if __name__ == "__main__":
    main()
