"""Write the dashboard of template.yml: ``python -m deploy.dashboard``.

It is that of deploy/dashboard.json, from which deploy/dashboard.js makes the one of serverless.yml. What not every
stack has (deploy/dashboard-optional.json) becomes a variable of Fn::Sub, which is empty in the others. So does what is
there often: a template that is not in a bucket may have 51,200 bytes.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
TEMPLATE: Final = HERE.parent / "template.yml"
BEGIN: Final = "      # From deploy/dashboard.json, by python -m deploy.dashboard:\n"
END: Final = "      # The end of the dashboard.\n"
OFTEN: Final = {
    "Half": '{"type":"metric","width":12,"height":6,"properties":{"title":',
    "Third": '{"type":"metric","width":8,"height":6,"properties":{"title":',
    "Stat": ',"region":"${AWS::Region}","stat":',
    "Unit": ',"period":900,"yAxis":{"left":{"label":',
    "Min": ',"min":0,"showUnits":false}',
    "Of": ',"service","${AWS::StackName}",',
}
"""Texts by the names of their variables."""

_OPTIONAL: Final[dict[str, str]] = json.loads((HERE / "dashboard-optional.json").read_text("utf-8"))
_NAME: Final = re.compile(r'(?:\$\{|")(\w+)[.}"]')

Conditional = tuple[str | None, str]
"""A condition of the template, if there is one, and the text for stacks in which it holds."""


class Dashboard:
    """The body of the dashboard as a text with variables, and the optional texts for which they stand."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.optional = dict[str, Conditional]()
        widgets = self._joined([self._widget(widget) for widget in body["widgets"]], ",\n")
        self.text = _minified(body | {"widgets": []}).replace("[]", f"[\n{widgets}\n]")
        for name, text in OFTEN.items():
            self.text = self.text.replace(text, f"${{{name}}}")

    def _widget(self, widget: dict[str, Any]) -> Conditional:
        kind = next((name for name in ("metrics", "alarms") if name in widget["properties"]), None)
        if kind is None:
            return None, _minified(widget)
        items = [(_condition(item), _minified(item)) for item in widget["properties"][kind]]
        conditions = {condition for condition, _ in items}
        if len(conditions) == 1:
            return conditions.pop(), _minified(widget)
        without = widget | {"properties": widget["properties"] | {kind: []}}
        return None, _minified(without).replace(f'"{kind}":[]', f'"{kind}":[{self._joined(items)}]')

    def _joined(self, items: Iterable[Conditional], comma: str = ",") -> str:
        """Return a list of texts, with variables for those under a condition, which the first must not be."""
        found = ""
        for condition, group in groupby(items, lambda item: item[0]):
            texts = [text for _, text in group]
            if condition is None:
                found += (comma if found else "") + comma.join(texts)
            else:
                name = f"{condition}{len(self.optional)}"
                self.optional[name] = condition, "," + ",".join(texts)
                found += f"${{{name}}}"
        return found


def _minified(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _condition(item: Any) -> str | None:
    """Return the condition under which a metric or an alarm exists, if there is one."""
    conditions = {_OPTIONAL[name] for name in _NAME.findall(_minified(item)) if name in _OPTIONAL}
    if len(conditions) > 1:
        raise ValueError(f"one variable of Fn::Sub cannot have two conditions: {item}")
    return next(iter(conditions), None)


def _lines(dashboard: Dashboard) -> Iterator[str]:
    yield "      DashboardBody: !Sub"
    yield "        - |-"
    yield from (f"          {line}" for line in dashboard.text.splitlines())
    values = {name: _substituted(text) for name, text in OFTEN.items()}
    values |= {name: f'!If [{given}, {_substituted(text)}, ""]' for name, (given, text) in dashboard.optional.items()}
    for number, (name, value) in enumerate(values.items()):
        yield f"        {' ' if number else '-'} {name}: {value}"


def _substituted(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"!Sub '{quoted}'" if "${" in text else f"'{quoted}'"


def with_dashboard(template: str) -> str:
    """Return a template with the dashboard between its two comments."""
    before, _, rest = template.partition(BEGIN)
    _, _, after = rest.partition(END)
    dashboard = Dashboard(json.loads((HERE / "dashboard.json").read_text("utf-8")))
    return before + BEGIN + "\n".join(_lines(dashboard)) + "\n" + END + after


if __name__ == "__main__":
    TEMPLATE.write_text(with_dashboard(TEMPLATE.read_text("utf-8")), "utf-8")
