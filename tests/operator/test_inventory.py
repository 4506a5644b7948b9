"""Laws of the inventory: it shows a person all that may be read of the distributions."""

from invalidator.aws.cloudfront import CloudFront
from invalidator.model import Origin
from invalidator.operator.inventory import described, inventory
from tests.distributions.test_catalog import many
from tests.doubles.cloudfront import DENIED
from tests.doubles.configurations import behavior, configuration, of_buckets, with_oac


def test_the_inventory_shows_what_may_be_read() -> None:
    account = many().double
    account.configs["E042"] |= {"DefaultRootObject": "home.html", "ConnectionMode": "tenant-only"}
    account.tenants["dt_1"] = ("E042", {})
    (first, second) = inventory(CloudFront(account), "origin")
    assert (first.id, first.root_object, first.tenants) == ("E042", "home.html", ("dt_1",))
    assert (second.id, second.origins) == ("E099", (Origin("origin"), Origin("other")))
    account.unreadable = dict.fromkeys(["GetDistributionConfig", "ListDistributionTenants"], DENIED)
    (first, _) = inventory(CloudFront(account), "origin")
    assert (first.root_object, first.cache_tags, first.tenants) == (None, None, ())
    account.read.clear()
    assert len(list(inventory(CloudFront(account), ""))) == 100
    assert [id_ for operation, id_ in account.read if operation == "ListDistributionTenants"] == ["E042"]


def test_what_may_not_be_read_is_unknown_and_not_off() -> None:
    summary = of_buckets("one") | {"Id": "E1", "DomainName": "d1.cloudfront.net"}
    assert described(summary, None, ()).cache_tags is None
    assert described(summary, None, ()).root_object is None
    assert described(summary, of_buckets("one"), ()).cache_tags is False


def test_a_bucket_behind_two_origins_is_shown_once() -> None:
    origins = [with_oac("one", "b.s3.amazonaws.com"), with_oac("two", "b.s3.eu-central-1.amazonaws.com")]
    summary = configuration(origins, behavior("one")) | {"Id": "E1"}
    assert described(summary, None, ()).origins == (Origin("b"),)
