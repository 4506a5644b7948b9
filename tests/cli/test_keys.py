"""Keys as a person gives them: the same in all commands that take one."""

import pytest

from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.command import assert_explained, run
from tests.doubles.configurations import of_buckets
from tests.doubles.documents import contents

BUCKET = ("--bucket", "origin")
COMMANDS = [
    ("plan", *BUCKET),
    ("create", *BUCKET, "--dry-run"),
    ("explain", *BUCKET),
    ("verify", *BUCKET, "--url", "https://d1.example/x"),
]
INSIST = "(If that is the key, add --literal)"


@pytest.fixture(autouse=True)
def one_bucket(cloudfront: StrictCloudFront) -> None:
    """Let one distribution, with an alias, serve the bucket."""
    aliases = {"Aliases": {"Quantity": 1, "Items": ["www.example.com"]}}
    cloudfront.configs = {
        "E1": of_buckets("origin") | aliases | {"DefaultRootObject": "start.html"},
        "E2": of_buckets("other"),
    }


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("/blog/index.html", f"'/blog/index.html' begins with a slash: did you mean 'blog/index.html'? {INSIST}"),
        ("a.jpg?w=200", f"'a.jpg?w=200' has a query string: did you mean 'a.jpg'? {INSIST}"),
        ("s3://origin/a b", "'s3://origin/a b' is a URL: did you mean --bucket origin --key 'a b'?"),
        ("https://elsewhere.example/a%20b", "is a URL and not a key: did you mean 'a b'?"),
    ],
)
def test_what_looks_like_no_key_is_asked_about(command: tuple[str, ...], key: str, words: str) -> None:
    # To create, what begins with a slash is a path.
    how = [key] if command[0] in {"explain", "verify"} else ["--key", key]
    assert_explained(run(*command, *how), 2, words)


def items(*keys: str) -> list[str]:
    """Return the paths that a plan for these keys sends."""
    done = run("plan", *keys, *BUCKET, "--json")
    assert done.returncode == 0, done.stderr
    return [item for batch in contents(done.stdout)["batches"] for item in batch["items"]]


def test_the_url_of_a_distribution_is_its_key_where_that_is_certain() -> None:
    assert items("https://www.example.com/a%20b?x=1") == ["/a%20b", "/a+b"]
    assert items("HTTPS://WWW.example.com") == items("start.html")
    done = run("explain", "https://www.example.com/a", *BUCKET)
    assert "https://www.example.com/a is the key 'a' in bucket origin\n" in done.stderr
    for url, meant in (("/c+d", "'c+d' or 'c d'"), ("/blog/", "'blog/' or 'blog/index.html'")):
        done = run("plan", f"https://www.example.com{url}", *BUCKET)
        assert_explained(done, 2, f"is a URL and not a key: did you mean {meant}?")


def test_whoever_insists_gets_the_key_as_it_is() -> None:
    assert items("/a", "--literal") == ["//a"]
    assert items("a?b", "https://www.example.com/a", "--literal") == ["/a%3Fb", "/https://www.example.com/a"]


def test_a_build_without_a_change_is_no_failure(cloudfront: StrictCloudFront) -> None:
    create = ("create", *BUCKET, "--keys-from", "-")
    assert_explained(run(*create), 2, "no line has anything in it (--allow-empty takes that for no work)")
    planned = run("plan", *BUCKET, "--keys-from", "-")
    assert_explained(planned, 2, "no line has anything in it")
    assert "--allow-empty" not in planned.stderr  # which plan does not have
    done = run(*create, "--allow-empty", "--json")
    assert (done.returncode, contents(done.stdout)["invalidations"], done.stderr) == (
        0,
        [],
        "There is nothing to send.\n",
    )
    assert run(*create, "--allow-empty", stdin="a\n").returncode == 0
    assert cloudfront.paths("E1") == ["/a"]
    assert_explained(run("create", *BUCKET, "--allow-empty"), 2, "nothing to invalidate: give --paths")


def test_a_name_that_is_given_twice_is_known_already(cloudfront: StrictCloudFront) -> None:
    create = ("create", "a", *BUCKET, "--reference", "build 7")
    first = run(*create)
    assert "known" not in first.stdout + first.stderr
    again = run(*create)
    assert again.stdout.rstrip().endswith("known already")
    assert "1 known already: nothing new was created or billed for it" in again.stderr
    (one,) = contents(run(*create, "--json").stdout)["invalidations"]
    assert one["known"]


def test_an_endpoint_that_does_not_answer_is_told_at_once() -> None:
    """One line for all attempts, in a pipe, too."""
    done = run("plan", "a", *BUCKET, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.startswith("no answer yet: Could not connect to the endpoint URL: ")
    assert done.stderr.count("no answer yet") == 1
