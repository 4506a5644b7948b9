"""A release is what was tested, the same bytes whenever it is made of the same commit, and runs where nothing is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from email.parser import BytesParser
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from deploy.bundle import REQUIREMENTS, pinned
from deploy.checkout import Checkout, CheckoutError, objections, read_checkout, versions
from deploy.pythons import LAMBDAS_PYTHON
from deploy.released import MOST_BYTES, TemplateError, dense, released
from invalidator import __version__
from tests.doubles.packaged import alone

ROOT = Path(__file__).parents[2]
RELEASE_PYTHON = ROOT / ".venv-release" / "bin" / "python"
TEMPLATE = (ROOT / "template.yml").read_text()
VERSION = "9.9.9"
CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Changed\n\n## 1.2.3 - 2026-11-30\n\n- All.\n\n## 1.2.2 - 2026-11-01\n"
THIS = Checkout("1.2.3", "c0ffee", 1, CHANGELOG)


def test_the_newest_version_of_the_changelog_is_that_of_the_package() -> None:
    assert versions((ROOT / "CHANGELOG.md").read_text())[:1] == [__version__]


# --- What is refused ------------------------------------------------------------------------------------


def test_a_commit_with_its_own_tag_can_be_released_again() -> None:
    assert objections(THIS, LAMBDAS_PYTHON) == []
    tagged = replace(THIS, tagged={"here": "c0ffee", "on origin": "c0ffee"}, tags=("v1.2.3",))
    assert objections(tagged, LAMBDAS_PYTHON) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"changed": ["a", "b"]}, "files that are not as in the commit: a, b. Commit or remove them."),
        ({"changed": list("abcdefg")}, "a, b, c, d, e and 2 more."),
        ({"tagged": {"here": "beef"}}, "v1.2.3 here is commit beef already, and this is c0ffee."),
        ({"tagged": {"on origin": "beef"}}, "v1.2.3 on origin is commit beef already"),
        ({"tags": ["v1.2.4"]}, "the tag v1.2.4 is on this commit, whose version is 1.2.3."),
        ({"changelog": "## Unreleased\n"}, "CHANGELOG.md: it has no dated version. Begin a section with '## 1.2.3 - "),
        ({"changelog": CHANGELOG.replace("1.2.3", "1.2.4")}, "CHANGELOG.md: its newest dated version is 1.2.4."),
        ({"changelog": CHANGELOG.replace("11-30", "11-31")}, "CHANGELOG.md: its newest dated version is 1.2.2."),
        ({"changelog": CHANGELOG.replace(" - 2026-11-30", "")}, "CHANGELOG.md: its newest dated version is 1.2.2."),
        ({"changelog": CHANGELOG.replace("Changed", "Changed\n\n- It.")}, "Unreleased is not empty: '- It.'."),
        ({"changelog": CHANGELOG.replace("Unreleased", "[Unreleased]\nIt.")}, "Unreleased is not empty: 'It.'."),
    ],
)
def test_what_keeps_a_commit_from_being_released_is_told(other: dict[str, Any], words: str) -> None:
    (told,) = objections(replace(THIS, **other), LAMBDAS_PYTHON)
    assert words in told
    assert told.endswith(".")


def test_another_python_than_lambdas_is_refused() -> None:
    (told,) = objections(THIS, "cpython-311")
    assert told.startswith("the zips take cpython-313, the Python of Lambda, and this is cpython-311: ")


def test_all_that_is_against_a_release_is_told_at_once() -> None:
    assert len(objections(replace(THIS, changed=["a"], tagged={"here": "b"}, changelog=""), "cpython-311")) == 4


def git(folder: Path, *words: str) -> str:
    """Run git as somebody, without the machine's settings."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    named = ("git", "-c", "user.name=me", "-c", "user.email=me@example.com", *words)
    return subprocess.run(named, cwd=folder, env=environ, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with a commit and an origin that has it, too."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name, text in {"CHANGELOG.md": CHANGELOG, ".gitignore": "ignored\n", "a b": "1"}.items():
        (folder / name).write_text(text)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    git(tmp_path, "clone", "--quiet", "--bare", "here", "origin")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin"))
    return folder


def test_a_clean_commit_has_nothing_against_it(repository: Path) -> None:
    (repository / "ignored").write_text("")
    read = read_checkout(repository, "1.2.3")
    assert (read.commit, read.unasked) == (git(repository, "rev-parse", "HEAD"), "")
    assert objections(read, LAMBDAS_PYTHON) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda folder: (folder / "a b").write_text("2"), ["a b"]),
        (lambda folder: (folder / "a b").unlink(), ["a b"]),
        (lambda folder: (folder / "a b").chmod(0o755), ["a b"]),
        (lambda folder: ((folder / "new").write_text(""), git(folder, "add", "new")), ["new"]),
        (lambda folder: ((folder / "x").mkdir(), (folder / "x" / "new").write_text("")), ["x/new"]),
        # git status would not show it, and it would be packed: only .gitignore is read by what packs.
        (lambda folder: ((folder / "new").write_text(""), (folder / ".git/info/exclude").write_text("new\n")), ["new"]),
    ],
)
def test_what_is_not_as_in_the_commit_is_found(
    repository: Path, change: Callable[[Path], object], names: list[str]
) -> None:
    change(repository)
    assert read_checkout(repository, "1.2.3").changed == names


