"""The models that clients list: a label map, editable curves, and a start from the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask

import medcontour as mc
from lib.answer import answer
from lib.files import curves_file, label_map_file
from lib.starts import clicked, drawn
from lib.studies import Studies
from medcontour.pipeline import snap_with

__all__ = ["CurvesTask", "SnapTask", "SuggestionTask"]

FROM_EDIT = "start_from_edit"


class _Task(BasicInferTask):
    """What the models share: the suggestion takes the place of MONAI Label's prediction."""

    def __init__(
        self, studies: Studies, type: InferType, dimension: int, description: str, **config: Any
    ) -> None:
        super().__init__(
            path=None,
            network=None,
            type=type,
            labels={studies.options.target: 1},
            dimension=dimension,
            description=description,
            config=config,
        )
        self.studies = studies

    def is_valid(self) -> bool:
        """Whether it can be asked: its classifier was loaded when the server started."""
        return True

    def pre_transforms(self, data: Any = None) -> list[Any]:
        """None: medcontour reads the study itself."""
        return []

    def post_transforms(self, data: Any = None) -> list[Any]:
        """None."""
        return []

    def run_inferer(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Suggest; gradients stay on, which MONAI Label's own switches off here."""
        data[self.output_label_key] = self.suggestion(data)
        return data

    def suggestion(self, data: dict[str, Any]) -> mc.Suggestion:
        """Suggest for the study of a request."""
        if data.get(FROM_EDIT) in (True, "true", "True"):
            return self.studies.after_edit(data["study"])
        return self.studies.suggestion(data["study"])

    def writer(self, data: dict[str, Any], extension: Any = None, dtype: Any = None) -> Any:
        """Write the file of the answer, and say what was found."""
        suggestion = data[self.output_label_key]
        return self.file(suggestion, data), answer(suggestion)

    def file(self, suggestion: mc.Suggestion, data: dict[str, Any]) -> str | None:
        """Write the label map that the client asks for."""
        return label_map_file(
            suggestion.for_export(),
            data.get("result_extension"),
            data.get("result_dtype"),
            bool(data.get("result_compress", True)),
        )


class SuggestionTask(_Task):
    """Outlines of all positive slices as a label map on the image's own grid."""

    def __init__(self, studies: Studies) -> None:
        super().__init__(
            studies,
            InferType.SEGMENTATION,
            3,
            "Outlines on every slice that the classifier calls positive",
            **{FROM_EDIT: False},
        )


class CurvesTask(_Task):
    """The same as closed curves to drag, in 3D Slicer's format."""

    def __init__(self, studies: Studies) -> None:
        super().__init__(
            studies,
            InferType.SEGMENTATION,
            3,
            "The same as editable closed curves, for 3D Slicer alone",
            **{FROM_EDIT: False},
        )

    def file(self, suggestion: mc.Suggestion, data: dict[str, Any]) -> str | None:
        """Write the curves, whatever format is asked for; without any there is no file."""
        return curves_file(suggestion.for_export())


class SnapTask(_Task):
    """Evidence and outline from the reader's click or rough drawing on, slice by slice."""

    def __init__(self, studies: Studies, type: InferType) -> None:
        how = "a click" if type == InferType.DEEPGROW else "a rough drawing"
        super().__init__(studies, type, 2, f"Follows evidence and image from {how} on")

    def suggestion(self, data: dict[str, Any]) -> mc.Suggestion:
        """Search on from where the reader points to."""
        options = self.studies.options
        study = data["study"]
        scan = self.studies.scan(study)
        label = data.get("label")
        if isinstance(label, str) and Path(label).is_file():
            starts = drawn(Path(label), data, scan)
        else:
            starts = clicked(data.get("foreground") or data.get(options.target), scan)
        return snap_with(scan, options.classifier, starts, options.settings)

    def file(self, suggestion: mc.Suggestion, data: dict[str, Any]) -> str | None:
        """Write the label map, with weak findings too: the reader asked about this very place."""
        return super().file(suggestion.for_export(include_weak=True), data)
