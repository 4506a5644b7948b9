"""Our entry in a bucket's notification configuration: whatever else is in there is never touched."""

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from invalidator.errors import NotificationError
from invalidator.notifications.merge import EVENTBRIDGE, EVENTS, NotificationEntry, connected, diff_lines, disconnected

LISTS = {
    "QueueConfigurations": ("QueueArn", "arn:aws:sqs:us-east-1:111122223333:"),
    "TopicConfigurations": ("TopicArn", "arn:aws:sns:us-east-1:111122223333:"),
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "arn:aws:lambda:us-east-1:111122223333:function:"),
}
QUEUE = LISTS["QueueConfigurations"][1] + "invalidator"
OURS = "invalidator"
SUFFIX_B = {"Key": {"FilterRules": [{"Name": "Suffix", "Value": "b"}]}}

texts = st.text(st.sampled_from("ab/. "), max_size=4)
event_names = st.sampled_from(
    ["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectRestore:Post"]
)
targets = st.sampled_from([arn + name for _, arn in LISTS.values() for name in ("invalidator", "other")])
entries = st.builds(NotificationEntry, st.just(OURS), targets, texts, texts)


@st.composite
def foreign_entries(draw: st.DrawFn, arn_name: str, arn: str) -> dict[str, Any]:
    """An entry of another tool, spelt as S3 answers, with something in it that this version has never heard of."""
    entry: dict[str, Any] = {
        "Id": draw(st.sampled_from(["x", "y", "invalidator-2", ""])),
        arn_name: arn + draw(st.sampled_from(["other", "third"])),
        "Events": draw(st.lists(event_names, min_size=1, max_size=3, unique=True)),
    }
    rules = [
        {"Name": name, "Value": draw(texts).replace(" ", "+")}
        for name in draw(st.lists(st.sampled_from(["Prefix", "suffix"]), unique=True))
    ]
    return (
        entry | draw(st.sampled_from([{}, {"New": 1}])) | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})
    )


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the entries that other tools left in a bucket, and sometimes an earlier entry of ours."""
    found: dict[str, Any] = draw(
        st.sampled_from([{}, {"EventBridgeConfiguration": {}}, {"NewKindOfThing": [{"Id": OURS}]}])
    )
    found = copy.deepcopy(found)
    for name, (arn_name, arn) in LISTS.items():
        if items := draw(st.lists(foreign_entries(arn_name, arn), max_size=2)):
            found[name] = items
    if earlier := draw(st.none() | entries):
        found = dict(try_connect(found, earlier) or found)
    return found


@st.composite
def agreeable(draw: st.DrawFn) -> tuple[dict[str, Any], NotificationEntry]:
    """A configuration, and an entry that overlaps with nothing in it."""
    configuration, entry = draw(configurations()), draw(entries)
    for name in LISTS:
        for item in others(configuration).get(name, []):
            if try_connect({name: [item]}, entry) is None:
                configuration[name].remove(item)
    return {name: value for name, value in configuration.items() if value or name not in LISTS}, entry


def others(configuration: Any) -> Any:
    """Everything but our entry; a list that held nothing else is not there."""
    rest = {
        name: [item for item in value if item.get("Id") != OURS] if name in LISTS else value
        for name, value in configuration.items()
    }
    return {name: value for name, value in rest.items() if value or name not in LISTS}


def ours(configuration: Any) -> list[Any]:
    return [item for name in LISTS for item in configuration.get(name, []) if item.get("Id") == OURS]


def rules_of(item: dict[str, Any]) -> Any:
    return item.get("Filter", {}).get("Key", {}).get("FilterRules", [])


def matches(item: dict[str, Any], event: str, key: str) -> bool:
    """Return True if S3 would send this event of this key to the entry's target."""
    rules = {
        rule["Name"].lower(): rule["Value"] for rule in item.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    }
    named = event in item["Events"] or f"{event.rsplit(':', 1)[0]}:*" in item["Events"]
    sent = key.replace(" ", "+")
    return named and sent.startswith(rules.get("prefix", "")) and sent.endswith(rules.get("suffix", ""))


def try_connect(configuration: Any, entry: NotificationEntry) -> Any:
    try:
        return connected(configuration, entry)
    except NotificationError:
        return None


def test_a_bucket_is_to_tell_of_what_a_viewer_sees() -> None:
    assert EVENTS == ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*", "s3:ObjectAcl:Put")


def test_an_entry_of_an_older_version_is_brought_up_to_date() -> None:
    entry = NotificationEntry(OURS, QUEUE)
    older = {"QueueConfigurations": [{"Id": OURS, "QueueArn": QUEUE, "Events": list(EVENTS[:3])}]}
    assert connected(older, entry) == connected({}, entry)


