"""A world in which the real handler runs: S3, SQS, Lambda, CloudFront and viewers, on a virtual clock.

One seed is one world. It depends on nothing but the seed, not even on the machine, its clock or its threads: a world
that fails once fails every time.

``world`` is the clock. ``sqs``, ``s3``, ``cloudfront`` and ``function`` are AWS, ``weather`` is its trouble. ``story``
plays one world and checks it, ``many`` plays many.
"""
