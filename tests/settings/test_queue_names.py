"""Laws of the names of queues: a queue's URL gives its place, and junk is refused."""

from contextlib import nullcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.errors import ConfigurationError
from invalidator.settings.environment import QUEUE_URL_FORM, is_queue_url
from invalidator.settings.queue_names import check_queue, queue_account, queue_region

# A Region of each partition, and the domain of its queues:
# https://docs.aws.amazon.com/general/latest/gr/sqs-service.html (2026-11-28)
PARTITIONS = {
    ("aws", "eu-central-1"): "sqs.eu-central-1.amazonaws.com",
    ("aws", "us-east-1"): "sqs-fips.us-east-1.amazonaws.com",
    ("aws-cn", "cn-north-1"): "sqs.cn-north-1.amazonaws.com.cn",
    ("aws-us-gov", "us-gov-west-1"): "sqs.us-gov-west-1.amazonaws.com",
}
accounts = st.text("0123456789", min_size=12, max_size=12)
queue_names = st.from_regex(r"[A-Za-z0-9_-]{1,75}(\.fifo)?", fullmatch=True)


@given(st.sampled_from(sorted(PARTITIONS)), accounts, queue_names)
def test_the_url_of_a_queue_gives_its_region_and_account(place: tuple[str, str], account: str, name: str) -> None:
    url = f"https://{PARTITIONS[place]}/{account}/{name}"
    assert is_queue_url(url)
    assert (queue_region(url), queue_account(url)) == (place[1], account)
    with (
        pytest.raises(ConfigurationError, match="is a FIFO queue: S3 cannot") if name[-5:] == ".fifo" else nullcontext()
    ):
        check_queue(url)


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("http://localhost:4566/000000000000/q", "000000000000"),
        ("https://eu-central-1.queue.amazonaws.com/123456789012/q", "123456789012"),
        ("https://queue.internal/q", ""),
    ],
)
def test_the_url_of_another_endpoint_gives_no_region(url: str, account: str) -> None:
    assert is_queue_url(url)
    assert (queue_region(url), queue_account(url)) == ("", account)


@given(queue_names.filter(lambda name: name.endswith(".fifo")))
def test_the_name_of_a_fifo_queue_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--to: .* is a FIFO queue: S3 .*: use a standard queue$"):
        check_queue(name, "--to")


@given(queue_names.filter(lambda name: not name.endswith(".fifo")))
def test_the_name_of_a_queue_gives_no_place(name: str) -> None:
    check_queue(name)
    assert not is_queue_url(name)
    assert (queue_region(name), queue_account(name)) == ("", "")


@given(st.text(st.characters(exclude_categories=["L", "N"], exclude_characters="-_"), max_size=8).map("a{}b c".format))
@example("")
@example("q" * 81)
@example("https://")
@example("https:///123456789012/q")
@example("ftp://sqs.eu-central-1.amazonaws.com/123456789012/q")
@example("arn:aws:sqs:eu-central-1:123456789012:q")
@example("é")
def test_junk_is_no_queue_and_the_error_says_what_is(junk: str) -> None:
    assert not is_queue_url(junk)
    with pytest.raises(ConfigurationError) as raised:
        check_queue(junk, "--to")
    assert str(raised.value).startswith(f"--to: {junk!r} is neither the URL nor the name of a queue")
    assert QUEUE_URL_FORM in str(raised.value)
