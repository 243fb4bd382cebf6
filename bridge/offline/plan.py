"""What a run was begun with, so that it goes on with the same and nothing else."""

import json
from collections.abc import Mapping
from typing import Any, Self

from bridge.errors import BridgeError
from bridge.values import value

__all__ = ["Plan", "PlanNotReadable"]

_FIELDS = ("model", "version", "digest", "inputs", "options", "run_id")


class PlanNotReadable(BridgeError):
    """The text is no plan of a run."""

    reason = "PLAN_NOT_READABLE"


@value
class Plan:
    """What a run scores, and how: as long as two plans differ in nothing but the run id, the output is the same.

    Attributes:
        model: the name of the model.
        version: the number of its version.
        digest: the digest of the version's bundle.
        inputs: what identifies each input file: its `path`, its size, its time of change.
        options: the options that shape the output, by their names on the command line.
        run_id: the id of the run, which it keeps when it is resumed.
    """

    model: str
    version: int
    digest: str
    inputs: tuple[Mapping[str, Any], ...]
    options: Mapping[str, Any]
    run_id: str

    def to_json(self) -> str:
        """Returns the plan as a JSON text."""
        return json.dumps({name: getattr(self, name) for name in _FIELDS}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the plan that `to_json` made a text of.

        Raises:
            PlanNotReadable: the text is something else.
        """
        try:
            read = json.loads(text)
            fields = {name: read[name] for name in _FIELDS}
            fields["inputs"] = tuple(fields["inputs"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise PlanNotReadable("it is damaged, or another version of scorebridge wrote it") from error

    def difference(self, other: "Plan") -> str:
        """Returns what another plan has changed, in words, such as "the size of rows.csv"; empty if nothing but the id.

        Args:
            other: the later plan.
        """
        if self.model != other.model:
            return f"the model (it was {self.model}, now it is {other.model})"
        if self.version != other.version:
            return f"the version of {self.model} (it was {self.version}, now it is {other.version})"
        if self.digest != other.digest:
            return f"the bundle of {self.model}/{self.version} (its digest is another one)"
        return self._changed_input(_plain(other.inputs)) or self._changed_option(_plain(other.options))

    def _changed_input(self, others: list[dict[str, Any]]) -> str:
        mine: list[dict[str, Any]] = _plain(self.inputs)
        for old, new in zip(mine, others, strict=False):
            if old.get("path") != new.get("path"):
                return f"the list of input files (where {old.get('path')} was, now {new.get('path')} is)"
            names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
            if names:
                return f"the input file {old.get('path')} (its {' and its '.join(names)})"
        if len(mine) != len(others):
            return f"the number of input files (it was {len(mine)}, now it is {len(others)})"
        return ""

    def _changed_option(self, others: dict[str, Any]) -> str:
        mine: dict[str, Any] = _plain(self.options)
        names = dict.fromkeys((*mine, *others))
        changed = [name for name in names if not _same(mine.get(name), others.get(name))]
        return f"the option {changed[0]}" if changed else ""


def _plain(read: Any) -> Any:
    """Returns what reading the JSON text of it gives: tuples are lists there."""
    return json.loads(json.dumps(read))


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; True is not 1, as in `--default`."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
