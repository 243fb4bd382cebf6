"""What `scorebridge check` and `scorebridge deploy` print with --json; docs/deploy-a-model.md states the fields."""

from typing import Any

from bridge.bundles.repository import StoredVersion
from bridge.cli.deploy import notes_of
from bridge.cli.json_output import print_json
from bridge.features.feature import Feature
from bridge.models.acceptance import Accepted
from bridge.models.deploy import Report

__all__ = ["ListedReport"]


class ListedReport(Report):
    """Collects the results of a bundle's trial, and prints them as one JSON document."""

    def __init__(self) -> None:
        self._listing: dict[str, Any] = {}
        self._waived: list[str] = []
        self._notes: list[str] = []

    def loaded(self, accepted: Accepted) -> None:
        """Takes the model's engine, features, outputs and default scores, and the results of its trial."""
        description = accepted.description
        outputs, warnings = description.outputs, [warned.text for warned in accepted.warnings]
        self._notes += [*description.notes, *notes_of(accepted)]
        self._listing = {
            "engine": description.engine,
            "engine_reason": description.engine_reason or None,
            "features": [_feature(one) for one in description.features],
            "proposed": [_feature(one) for one in description.proposed if one.type is not None],
            "outputs": None if outputs is None else [{"name": one.name, "type": str(one.type)} for one in outputs],
            "default_scores": {one.output.name: one.value for one in accepted.defaults if one.value is not None},
            "golden_rows": accepted.golden_rows,
            "row_wise": description.row_wise,
            "row_wise_reason": description.row_wise_reason or None,
            "r_warnings": warnings if accepted.bundle.language == "R" else [],
            "warnings": warnings,
            "waived": self._waived,
            "notes": self._notes,
        }

    def waived(self, fault: str) -> None:
        """Takes a fault that an option of the command allows."""
        self._waived.append(fault)

    def noted(self, note: str) -> None:
        """Takes a note."""
        self._notes.append(note)

    def end(self, stored: StoredVersion | None) -> None:
        """Prints the results, and which version the bundle was deployed as if it was deployed."""
        deployed = {} if stored is None else {"model": stored.model, "version": stored.version}
        print_json(deployed | self._listing)


def _feature(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "type": None if feature.type is None else str(feature.type),
        "levels": list(feature.levels),
        "required": feature.required,
        "ordered": feature.ordered,
        "by_codes": feature.by_codes,
        "unknown_level": feature.unknown_level if feature.levels else None,
    }
