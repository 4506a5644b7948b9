"""A world in which the real handler runs: S3, SQS, Lambda, CloudFront and viewers, on a virtual clock.

One seed is one world. Nothing in it depends on anything but the seed: not on the machine, its clock or its threads,
so that a world that goes wrong goes wrong again.

``world`` has the clock, ``sqs``, ``s3``, ``cloudfront`` and ``function`` what AWS does, ``story`` what happens in one
world and what has to be true of it.
"""
