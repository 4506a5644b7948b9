"""Invalidate exactly the CloudFront paths that changed objects of an S3 origin bucket make stale.

An event enters at ``handler``; ``events`` turns it into object changes, ``site`` says under which URLs
viewers know an object (spelt as CloudFront wants them by ``paths``), ``planner`` makes batches of these
for each distribution. What is more than allowed, ``coalesce`` makes less: ``cover`` and its ``knapsack`` find the
wildcards that evict the fewest of the objects that ``listings`` tells of, which also shows to ``versions`` what
uploads changed nothing. ``service`` carries the batches out through ``cloudfront``, at the ``pacing`` that AWS
lets through, with several ``workers``. What is left of a batch goes as one of ``tickets`` through ``sqs`` to the
function's own queue, and comes back as an event. A job of ``codepipeline`` asks for paths as they are ``written``,
which make such batches, too. What an invocation came to, ``metrics`` tell CloudWatch. ``settings`` is the
only reader of the environment.

Beside it, ``custom_resource`` connects a stack's queue or function to its bucket: ``notifications`` merges our
entry into what the bucket notifies, and ``s3`` reads and writes that. ``sdk`` makes the clients of both sides.
``cli``, ``local`` and ``demo`` are the same things by hand; ``console`` is what all commands have in common.
``letters`` says what is in the ``dead_letters``; ``previews`` are plans that are only shown, of ``snapshots`` if need
be, and ``plot`` draws what they cost. ``create`` sends one, ``waiting`` until it is completed; ``status`` shows the
``invalidations`` that there are; ``verify`` asks an ``edge`` for a URL, and S3 for one of its ``objects``, which
``freshness`` compares. None of these is needed in Lambda.
"""

__version__ = "0.1.0"
