"""``demo``: tell the whole story on an embedded AWS."""

import logging

from invalidator.cli.local import embedded, print_accepted
from invalidator.cli.session import errors_explained, log_to_stderr
from invalidator.cli.terminal import narrate


def demo() -> None:
    """Tell the whole story on an embedded AWS and exit: uploads, an edit, a delete, a redelivery.

    Example: invalidator demo
    """
    with errors_explained(), embedded() as aws:
        from invalidator.local.demo import run

        log_to_stderr(logging.ERROR)
        run(aws, narrate, print_accepted)
