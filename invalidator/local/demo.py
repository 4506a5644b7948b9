"""A demonstration on the embedded AWS: real uploads, the invalidations for them, and what a viewer is served."""

import re
from collections.abc import Callable
from typing import Final
from urllib.request import urlopen

import boto3

from invalidator.errors import IncompleteError
from invalidator.handler import lambda_handler
from invalidator.local.edge import EdgeCache, edge_served
from invalidator.local.embedded import BUCKET, AcceptedInvalidation, EmbeddedAws
from invalidator.local.queue_worker import notified_queue

SITE: Final = {
    "index.html": "<!doctype html><title>Flowers</title><a href='blog/'>Blog</a>",
    "blog/index.html": "<!doctype html><title>Blog</title><a href='red%20flower.html'>A red flower</a>",
    "blog/red flower.html": "<!doctype html><title>A red flower</title><img src='/fotos/caf%C3%A9.svg'>",
    "fotos/café.svg": "<svg xmlns='http://www.w3.org/2000/svg'><circle r='9' fill='red'/></svg>",
    "c++/~notes#1.txt": "Every character in this name needs care.",
    "*": "An object called * must not flush the site.",
}

OTHERS: Final = {"blog/red tulip.html": "Not changed.", "c++/~notes#2.txt": "Not changed."}
"""What is in the bucket before."""

Narrate = Callable[[str], None]
Show = Callable[[list[AcceptedInvalidation]], None]


def run(aws: EmbeddedAws, narrate: Narrate, show: Show) -> None:
    """Upload, change and delete objects. ``narrate`` gets sentences, ``show`` the invalidations of each step.

    Raises IncompleteError if the distributions did not accept exactly the expected invalidations, or if the viewer is
    not served the expected page.
    """

    def tell(step: str) -> None:
        narrate("")
        narrate(step)

    s3 = boto3.client("s3")
    _upload(OTHERS)
    worker = notified_queue()
    narrate(f"An embedded AWS: bucket {BUCKET}, a queue that it notifies, distributions {', '.join(aws.distributions)}")
    worker.poll()  # the test message that S3 sends when the notification is set up

    tell(f"1. Upload {len(SITE)} objects beside others: one invalidation a distribution, with exactly their paths")
    _upload(SITE)
    worker.poll()
    total = _accepted(aws, show)

    tell("2. Upload blog/index.html again: a viewer gets the old page from the edge, until it is invalidated")
    with edge_served(EdgeCache(aws.distributions[0])) as edge:
        _visit(edge, "Miss", "Blog", narrate)
        s3.put_object(Bucket=BUCKET, Key="blog/index.html", Body=b"<!doctype html><title>Blog, edited</title>")
        narrate("    PUT blog/index.html")
        _visit(edge, "Hit", "Blog", narrate)
        worker.poll()
        total += _accepted(aws, show)
        _visit(edge, "Miss", "Blog, edited", narrate)

    tell("3. Delete blog/red flower.html: both spellings of its URL are forgotten")
    s3.delete_object(Bucket=BUCKET, Key="blog/red flower.html")
    event = worker.receive()
    if event is None:
        raise IncompleteError("the queue is empty after a delete")
    answer = lambda_handler(event)
    total += _accepted(aws, show)

    tell("4. The queue delivers that message a second time: the same reference, and nothing new is created")
    worker.release(event)
    worker.poll()
    _accepted(aws, show, again=True)

    tell("5. Deploy everything anew: a wildcard that evicts nothing else costs one path")
    _upload(SITE | OTHERS)
    worker.poll()
    total += _accepted(aws, show)

    paths = sum(len(invalidation.paths) for invalidation in total)
    changes = 2 * len(SITE) + len(OTHERS) + 2
    tell(
        f"{changes} changes, {len(total)} invalidations of {paths} paths on {len(aws.distributions)}"
        f" distributions; {len(answer['batchItemFailures'])} messages failed."
    )


def _upload(objects: dict[str, str]) -> None:
    for key, text in objects.items():
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def _visit(edge: EdgeCache, cached: str, title: str, narrate: Narrate) -> None:
    with urlopen(f"{edge.url}/blog/index.html", timeout=10) as answer:  # noqa: S310 our own edge # nosec B310
        x_cache, page = answer.headers["X-Cache"], answer.read().decode()
    shown = re.findall("<title>(.*)</title>", page)
    if (x_cache, shown) != (f"{cached} from cloudfront", [title]):
        raise IncompleteError(f"the edge served another page than {title!r}: {page!r}, {x_cache}")
    narrate(f"    GET /blog/index.html: {x_cache}, {title!r}")


def _accepted(aws: EmbeddedAws, show: Show, *, again: bool = False) -> list[AcceptedInvalidation]:
    news = aws.new_invalidations()
    if [(item.distribution, item.again) for item in news] != [(id_, again) for id_ in aws.distributions]:
        raise IncompleteError(f"CloudFront accepted other invalidations than expected: {news}")
    show(news)
    return news
