"""Until when the changes of a bucket were heard: what the checks of a stack know of each other, in a parameter."""

import base64
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from invalidator.aws import sdk
from invalidator.errors import HeardError

Marker = tuple[str, str]
"""The key and the version after which a listing goes on."""


@dataclass(frozen=True, slots=True)
class Heard:
    """All changes before ``until`` were heard, or sent. If it ``is_deaf``, later ones may not have been.

    Then ``end`` is when changes were heard again, None as long as that is not known; the listing of what changed in
    between goes on ``after`` a marker, and somebody was ``busy`` with it last at this time. ``again``: more was missed
    since the end, and is listed after that.
    """

    until: datetime
    is_deaf: bool = False
    end: datetime | None = None
    after: Marker | None = None
    busy: datetime | None = None
    again: bool = False

    def deaf(self) -> Self:
        """Return that changes may have been missed until now; a check that was busy has to stop, or wait for S3 anew.

        A listing that has begun is not begun anew: it might never end, if the bucket is disconnected every hour.
        """
        return replace(self, is_deaf=True, again=self.end is not None, busy=None)

    def listed(self, end: datetime) -> Self:
        """Return that all that changed until the end was sent."""
        return type(self)(end, is_deaf=self.again)

    def to_json(self) -> str:
        """Return it as text, in ASCII and far below the 4,096 characters that a parameter holds."""
        times = {"until": self.until, "end": self.end, "busy": self.busy}
        document: dict[str, Any] = {name: time.isoformat() for name, time in times.items() if time}
        document |= {name: True for name, is_so in (("deaf", self.is_deaf), ("again", self.again)) if is_so}
        if self.after:
            # Parameter Store refuses some texts, as {{name}}, and a key may be any.
            document["after"] = [base64.b64encode(part.encode()).decode() for part in self.after]
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str, changed: datetime) -> Self:
        """Read it. In a new stack it is ``{}``: nothing was heard since the parameter was ``changed``.

        Raises ValueError, KeyError or TypeError for anything else.
        """
        document = json.loads(text)
        if document == {}:
            return cls(changed, is_deaf=True)
        until, end, busy = (_time(document.get(name)) for name in ("until", "end", "busy"))
        if until is None:
            raise ValueError("until is missing")
        after = [base64.b64decode(part, validate=True).decode() for part in document.get("after", ())]
        marker = (after[0], after[1]) if after else None
        return cls(until, document.get("deaf") is True, end, marker, busy, document.get("again") is True)


def _time(text: str | None) -> datetime | None:
    time = datetime.fromisoformat(text) if text is not None else None
    if time and time.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return time


class HeardParameter:
    """The parameter of a stack that holds it."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name, self._version = client, name, 0
        self._until: datetime | None = None

    def read(self) -> Heard:
        """Read it. Raises HeardError."""
        with sdk.raising(HeardError, f"parameter {self._name}"):
            parameter = self._client.get_parameter(Name=self._name)["Parameter"]
            self._version, value, changed = parameter["Version"], parameter["Value"], parameter["LastModifiedDate"]
        try:
            heard = Heard.from_json(value, changed)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise self.damaged(value) from error
        self._until = heard.until
        return heard

    def damaged(self, value: object) -> HeardError:
        """Return the error for a content that cannot be true."""
        return HeardError(f"parameter {self._name} holds {value!r:.80}: set it to {{}}, and catch up by hand")

    def miss(self) -> Heard:
        """Note that changes may have been missed, whoever writes meanwhile. Return what is noted. Raises HeardError.

        It is written even if it is noted already: who has seen the bucket connected before must write no more.
        """
        while not self.write(heard := self.read().deaf()):
            pass
        return heard

    def write(self, heard: Heard) -> bool:
        """Write it, unless somebody else has since it was read or written here. Return whether it is written.

        If somebody writes at the same moment, changes count as missed since what was read here. Raises HeardError.
        """
        with sdk.raising(HeardError, f"parameter {self._name}"):
            if self._client.get_parameter(Name=self._name)["Parameter"]["Version"] != self._version:
                return False
            before, self._version = self._version, self._put(heard)
            is_alone = self._version == before + 1
            if not is_alone and self._until:  # somebody wrote between the two calls: perhaps that changes were missed
                self._version = self._put(Heard(self._until, is_deaf=True))
            return is_alone

    def _put(self, heard: Heard) -> int:
        arguments = {"Name": self._name, "Value": heard.to_json(), "Type": "String", "Overwrite": True}
        version: int = self._client.put_parameter(**arguments)["Version"]
        return version
