"""Invalidate exactly the CloudFront paths that changed objects of an S3 origin bucket make stale.

An event enters at ``handler``; ``events`` turns it into object changes, ``site`` says under which URLs
viewers know an object (spelt as CloudFront wants them by ``paths``), ``planner`` makes batches of these
for each distribution, and ``service`` carries the batches out through ``cloudfront``. ``settings`` is the
only reader of the environment. ``cli``, ``local`` and ``demo`` are the same thing by hand, and none of
them is needed inside the Lambda function.
"""

__version__ = "0.1.0"