@pytest.mark.parametrize("annotated", [(), ("--annotate", "--message=it")], ids=["light", "annotated"])
def test_a_tag_is_found_here_and_on_origin(repository: Path, annotated: tuple[str, ...]) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", *annotated, "v1.2.3")
    git(repository, "push", "--quiet", "origin", "v1.2.3")
    read = read_checkout(repository, "1.2.3")
    assert (read.tagged, read.tags) == ({"here": first, "on origin": first}, ["v1.2.3"])
    git(repository, "tag", "--delete", "v1.2.3")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "two")
    read = read_checkout(repository, "1.2.3")
    assert (read.tagged, read.tags) == ({"on origin": first}, [])
    assert len(objections(read, LAMBDAS_PYTHON)) == 1
    assert read_checkout(repository, "1.2").tagged == {}


def test_an_origin_that_cannot_be_asked_keeps_nobody_from_a_release(repository: Path) -> None:
    git(repository, "remote", "set-url", "origin", str(repository / "none"))
    read = read_checkout(repository, "1.2.3")
    assert read.unasked.startswith("git ls-remote: ")
    assert objections(read, LAMBDAS_PYTHON) == []
    git(repository, "remote", "remove", "origin")
    assert read_checkout(repository, "1.2.3").unasked == "there is no origin"


def test_what_is_no_repository_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "inner").mkdir()
    with pytest.raises(CheckoutError, match=r"is not the top of a repository"):
        read_checkout(repository / "inner", "1.2.3")
    with pytest.raises(CheckoutError, match=r"^git rev-parse: "):
        read_checkout(tmp_path, "1.2.3")


# --- The template ---------------------------------------------------------------------------------------


