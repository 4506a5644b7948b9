"""Make the template of a release of template.yml: with the zips in a bucket, and dense.

template.yml names the zips as files, which the AWS CLI and the SAM CLI upload. The template of a release finds them
where somebody has copied them, so that it can be deployed as it is, by anything that deploys templates. It is short
enough to be passed in a call, which template.yml with its comments is not.
"""

import re
from typing import Final

import yaml

MOST_BYTES: Final = 51_200
"""A template body that is passed in the call and not from a bucket.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html (2026-11-30)
"""

_CODE = re.compile(r"^( +)Code: \.build/(\w+\.zip)$", re.MULTILINE)
_LEVELS_WITH_LINES = 3  # a section, a resource, its type and its properties
_QUOTED_NAME = re.compile(r"(!(?:Condition|GetAtt|Ref)) '([\w.:]+)'")  # YAML needs no quotes there

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
    text, codes = _CODE.subn(code, template)
    if codes != len(re.findall(r"^    Type: AWS::Lambda::Function$", text, re.MULTILINE)):
        raise TemplateError("a function has no line 'Code: .build/….zip'")
    text = _with_first(text, "ParameterGroups:", _GROUP)
    text = _with_first(text, "Parameters:", _PARAMETERS.replace("FOLDER", folder), indent="")
    text = _with_first(text, "Conditions:", _CONDITIONS, indent="")
    text = dense(text)
    if (size := len(text.encode())) > MOST_BYTES:
        raise TemplateError(f"the template of the release has {size:,} bytes, and at most {MOST_BYTES:,} can be passed")
    return text


def _with_first(text: str, heading: str, added: str, indent: str = " +") -> str:
    """Return a text with lines added below the only line that is this heading."""
    found, times = re.subn(rf"^{indent}{heading}\n", lambda line: line[0] + added, text, flags=re.MULTILINE)
    if times != 1:
        raise TemplateError(f"it has {times} lines {heading!r}, not one")
    return found


def dense(text: str) -> str:
    """Return a document of YAML in fewer characters: without comments, and with a line for each property."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if root is None:
        raise TemplateError("it is empty")
    _set_lines(root, _LEVELS_WITH_LINES)
    written: str = yaml.serialize(root, width=MOST_BYTES, allow_unicode=True)
    return _QUOTED_NAME.sub(r"\1 \2", written)


def _set_lines(node: yaml.Node, levels: int) -> None:
    """Begin a line for each member down to some level, and below it only where a text has several lines itself."""
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = node.flow_style or (levels <= 0 and not _has_lines(node))
        for part in _parts(node):
            _set_lines(part, levels - 1)


def _has_lines(node: yaml.Node) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return node.style == "|"
    return any(_has_lines(part) for part in _parts(node))


def _parts(node: yaml.Node) -> list[yaml.Node]:
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else list(node.value)
