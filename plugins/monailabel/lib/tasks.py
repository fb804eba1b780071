"""The models that clients list: a label map, editable curves, and a start from the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask

import medcontour as mc
from lib.files import curves_file, label_map_file
from lib.segments import scribble_number
from lib.store import Archive, Folder
from medcontour.workspace import Workspace, clicked, drawn, summary

__all__ = ["CurvesTask", "SnapTask", "SuggestionTask"]

FROM_EDIT = "start_from_edit"


class _Task(BasicInferTask):
    """What the models share: the suggestion takes the place of MONAI Label's prediction."""

    include_weak = False  # whether label maps hold findings no better than random places

    def __init__(
        self,
        workspace: Workspace,
        store: Folder | Archive,
        type: InferType,
        dimension: int,
        description: str,
        **config: Any,
    ) -> None:
        super().__init__(
            path=None,
            network=None,
            type=type,
            labels={workspace.setup.target: 1},
            dimension=dimension,
            description=description,
            config=config,
        )
        self.workspace = workspace
        self.store = store

    def is_valid(self) -> bool:
        """Whether it can run: its classifier was loaded when the server started."""
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
        """Suggest for the study of a request; for an uploaded file nothing is kept."""
        study = data["study"]
        if data.get(FROM_EDIT) in (True, "true", "True"):
            return self.workspace.after_edit(study)
        if study in self.store.list_images():
            return self.workspace.suggestion(study)
        return self.workspace.suggest(mc.read_scan(study))

    def writer(self, data: dict[str, Any], extension: Any = None, dtype: Any = None) -> Any:
        """Write the file of the response, and say what was found."""
        suggestion = data[self.output_label_key]
        return self.file(suggestion, data), summary(suggestion)

    def file(self, suggestion: mc.Suggestion, data: dict[str, Any]) -> str | None:
        """Write the label map in the format of the request."""
        # Clients know the classes, not the findings.
        merged = suggestion.for_export(include_weak=self.include_weak, merge_findings=True)
        return label_map_file(merged, data)


class SuggestionTask(_Task):
    """Outlines of all positive slices as a label map on the image's own grid."""

    def __init__(self, workspace: Workspace, store: Folder | Archive) -> None:
        super().__init__(
            workspace,
            store,
            InferType.SEGMENTATION,
            3,
            "Outlines on every slice that the classifier calls positive",
            **{FROM_EDIT: False},
        )


class CurvesTask(_Task):
    """The same as closed curves to drag, in 3D Slicer's format."""

    def __init__(self, workspace: Workspace, store: Folder | Archive) -> None:
        super().__init__(
            workspace,
            store,
            InferType.SEGMENTATION,
            3,
            "The same as editable closed curves, for 3D Slicer alone",
            **{FROM_EDIT: False},
        )

    def file(self, suggestion: mc.Suggestion, data: dict[str, Any]) -> str | None:
        """Write the curves, whatever the format of the request; without any there is no file."""
        return curves_file(suggestion.for_export())


class SnapTask(_Task):
    """Evidence and outline from the reader's click or rough drawing on, slice by slice."""

    include_weak = True  # the reader pointed to this very place

    def __init__(self, workspace: Workspace, store: Folder | Archive, type: InferType) -> None:
        how = "a click" if type == InferType.DEEPGROW else "a rough drawing"
        super().__init__(workspace, store, type, 2, f"Follows evidence and image from {how} on")

    def suggestion(self, data: dict[str, Any]) -> mc.Suggestion:
        """Search on from where the reader points to."""
        study = data["study"]
        known = study in self.store.list_images()
        scan = self.workspace.scan(study) if known else mc.read_scan(study)
        label = data.get("label")
        if isinstance(label, str) and Path(label).is_file():
            starts = drawn(label, scan, scribble_number(data))
        else:
            starts = clicked(data.get("foreground") or data.get(self.workspace.setup.target), scan)
        return self.workspace.snap(scan, starts)
