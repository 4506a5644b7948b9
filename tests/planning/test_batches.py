"""Laws of chunks: what is counted all at once is cut as what is counted one by one."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.events import tickets
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import Cause, Item, ObjectChange, ObjectKey, UrlPath
from invalidator.planning.batches import chunks

# Halves of surrogate pairs, too: they stand for bytes that are no text, and could become a character if they met.
_texts = st.text(st.sampled_from('a"\\\x7f\n\xe9\U0001f339\udc80\ud83c') | st.characters(), max_size=8)
_sources = st.builds(ObjectChange, st.just("b"), _texts.map(ObjectKey), _texts)
_causes = st.lists(st.builds(Cause, _sources, _texts), min_size=1, max_size=3).map(tuple)
_items = st.lists(_causes, max_size=5).map(
    lambda some: tuple(Item(UrlPath(f"/{number}"), causes) for number, causes in enumerate(some))
)


@given(_items)
def test_no_items_take_more_bytes_than_the_bound_says(items: tuple[Item, ...]) -> None:
    causes = [cause for item in items for cause in item.causes]
    paths, keys = [item.path for item in items], [cause.source.key for cause in causes]
    bound = tickets.most_bytes(paths, [cause.relation for cause in causes], list(keys))
    assert bound >= sum(tickets.sizes(items))
    single = tuple(item._replace(causes=item.causes[:1]) for item in items)
    firsts = [item.causes[0] for item in single]
    exact = tickets.most_bytes(paths, [cause.relation for cause in firsts], [cause.source.key for cause in firsts])
    assert exact == sum(tickets.sizes(single)) + 2


@given(_items.filter(bool))
def test_a_digest_is_that_of_the_json_of_paths_and_identities(items: tuple[Item, ...]) -> None:
    identities = sorted({cause.source.identity for item in items for cause in item.causes})
    text = json.dumps([[item.path for item in items], identities])
    assert [chunk.digest for chunk in chunks(items)] == [sha256(text.encode()).digest()]


def _cut(items: tuple[Item, ...], most: int) -> list[tuple[Item, ...]]:
    """Cut items as the rule says: another call begins where one more item would be too much."""
    cut: list[list[tuple[Item, int]]] = []
    for one in zip(items, tickets.sizes(items), strict=True):
        together = [*(cut[-1] if cut else ()), one]
        wildcards, bytes_ = sum(item.is_wildcard for item, _ in together), sum(size for _, size in together)
        fits = len(together) <= most and wildcards <= MAX_WILDCARDS_PER_CALL and bytes_ <= tickets.MAX_BYTES
        cut[-1:] = [together] if fits or not cut else [cut[-1], [one]]
    return [tuple(item for item, _ in call) for call in cut]


_relations = st.sampled_from(["object", "x" * (tickets.MAX_BYTES // 40), "\0" * (tickets.MAX_BYTES // 400)])
_kinds = st.tuples(st.lists(_relations, min_size=1, max_size=2), st.sampled_from(["", "*"]))


@pytest.mark.parametrize("most", [7, MAX_ITEMS_PER_CALL])
@given(kinds=st.lists(_kinds, max_size=4), times=st.integers(1, 20))
def test_items_are_cut_where_one_more_would_be_too_much(
    kinds: list[tuple[list[str], str]], times: int, most: int
) -> None:
    source = ObjectChange("b", ObjectKey("k"), "i")
    items = tuple(
        Item(UrlPath(f"/{number:03}{end}"), tuple(Cause(source, relation) for relation in relations))
        for number, (relations, end) in enumerate(kinds * times)
    )
    assert [chunk.items for chunk in chunks(items, most)] == _cut(items, most)