# --- nothing of others is touched -----------------------------------------------------------------------


@given(agreeable())
def test_connecting_leaves_all_others_untouched_and_in_order(case: tuple[Any, NotificationEntry]) -> None:
    configuration, entry = case
    before = copy.deepcopy(configuration)
    after = connected(configuration, entry)
    assert configuration == before
    assert others(after) == others(before)


@given(configurations())
def test_disconnecting_takes_out_ours_and_nothing_else(configuration: Any) -> None:
    before = copy.deepcopy(configuration)
    after = disconnected(configuration, OURS)
    assert configuration == before
    assert after == others(before)
    assert ours(after) == []


@given(agreeable())
def test_disconnecting_undoes_connecting(case: tuple[Any, NotificationEntry]) -> None:
    configuration, entry = case
    assert disconnected(connected(configuration, entry), OURS) == others(configuration)


@given(agreeable())
def test_there_is_one_entry_of_ours_at_most_and_it_is_the_last_one(case: tuple[Any, NotificationEntry]) -> None:
    configuration, entry = case
    (item,) = ours(connected(configuration, entry))
    assert entry.target in item.values()
    assert item["Events"] == list(EVENTS)
    for key in ("", "a", entry.prefix + entry.suffix, "b" + entry.prefix + entry.suffix + "b"):
        wanted = key.startswith(entry.prefix) and key.endswith(entry.suffix)
        assert matches(item, "s3:ObjectCreated:Copy", key) == wanted


@given(agreeable())
def test_doing_it_again_changes_nothing(case: tuple[Any, NotificationEntry]) -> None:
    configuration, entry = case
    after = connected(configuration, entry)
    assert connected(after, entry) is after
    without = disconnected(after, OURS)
    assert disconnected(without, OURS) is without


def test_an_entry_is_known_again_as_s3_spells_it() -> None:
    configuration: Any = connected({}, NotificationEntry(OURS, QUEUE, "a b/", ".html"))
    (item,) = configuration["QueueConfigurations"]
    item["Events"].reverse()
    for rule in item["Filter"]["Key"]["FilterRules"]:
        rule["Name"] = rule["Name"].capitalize()
    assert connected(configuration, NotificationEntry(OURS, QUEUE, "a b/", ".html")) is configuration


@pytest.mark.parametrize(
    "change",
    [
        NotificationEntry(OURS, QUEUE, "b"),
        NotificationEntry(OURS, QUEUE, "", "a"),
        NotificationEntry(OURS, QUEUE + "2", "a"),
    ],
)
def test_another_filter_or_target_replaces_ours(change: NotificationEntry) -> None:
    before = connected({}, NotificationEntry(OURS, QUEUE, "a"))
    assert connected(before, change) == connected({}, change) != before


# --- overlaps -------------------------------------------------------------------------------------------


@given(agreeable(), event_names, texts)
def test_no_event_would_have_to_be_sent_to_two_targets(
    case: tuple[Any, NotificationEntry], event: str, key: str
) -> None:
    configuration, entry = case
    after = connected(configuration, entry)
    (item,) = ours(after)
    event = event.replace("*", "Put")
    rest = [other for name in LISTS for other in others(after).get(name, [])]
    for candidate in {key, entry.prefix + key + entry.suffix}:
        assert not (matches(item, event, candidate) and any(matches(other, event, candidate) for other in rest))


