"""A world in which the real handler runs: S3, SQS, Lambda, CloudFront and viewers, on a virtual clock.

One seed is one world. It depends on nothing but the seed, not even on the machine, its clock or its threads: a world
that fails once fails every time.

``world`` is the clock. ``uploads``, ``messages`` and ``sites`` are what happens, what tells of it, and who serves it.
``sqs``, ``s3``, ``cloudfront`` with ``reading``, ``container`` and ``function`` are AWS; ``weather`` and ``troubles``
are what goes wrong with it. ``origin`` is the connection of the bucket, which others overwrite, ``checks`` what puts it
back and catches up. ``story`` plays one world, ``books`` checks it, ``many`` plays many.
"""
