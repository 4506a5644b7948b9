"""Checks of the notifications of a bucket: each event has to be sent, for each key that is served."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from invalidator.connection.findings import Finding
from invalidator.connection.notification_checks import VISIBLE_EVENTS, KeyFilter, check_notification, check_regions
from invalidator.notifications.merge import EVENTS

QUEUE = "arn:aws:sqs:us-east-1:123456789012:changes"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
LEAVES = sorted(VISIBLE_EVENTS)


def wrong(findings: list[Finding], check: str = "") -> list[Finding]:
    return [finding for finding in findings if finding.verdict == "wrong" and check in ("", finding.check)]


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def entry(
    target: str = QUEUE, events: tuple[str, ...] = EVENTS, id_: str = "invalidator", **rules: str
) -> dict[str, Any]:
    name = {"sqs": "Queue", "sns": "Topic", "lambda": "LambdaFunction"}[target.split(":")[2]]
    filter_ = [{"Name": rule, "Value": value} for rule, value in rules.items()]
    more = {"Filter": {"Key": {"FilterRules": filter_}}} if filter_ else {}
    return {"Id": id_, f"{name}Arn": target, "Events": list(events), **more}


def configured(*entries: dict[str, Any], eventbridge: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"EventBridgeConfiguration": {}} if eventbridge else {}
    for item in entries:
        (arn,) = (name for name in item if name.endswith("Arn"))
        found.setdefault(arn.removesuffix("Arn") + "Configurations", []).append(item)
    return found


def notified(*entries: dict[str, Any], queue: str = "", prefixes: tuple[str, ...] = (), **more: bool) -> list[Finding]:
    served = [KeyFilter(prefix) for prefix in prefixes or ("",)]
    return check_notification("origin", configured(*entries, **more), queue, served)


@given(st.data())
def test_events_may_be_told_in_any_number_of_entries_but_each_has_to_be(data: st.DataObject) -> None:
    homes = data.draw(st.lists(st.sampled_from(range(4)), min_size=len(LEAVES), max_size=len(LEAVES)))
    groups = [tuple(leaf for leaf, home in zip(LEAVES, homes, strict=True) if home == number) for number in range(4)]
    entries = [entry(events=group, id_=str(number)) for number, group in enumerate(groups) if group]
    assert only(notified(*entries)).verdict == "ok"
    lost = data.draw(st.sampled_from(LEAVES))
    less = [item | {"Events": [event for event in item["Events"] if event != lost]} for item in entries]
    finding = only(notified(*less))
    assert finding.verdict == "wrong"
    assert f"of no {lost}" in finding.text or f"of no {lost.rpartition(':')[0]}:*" in finding.text


def test_a_bucket_that_notifies_nobody_is_to_be_connected() -> None:
    finding = only(notified(queue=QUEUE))
    assert (finding.verdict, finding.check) == ("wrong", "notification")
    assert finding.todo == f"python -m invalidator connect --bucket origin --queue {QUEUE}"
    assert "arn:aws:sqs:<region>" in only(notified()).todo


def test_what_another_is_told_is_not_heard_by_the_queue() -> None:
    finding = only(notified(entry(FUNCTION), queue=QUEUE))
    assert finding.text.startswith(f"bucket origin notifies {FUNCTION}, and not {QUEUE}")


def test_a_filter_is_wrong_and_named() -> None:
    finding = only(notified(entry(id_="in-dev", prefix="a b/", suffix=".html")))
    assert finding.verdict == "wrong"
    assert "only for keys with prefix 'a b/' and suffix '.html'" in finding.text
    assert finding.todo.startswith(f"python -m invalidator connect --bucket origin --queue {QUEUE} --id in-dev; or")


def test_a_filter_that_lets_all_through_that_is_served_is_well() -> None:
    assert only(notified(entry(prefix="prod"), prefixes=("prod/",))).verdict == "ok"
    both = entry(prefix="prod/", id_="1"), entry(prefix="beta/", id_="2")
    assert only(notified(*both, prefixes=("prod/", "beta/x/"))).verdict == "ok"
    for prefixes in ((), ("",), ("prod/", "")):
        assert wrong(notified(entry(prefix="prod/"), prefixes=prefixes))
    assert wrong(notified(entry(suffix=".html"), prefixes=("prod/",)))


def test_several_entries_of_a_queue_are_replaced_by_one() -> None:
    both = entry(suffix=".html", id_="1"), entry(suffix=".css", id_="a b")
    todo = only(notified(*both, queue=QUEUE)).todo
    assert todo.startswith(
        "python -m invalidator disconnect --bucket origin --id 'a b' && python -m invalidator connect"
    )
    assert "name the function's queue with --queue" in only(notified(both[0], entry(FUNCTION, suffix=".c"))).todo


def test_a_function_is_connected_as_such_and_a_topic_by_hand() -> None:
    few = ("s3:ObjectCreated:*",)
    assert f"--function {FUNCTION}" in only(notified(entry(FUNCTION, few))).todo
    assert only(notified(entry(TOPIC, few), queue=QUEUE)).todo.startswith("let the entry 'invalidator' send s3:")


def test_eventbridge_hears_everything() -> None:
    assert only(notified(eventbridge=True, queue=QUEUE)).verdict == "ok"
    assert only(notified(entry(FUNCTION, ("s3:ObjectTagging:*",)), eventbridge=True)).verdict == "ok"
    # The queue is told by the bucket itself, and that is not enough.
    assert only(notified(entry(suffix=".a"), eventbridge=True, queue=QUEUE)).verdict == "wrong"


def test_a_bucket_without_acls_need_not_tell_of_them() -> None:
    assert only(notified(entry(events=tuple(event for event in EVENTS if "Acl" not in event)))).verdict == "ok"
    assert "s3:ObjectAcl:Put" in only(notified(entry(TOPIC, ("s3:ObjectRemoved:*",)), queue=QUEUE)).todo


def test_a_target_elsewhere_is_out_of_reach() -> None:
    assert only(check_regions("origin", "us-east-1", [QUEUE, FUNCTION])).verdict == "ok"
    finding = only(check_regions("origin", "eu-west-1", [QUEUE]))
    assert (finding.verdict, "--region eu-west-1" in finding.todo) == ("wrong", True)
    assert "nonsense in no Region" in only(check_regions("origin", "eu-west-1", ["nonsense"])).text
