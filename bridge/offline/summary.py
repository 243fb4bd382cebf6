"""What a run says at its end."""

from collections.abc import Mapping
from typing import Any

from bridge.values import value

__all__ = ["Summary"]

_OVER_A_LIMIT = 1


@value
class Summary:
    """What a run has scored, and what became of it.

    Attributes:
        model: the name of the model.
        version: the number of its version.
        digest: the digest of the version's bundle.
        engine: what computed the scores; empty if nobody said.
        run_id: the id of the run, the same over all its starts.
        inputs: the paths of the input files, in order.
        rows: the rows of the input.
        scored: how many of them have the model's scores.
        defaults: how many of them have default scores.
        rejects: how many of them have no score.
        output: the path of the output; empty if none was published.
        rejects_file: the path of the list of rows without a score; empty if there are none.
        seconds: how long this start of the run took.
        resumed_chunks: how many chunks were finished before.
        over_limit: which limit the run has passed, in a sentence; empty if none.
        told: what the scorer says of itself, by name.
        resumed_rows: how many rows the chunks have that were finished before.
    """

    model: str
    version: int
    digest: str
    engine: str
    run_id: str
    inputs: tuple[str, ...]
    rows: int
    scored: int
    defaults: int
    rejects: int
    output: str
    rejects_file: str
    seconds: float
    resumed_chunks: int
    over_limit: str
    told: Mapping[str, str]
    resumed_rows: int = 0

    @property
    def exit_code(self) -> int:
        """0 if the output is published, 1 if the run has passed a limit."""
        return _OVER_A_LIMIT if self.over_limit else 0

    def listing(self) -> dict[str, Any]:
        """Returns everything by name, for JSON; `rows_per_s` counts the rows that this start has done."""
        fields = {name: getattr(self, name) for name in self.__slots__}  # type: ignore[attr-defined] # of `value`
        fields["inputs"] = list(self.inputs)
        fields["seconds"] = round(self.seconds, 3)
        fields["rows_per_s"] = round((self.rows - self.resumed_rows) / self.seconds, 1) if self.seconds > 0 else 0.0
        fields["exit_code"] = self.exit_code
        return {**fields, "told": dict(self.told)}

    def sentence(self) -> str:
        """Returns the most important of it in one sentence."""
        said = f"{self.rows} rows by {self.model}/{self.version} in {self.seconds:.1f} s"
        if self.resumed_chunks:
            said += f" ({self.resumed_chunks} chunks were finished before)"
        if self.defaults:
            said += f", {self.defaults} of them with the default score"
        if self.rejects:
            said += f", {self.rejects} without a score ({self.rejects_file})"
        return f"{said}: {self.output}" if self.output else f"{said}; nothing is published"
