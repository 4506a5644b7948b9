"""``tags``: explain how to clear objects by cache tags."""

from typing import Final

from invalidator.cli.terminal import print_line

_HOW_TO: Final = r"""
With one path, a cache tag clears everything that was cached under it: for instance all pages that show product 42.

1. Let the distribution read the tags from the metadata of each object, which S3 sends as headers:

   aws cloudfront get-distribution-config --id E1A2B3C4D5E6F7 > config.json
   (remove ETag and the outermost level, and add: "CacheTagConfig": {"HeaderName": "x-amz-meta-cache-tag"})
   aws cloudfront update-distribution --id E1A2B3C4D5E6F7 --if-match ETAG --distribution-config file://config.json

2. Upload objects with their tags, separated by commas. (Write --metadata as JSON: its shorthand would split at them.)

   aws s3 cp shoes.html s3://my-origin/shoes.html --metadata '{"cache-tag": "product:42,category:shoes"}'

3. Say which tags go stale with which object:

   RULES='[{"match": "^data/products/([0-9]+)\\.json$", "also": ["#product:$1", "/products/$1/"]}]'

   On a distribution that does not read tags, only the paths of the rule are cleared, and the log says so.

4. See what an upload would clear:

   invalidator explain data/products/42.json --bucket my-origin

A tag is 1 to 256 visible ASCII characters without commas and asterisks; upper and lower case are the same. CloudFront
reads the first 50 tags of an object. It knows no tag of what it cached before step 1: clear that once by its paths.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-by-tags.html
""".strip()


def tags() -> None:
    """Explain how to clear objects by cache tags: what to configure, and how to upload.

    Example: invalidator tags
    """
    for line in _HOW_TO.splitlines():
        print_line(line)