@given(configurations(), entries)
@example(
    {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"], "Filter": SUFFIX_B}]},
    NotificationEntry(OURS, QUEUE, "", "a"),
)
def test_what_is_refused_overlaps_in_an_event_of_some_key(configuration: Any, entry: NotificationEntry) -> None:
    assume(try_connect(configuration, entry) is None)
    item = ours(connected({}, entry))[0]
    rest = [other for name in LISTS for other in others(configuration).get(name, [])]
    parts = [entry.prefix, entry.suffix, ""]
    for other in rest:
        parts += [rule["Value"].replace("+", " ") for rule in rules_of(other)]
    keys = {prefix + suffix for prefix in parts for suffix in parts}
    names = ["s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"]
    assert any(
        matches(item, name, key) and matches(other, name, key) for other in rest for name in names for key in keys
    )


@pytest.mark.parametrize(("ours_", "theirs"), [("", ".jpg"), (".jpg", ""), (".jpg", "a.jpg"), ("a.jpg", ".jpg")])
def test_one_suffix_that_ends_in_another_overlaps_with_it(ours_: str, theirs: str) -> None:
    other = connected({}, NotificationEntry("x", QUEUE, "", theirs))
    with pytest.raises(NotificationError):
        connected(other, NotificationEntry(OURS, QUEUE, "", ours_))


def test_a_refusal_names_the_other_entry_and_the_way_out() -> None:
    other = {
        "Id": "thumbnails",
        "LambdaFunctionArn": "arn:aws:lambda:us-east-1:111122223333:function:thumbnails",
        "Events": ["s3:ObjectCreated:Put"],
        "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "red+images/"}]}},
    }
    with pytest.raises(NotificationError) as refusal:
        connected({"LambdaFunctionConfigurations": [other]}, NotificationEntry(OURS, QUEUE))
    text = str(refusal.value)
    for words in ("'thumbnails'", "function:thumbnails", "s3:ObjectCreated:*", "'red images/'", "trigger=eventbridge"):
        assert words in text
    assert "s3:ObjectRemoved" not in text


def test_an_entry_without_an_id_is_left_alone_and_named_as_one() -> None:
    nameless = {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
    with pytest.raises(NotificationError, match="its entry 'without an id'"):
        connected({"QueueConfigurations": [nameless]}, NotificationEntry(OURS, QUEUE))
    assert disconnected({"QueueConfigurations": [nameless]}, OURS) == {"QueueConfigurations": [nameless]}


def test_what_eventbridge_is_set_up_with_stays() -> None:
    on = {"EventBridgeConfiguration": {"New": 1}}
    assert connected(on, NotificationEntry(OURS, EVENTBRIDGE)) is on


def test_ours_comes_last_so_that_others_keep_their_places() -> None:
    other = {"Id": "x", "QueueArn": QUEUE + "2", "Events": ["s3:ObjectTagging:*"]}
    after = connected({"QueueConfigurations": [other]}, NotificationEntry(OURS, QUEUE))
    assert [item["Id"] for item in after["QueueConfigurations"]] == ["x", OURS]


@given(agreeable())
def test_an_entry_is_only_taken_out_with_its_target_if_that_is_asked(case: tuple[Any, NotificationEntry]) -> None:
    configuration, entry = case
    after = connected(configuration, entry)
    assert disconnected(after, OURS, entry.target + "2") is after
    assert disconnected(after, OURS, entry.target) == disconnected(after, OURS)


@given(configurations())
def test_eventbridge_goes_beside_everything(configuration: Any) -> None:
    after = connected(configuration, NotificationEntry(OURS, EVENTBRIDGE))
    assert after == others(configuration) | {"EventBridgeConfiguration": {}}
    assert connected(after, NotificationEntry(OURS, EVENTBRIDGE)) is after


def test_eventbridge_stays_on_since_others_may_use_it() -> None:
    on = connected({}, NotificationEntry(OURS, EVENTBRIDGE))
    assert disconnected(on, OURS) is on


@pytest.mark.parametrize(
    "target",
    [
        "",
        "queue",
        "arn:aws:s3:::bucket",
        "arn:aws:sqs:::",
        "arn:aws:sqs:us-east-1::q",
        "arn:",
        "https://sqs.us-east-1.amazonaws.com/1/q",
    ],
)
def test_anything_but_the_arn_of_a_queue_topic_or_function_is_refused(target: str) -> None:
    with pytest.raises(NotificationError, match="is not the ARN of a queue"):
        connected({}, NotificationEntry(OURS, target))


@pytest.mark.parametrize(
    ("raw", "encoded"),
    [
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("café/", "caf%C3%A9/"),
        ("x=1&y", "x%3D1%26y"),
        ("-_.!'()~", "-_.!'()~"),
        ("a*b", "a%2Ab"),
    ],
)
def test_filters_are_encoded_as_s3_wants_them(raw: str, encoded: str) -> None:
    (item,) = ours(connected({}, NotificationEntry(OURS, QUEUE, raw)))
    assert item["Filter"] == {"Key": {"FilterRules": [{"Name": "prefix", "Value": encoded}]}}


# --- the difference -------------------------------------------------------------------------------------


@given(agreeable())
def test_the_difference_shows_exactly_what_changes(case: tuple[Any, NotificationEntry]) -> None:
    configuration, entry = case
    after = connected(configuration, entry)
    lines = diff_lines(configuration, after)
    assert bool(lines) == (configuration != after)
    for sign, side in (("-", configuration), ("+", after)):
        whole = json.dumps(side, indent=2, sort_keys=True).split("\n")
        assert all(line[1:] in whole for line in lines[2:] if line.startswith(sign))
