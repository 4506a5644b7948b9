"""Invalidate exactly the CloudFront paths that changed objects of an S3 origin bucket make stale.

An event enters at ``handler``. ``events`` reads which objects changed, ``distributions`` knows what CloudFront serves,
``urls`` spells an object as its viewers do, ``planning`` decides what to send, ``delivery`` sends it, and ``runtime``
adds what Lambda adds. ``settings`` reads the environment, ``aws`` makes the calls. ``codepipeline`` serves jobs of
pipelines, with paths ``by_hand``. ``custom_resource`` connects a stack to its bucket, whose ``notifications`` it
merges. ``operator``, ``cli`` and ``local`` are for people, not deployed.

A module imports its own package or a lower rung: errors, limits, workers → model, ttl_cache → urls, aws → events,
settings, notifications → planning, distributions, custom_resource → delivery, operator, by_hand → runtime →
codepipeline → handler → local → cli.
"""

__version__ = "1.0.0"