def tree(text: str) -> Any:
    """Return a document of YAML with its tags, as tuples, lists and texts."""

    def plain(node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return node.tag, {plain(name)[1]: plain(value) for name, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return node.tag, [plain(value) for value in node.value]
        return node.tag, node.value

    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert root
    return plain(root)


@given(st.dictionaries(st.text("ab"), st.lists(st.text("a#'\"\n :-|>!é")), min_size=1), st.booleans())
def test_a_dense_document_says_the_same(document: dict[str, list[str]], is_flow: bool) -> None:
    text = f"# one\n\n{yaml.safe_dump(document, default_flow_style=is_flow, width=20)}\n  # two\n"
    assert yaml.safe_load(dense(text)) == document


def test_a_dense_document_has_no_comments_and_keeps_texts_with_their_sign() -> None:
    text = "# 1\na: b#c # 2\n\n# 3\nd: '# 4'\ne: |\n  # 5\n\n  f\ng: [h, # 6\n  !Ref A::B]\n"
    assert dense(text) == "a: b#c\nd: '# 4'\ne: |\n  # 5\n\n  f\ng: [h, !Ref A::B]\n"
    assert dense("a:\n  b:\n    c:\n      d:\n        - 1\n") == "a:\n  b:\n    c: {d: [1]}\n"


def test_a_released_template_says_what_the_template_says_but_for_the_code() -> None:
    (_, ours), (_, theirs) = tree(TEMPLATE), tree(released(TEMPLATE, VERSION))
    added = theirs["Parameters"][1].keys() - ours["Parameters"][1].keys()
    assert added == {"CodeBucket", "CodeKey"}
    interface = theirs["Metadata"][1]["AWS::CloudFormation::Interface"][1]
    first = interface["ParameterGroups"][1].pop(0)
    assert [value for _, value in first[1]["Parameters"][1]] == ["CodeBucket", "CodeKey"]
    for name in added:
        del theirs["Parameters"][1][name]
    del theirs["Conditions"][1]["HasCodeKey"]
    zips = set()
    for name, (_, resource) in ours["Resources"][1].items():
        if resource["Type"][1] == "AWS::Lambda::Function":
            _, file = resource["Properties"][1].pop("Code")
            _, code = theirs["Resources"][1][name][1]["Properties"][1].pop("Code")
            assert code["S3Bucket"] == ("!Ref", "CodeBucket")
            sub, (name_of_zip, (_, words)) = code["S3Key"]
            assert (sub, name_of_zip[1]) == ("!Sub", file.replace(".build/", "${Folder}/"))
            given_or_not = [value for _, value in words["Folder"][1]]
            assert given_or_not == ["HasCodeKey", "CodeKey", f"invalidator-{VERSION}"]
            zips.add(file)
    assert len(zips) == 4
    assert theirs == ours


def test_the_code_of_the_next_release_is_taken_by_a_stack_of_this_one() -> None:
    # A stack keeps what its parameters are, also if it took the default.
    (_, one), (_, next_one) = tree(released(TEMPLATE, "1.0.0")), tree(released(TEMPLATE, "1.0.1"))
    keys = [part["Parameters"][1]["CodeKey"][1].pop("Default") for part in (one, next_one)]
    assert keys[0] == keys[1]
    assert one["Resources"] != next_one["Resources"]


def test_a_released_template_can_be_passed_without_a_bucket() -> None:
    assert len(released(TEMPLATE, "100.100.100").encode()) <= MOST_BYTES


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Code: .build/check.zip", "Code: ./.build/check.zip", "a function has no line 'Code: "),
        ("\nConditions:\n", "\nConditions: {}\nOthers:\n", "0 lines 'Conditions:', not one"),
        ("    ParameterGroups:\n", "    Others:\n", "0 lines 'ParameterGroups:', not one"),
        ("\nConditions:\n", f"\nOthers: {'x' * MOST_BYTES}\nConditions:\n", "bytes, and at most 51,200 can be passed"),
    ],
)
def test_a_template_of_another_form_is_refused(old: str, new: str, words: str) -> None:
    assert old in TEMPLATE
    with pytest.raises(TemplateError, match=re.escape(words)):
        released(TEMPLATE.replace(old, new), VERSION)


# --- The files ------------------------------------------------------------------------------------------


def needed() -> None:
    """Skip a test, or fail it in a CI that has Lambda's Python, if what makes a release is missing."""
    if not (ROOT / ".git").exists():
        pytest.skip("a release is made of a commit")
    if not RELEASE_PYTHON.exists():
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        has_python = shutil.which("python3.13") or any(pyenv.glob("versions/3.13.*"))
        assert not (os.environ.get("CI") and has_python), "CI has to run make .venv-release/.ready"
        pytest.skip(".venv-release is missing: with a Python 3.13, make .venv-release/.ready makes it")


