"""A MONAI Label app: contours that a classifier suggests, in 3D Slicer, OHIF and MITK."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from lib.errors import plainly
from lib.options import read_options
from lib.segments import segment_names
from lib.store import open_store
from lib.strategy import WeakestEvidence
from lib.tasks import CurvesTask, SnapTask, SuggestionTask
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferType

import medcontour as mc
from medcontour.workspace import Workspace


class MedcontourApp(MONAILabelApp):
    """What `monailabel start_server --app plugins/monailabel` serves."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        try:
            self.setup = read_options(conf)
        except mc.MedcontourError as error:
            # Raised on, it would reach the user as the last line of the server's traceback.
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        super().__init__(
            app_dir,
            studies,
            conf,
            name="medcontour",
            description="Contours that a classifier suggests, with their evidence",
            version=mc.__version__,
        )

    def init_datastore(self) -> Any:
        """Open the folder or the archive, and what has been suggested for it."""
        store = open_store(self.studies)
        self.workspace = Workspace(store.root / "medcontour", self.setup, store.series)

        def take_over(study: str, label: Path, info: dict[str, Any]) -> None:
            self.workspace.take_over(study, label, names=segment_names(info), archive=store.archive)

        store.on_reader_label = take_over
        return store

    def init_infers(self) -> dict[str, Any]:
        """Three models; the third is there twice, for clicks and for drawings."""
        workspace, store = self.workspace, self.datastore()
        return {
            "suggestion": SuggestionTask(workspace, store),
            "curves": CurvesTask(workspace, store),
            "snap": SnapTask(workspace, store, InferType.DEEPGROW),
            "snap_drawing": SnapTask(workspace, store, InferType.SCRIBBLES),
        }

    def init_strategies(self) -> dict[str, Any]:
        """Studies whose evidence is weakest come first."""
        return {"weakest_evidence": WeakestEvidence(self.workspace)}

    def infer(self, request: dict[str, Any], datastore: Any = None) -> Any:
        """Answer a request, or say plainly why not."""
        with plainly():
            return super().infer({**request, "study": request.get("image")}, datastore)

    def next_sample(self, request: dict[str, Any]) -> Any:
        """Give the next study, or say plainly why not."""
        with plainly():
            return super().next_sample({**request, "strategy": request["strategy"]})

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """Answer a saved label with the report of the edit."""
        return {"edit_report": self.workspace.edit_report(image_id)}
