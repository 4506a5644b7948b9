"""Make the template of a release of template.yml: with the zips in a bucket, and without comments.

template.yml names the zips as files, which the AWS CLI and the SAM CLI upload. The template of a release finds them
where somebody has copied them, so that it can be deployed as it is, by anything that deploys templates.
"""

import re
from typing import Final

import yaml

MOST_BYTES: Final = 51_200
"""A template body that is passed in the call and not from a bucket.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html (2026-11-30)
"""

_CODE = re.compile(r"^( +)Code: \.build/(\w+\.zip)$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n)+")

# A stack keeps the values of its parameters when the next release is deployed. If the default of CodeKey were the
# folder, the stack would keep the zips of the release before.
_PARAMETERS = """\
  CodeBucket:
    Type: String
    AllowedPattern: ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$
    ConstraintDescription: expected the name of a bucket
    Description: The bucket with the zips of this release, in the region of the stack
  CodeKey:
    Type: String
    Default: ""
    AllowedPattern: ^$|^[^/](.*[^/])?$
    ConstraintDescription: expected a folder, without a slash in front or at the end
    Description: "The folder of the zips in that bucket. Empty: FOLDER"
"""
_CONDITIONS = """\
  HasCodeKey: !Not [!Equals [!Ref CodeKey, ""]]
"""
_GROUP = """\
      - Label: {default: The code}
        Parameters: [CodeBucket, CodeKey]
"""


class TemplateError(Exception):
    """template.yml has not the form of which a template of a release is made; says which part."""


def released(template: str, version: str) -> str:
    """Return the template of a release. Raises TemplateError."""
    folder = f"invalidator-{version}"
    code = (
        r'\1Code: {S3Bucket: !Ref CodeBucket, S3Key: !Sub ["${Folder}/\2", '
        rf"{{Folder: !If [HasCodeKey, !Ref CodeKey, {folder}]}}]}}"
    )
    text, codes = _CODE.subn(code, without_comments(template))
    if codes != len(re.findall(r"^    Type: AWS::Lambda::Function$", text, re.MULTILINE)):
        raise TemplateError("a function has no line 'Code: .build/….zip'")
    text = _with_first(text, "ParameterGroups:", _GROUP)
    text = _with_first(text, "Parameters:", _PARAMETERS.replace("FOLDER", folder), indent="")
    text = _with_first(text, "Conditions:", _CONDITIONS, indent="")
    if (size := len(text.encode())) > MOST_BYTES:
        raise TemplateError(f"the template of the release has {size:,} bytes, and at most {MOST_BYTES:,} can be passed")
    return text


def _with_first(text: str, heading: str, added: str, indent: str = " +") -> str:
    """Return a text with lines added below the only line that is this heading."""
    found, times = re.subn(rf"^{indent}{heading}\n", lambda line: line[0] + added, text, flags=re.MULTILINE)
    if times != 1:
        raise TemplateError(f"it has {times} lines {heading!r}, not one")
    return found


def without_comments(text: str) -> str:
    """Return a document of YAML without comments and empty lines, but for those in its texts."""
    parts, end = list[str](), 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.ScalarToken):
            start = token.start_mark.index
            parts += [_bare(text[end:start]), text[start : token.end_mark.index]]
            end = token.end_mark.index
    return "".join([*parts, _bare(text[end:])]).lstrip("\n")


def _bare(text: str) -> str:
    return _EMPTY_LINES.sub("\n", _COMMENT.sub("", text))