def make_commit(folder: Path) -> None:
    """Commit what lies here, which need not be committed here, as another version."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    module, changelog = folder / "invalidator" / "__init__.py", folder / "CHANGELOG.md"
    module.write_text(module.read_text().replace(f'__version__ = "{__version__}"', f'__version__ = "{VERSION}"'))
    _, _, old = changelog.read_text().partition("## Unreleased\n")
    changelog.write_text(f"# Changelog\n\n## Unreleased\n\n## {VERSION} - 2026-11-30\n{old}")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")


def begin_release(folder: Path, **environ: str) -> subprocess.Popen[str]:
    """Begin to make a release. The pinned packages, which pip has compared with their hashes, are taken from here."""
    packages = pinned(ROOT / ".build")
    (folder / ".build").mkdir()
    (folder / ".build" / packages.name).symlink_to(packages)
    shutil.copy(packages.with_suffix(".seal"), folder / ".build")
    return subprocess.Popen(
        [RELEASE_PYTHON, "-Es", "-m", "deploy.release"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the files of a release of one commit in two clones. They are made once for all workers."""
    needed()
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "releases"
    folder.mkdir(exist_ok=True)
    one, other = folder / "one", folder / "an other"
    with alone(folder / "lock"):
        if not (folder / "done").exists():
            make_releases(one, other)
            (folder / "done").touch()
    return [one / "dist", other / "dist"]


def make_releases(one: Path, other: Path) -> None:
    """Make a release of a commit and of its clone at the same time."""
    (ROOT / ".build").mkdir(exist_ok=True)
    one.mkdir()
    make_commit(one)
    git(one.parent, "clone", "--quiet", str(one), str(other))
    foreign = other / "invalidator" / "__pycache__" / f"errors.{LAMBDAS_PYTHON}.pyc"
    foreign.parent.mkdir()
    foreign.write_bytes(b"foreign")
    begun = [
        begin_release(one, TZ="Asia/Tokyo", PYTHONOPTIMIZE="1"),
        begin_release(other, TZ="UTC", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="315532800", LC_ALL="C"),
    ]
    for running, asked in zip(begun, (False, True), strict=True):
        output, errors = running.communicate()
        assert running.returncode == 0, errors
        assert ("Origin was not asked" in errors) != asked
        assert len(output.splitlines()) == 9


def test_a_release_is_the_same_bytes_in_another_clone(releases: list[Path]) -> None:
    one, other = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in releases)
    assert one.keys() == {
        f"invalidator-{VERSION}-py3-none-any.whl",
        f"invalidator-{VERSION}.tar.gz",
        "invalidate.zip",
        "connect.zip",
        "check.zip",
        "pipeline.zip",
        "invalidator.yml",
        "invalidator.cdx.json",
        "SHA256SUMS",
    }
    assert [name for name, content in one.items() if other.get(name) != content] == []


def test_the_hashes_of_a_release_are_those_of_its_files(releases: list[Path]) -> None:
    lines = [line.split("  ") for line in (releases[0] / "SHA256SUMS").read_text().splitlines()]
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in releases[0].iterdir()}
    del found["SHA256SUMS"]
    assert {name: digest for digest, name in lines} == found


def test_the_template_of_a_release_is_that_of_its_version(releases: list[Path]) -> None:
    assert (releases[0] / "invalidator.yml").read_text() == released(TEMPLATE, VERSION)


def test_the_sources_of_a_release_are_those_of_the_commit(releases: list[Path]) -> None:
    with tarfile.open(releases[0] / f"invalidator-{VERSION}.tar.gz") as sources:
        packed = {name.partition("/")[2] for name in sources.getnames()}
    assert packed == {*git(releases[0].parent, "-c", "core.quotePath=off", "ls-files").splitlines(), "PKG-INFO"}


def test_a_released_zip_has_the_bytecode_that_lambda_runs(releases: list[Path]) -> None:
    for name in ("invalidate", "connect", "check", "pipeline"):
        names = set(ZipFile(releases[0] / f"{name}.zip").namelist())
        assert f"invalidator/__pycache__/errors.{LAMBDAS_PYTHON}.pyc" in names
        assert "botocore/client.pyc" in names


