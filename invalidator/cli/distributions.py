"""``distributions``: list the distributions of the account."""

from typing import Annotated, Any

from invalidator.cli import options
from invalidator.cli.session import errors_explained
from invalidator.cli.targets import unserved
from invalidator.cli.terminal import Part, narrate, print_json, print_table, progress
from invalidator.operator.inventory import Described, inventory
from invalidator.runtime import clients
from invalidator.settings.environment import check_bucket_name
from invalidator.wording import count

_Bucket = Annotated[str, options.bucket_option("List only the distributions that serve this bucket.")]


@options.in_account
def distributions(bucket: _Bucket = "", as_json: options.Json = False) -> None:
    """List the distributions of the account: what they serve, and their ids.

    You need cloudfront:ListDistributions and, for all columns, cloudfront:GetDistributionConfig and
    cloudfront:ListDistributionTenants.

    Example: invalidator distributions --bucket my-origin
    """
    rows: list[Described] = []
    with errors_explained():
        if bucket:
            check_bucket_name(bucket, "--bucket")
        with progress("reading distributions") as advance:
            for row in inventory(clients.cloudfront(), bucket):
                rows.append(row)
                advance()
        if bucket and not rows:
            raise unserved("of this account", bucket)
    if as_json:
        print_json("distributions", {"distributions": [_as_json(row) for row in rows]})
    else:
        _print(rows)
    of_bucket = f" with an origin in bucket {bucket}" if bucket else ""
    narrate(f"{count(len(rows), 'distribution')}{of_bucket}.")


def _print(rows: list[Described]) -> None:
    print_table(("id", "domain", "aliases", "origins", "root object", "tags", "tenants"), map(_cells, rows))


def _cells(row: Described) -> list[Part]:
    """Return a cell for each column, with a question mark where something could not be read."""
    origins = [f"{origin.bucket}{origin.path}{' (website)' if origin.is_website else ''}" for origin in row.origins]
    root = "?" if row.root_object is None else row.root_object
    tags = {None: "?", True: "on", False: "off"}[row.cache_tags]
    aliases, asked, tenants = map("\n".join, (row.aliases, [*origins, *row.others], row.tenants))
    return [(row.id, "cyan"), row.domain, aliases, asked, root, tags, tenants]


def _as_json(row: Described) -> dict[str, Any]:
    return {
        "distribution": row.id,
        "domain": row.domain,
        "aliases": list(row.aliases),
        "origins": [
            {"bucket": origin.bucket, "origin_path": origin.path, "website": origin.is_website}
            for origin in row.origins
        ],
        "other_origins": list(row.others),
        "default_root_object": row.root_object,
        "cache_tags": row.cache_tags,
        "tenants": list(row.tenants),
    }
