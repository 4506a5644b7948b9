"""Laws of ARNs: one is read as it was made, and everything else is none."""

from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.notifications.arns import QUEUE_ARN_FORM, Arn
from tests.settings.test_queue_names import accounts, queue_names

arns = st.builds(
    Arn,
    st.sampled_from(["aws", "aws-cn", "aws-us-gov"]),
    st.from_regex(r"[a-z0-9-]+", fullmatch=True),
    st.from_regex(r"[a-z]{2}(-gov)?-[a-z]+-[1-9]", fullmatch=True),
    accounts,
    queue_names | queue_names.map("function:{}".format),
)


@given(arns)
def test_an_arn_that_is_made_of_its_parts_is_read_again(arn: Arn) -> None:
    assert Arn.parse(":".join(["arn", *arn])) == arn


@given(arns, st.integers(0, 4))
def test_an_arn_without_one_of_its_parts_is_none(arn: Arn, number: int) -> None:
    parts = ["arn", *arn]
    parts[number + 1] = ""
    assert Arn.parse(":".join(parts)) is None


@given(st.text())
@example("arn:aws:s3:::my-origin")
@example("arn:aws:sqs:eu-central-1:12345678901:q")
@example(f"arn:aws:sqs:eu-central-1:{12 * chr(0xFF11)}:q")
@example("arn:aws:sqs:eu-central-1:123456789012:q\n")
@example(" arn:aws:sqs:eu-central-1:123456789012:q")
@example(QUEUE_ARN_FORM)
def test_what_is_no_arn_of_a_region_and_account_is_none(text: str) -> None:
    assert Arn.parse(text) is None