def test_a_wheel_brings_the_command_and_names_all_that_it_needs(releases: list[Path]) -> None:
    with ZipFile(releases[0] / f"invalidator-{VERSION}-py3-none-any.whl") as wheel:
        inside = f"invalidator-{VERSION}.dist-info"
        metadata = BytesParser().parsebytes(wheel.read(f"{inside}/METADATA"))
        assert "invalidator = invalidator.__main__:main" in wheel.read(f"{inside}/entry_points.txt").decode()
        assert {name.partition("/")[0] for name in wheel.namelist()} == {"invalidator", inside}
    required = {text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text}
    assert {re.split(r"[^\w-]", text)[0] for text in required} == {"aws-lambda-powertools", "boto3", "rich", "typer"}


def test_a_bill_of_materials_names_what_the_zips_bring(releases: list[Path]) -> None:
    bill = json.loads((releases[0] / "invalidator.cdx.json").read_text())
    brought = set()
    for name in ("invalidate", "connect", "check", "pipeline"):
        names = ZipFile(releases[0] / f"{name}.zip").namelist()
        brought |= {name.partition(".dist-info")[0].replace("_", "-") for name in names if ".dist-info/" in name}
    assert {f"{part['name']}-{part['version']}" for part in bill["components"]} == brought
    pins = REQUIREMENTS.read_text()
    for part in bill["components"]:
        (files,) = part["externalReferences"]
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert part["licenses"]
        hashes = {found["content"] for found in files["hashes"]}
        assert all(f"sha256:{digest}" in pins for digest in hashes)
        assert len(hashes) >= 1
    digests = [found["content"] for part in bill["components"] for found in part["externalReferences"][0]["hashes"]]
    assert len(digests) == pins.count("sha256:")
    ours = bill["metadata"]["component"]
    assert (ours["name"], ours["version"], ours["licenses"]) == ("invalidator", VERSION, [{"license": {"id": "MIT"}}])


def test_a_bill_of_materials_keeps_the_schema_of_cyclonedx(releases: list[Path]) -> None:
    (folder,) = RELEASE_PYTHON.parents[1].glob("lib/python*/site-packages/cyclonedx/schema/_res")
    schemas = {file.name: json.loads(file.read_text()) for file in folder.glob("*.SNAPSHOT.schema.json")}
    registry: Registry[Any] = Registry().with_resources(
        (f"http://cyclonedx.org/schema/{name}", Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    schema = schemas["bom-1.6.SNAPSHOT.schema.json"]
    bill = json.loads((releases[0] / "invalidator.cdx.json").read_text())
    assert list(Draft7Validator(schema, registry=registry).iter_errors(bill)) == []


def test_a_release_of_a_dirty_tree_is_refused_before_anything_is_made(releases: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(releases[0].parent), str(folder))
    git(folder, "tag", "v1.0.0")
    (folder / "new.py").write_text("")
    begun = begin_release(folder)
    output, errors = begun.communicate()
    assert (begun.returncode, output) == (1, "")
    assert [line.partition(": ")[0] for line in errors.splitlines()] == ["error"] * 2
    assert f"error: no release of {VERSION}: files that are not as in the commit: new.py." in errors
    assert not (folder / "dist").exists()


def test_uv_runs_the_command_from_the_wheel_where_nothing_is(releases: list[Path], tmp_path: Path) -> None:
    uv = ROOT / ".venv-uv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip(".ci/run makes .venv-uv, which is missing")
    wheel = releases[0] / f"invalidator-{VERSION}-py3-none-any.whl"
    machine = {name: value for name, value in os.environ.items() if re.match(r"(?i)(.*_proxy|SSL_|PIP_|UV_)", name)}
    run = [str(uv), "tool", "run", "--quiet", "--python", sys.executable, "--constraints", f"{ROOT}/requirements.txt"]
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [*run, "--from", wheel, "invalidator", "plan", "--key", "a b", "--distribution-id", "E1"],
        cwd=tmp_path / "empty",
        env=machine | {"HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "/a%20b" in done.stdout
