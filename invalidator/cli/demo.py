"""``demo``: tell the whole story on an embedded AWS."""

import logging

from invalidator.cli.local import embedded, print_accepted
from invalidator.cli.session import errors_explained, interruptible, log_to_stderr
from invalidator.cli.terminal import narrate, print_line


def demo() -> None:
    """Tell the whole story on an embedded AWS and exit: uploads, an edit that a viewer sees, a delete, a redelivery.

    Example: invalidator demo
    """
    with interruptible(lambda: narrate("Stopped.")), errors_explained(), embedded() as aws:
        from invalidator.local.demo import run

        log_to_stderr(logging.ERROR)
        run(aws, print_line, print_accepted)
