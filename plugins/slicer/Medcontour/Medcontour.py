"""3D Slicer's module: findings of a medcontour server as segments and curves to edit."""

from __future__ import annotations

import os
import tempfile

import ctk
import numpy as np
import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

MARK = "medcontour.curve"
"""The attribute of a curve's node that says which curve it was put there as."""

COLOURS = {"outline": (0.90, 0.62, 0.0), "evidence": (0.34, 0.71, 0.91)}
POLL_MS = 500


class Medcontour(ScriptedLoadableModule):
    """What 3D Slicer lists."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Medcontour"
        parent.categories = ["Segmentation"]
        parent.dependencies = []
        parent.contributors = ["medcontour contributors"]
        parent.helpText = (
            "Findings of a classifier as segments and closed curves to edit, by a medcontour "
            "server (medcontour serve). Research use; not a medical device."
        )
        parent.acknowledgementText = ""


class MedcontourWidget(ScriptedLoadableModuleWidget):
    """The module's panel."""

    def setup(self):
        """Make the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = MedcontourLogic()
        self.job = None
        self.timer = qt.QTimer()
        self.timer.setInterval(POLL_MS)
        self.timer.connect("timeout()", self.onTimer)

        server = ctk.ctkCollapsibleButton()
        server.text = "Server"
        self.layout.addWidget(server)
        form = qt.QFormLayout(server)
        self.address = qt.QLineEdit("http://127.0.0.1:8765")
        self.key = qt.QLineEdit()
        self.key.setEchoMode(qt.QLineEdit.Password)
        form.addRow("Address", self.address)
        form.addRow("Key", self.key)
        self._button(form, "Test connection", self.onTest)

        work = ctk.ctkCollapsibleButton()
        work.text = "Findings"
        self.layout.addWidget(work)
        form = qt.QFormLayout(work)
        self.volume = slicer.qMRMLNodeComboBox()
        self.volume.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        self.volume.addEnabled = self.volume.removeEnabled = False
        self.volume.setMRMLScene(slicer.mrmlScene)
        form.addRow("Scan", self.volume)
        self._button(form, "Suggest", self.onSuggest)
        self.cancel = self._button(form, "Cancel", self.onCancel)
        self.cancel.enabled = False
        self.bar = qt.QProgressBar()
        form.addRow(self.bar)
        self._button(form, "Curves to the scene", self.onCurves)
        self._button(form, "Segments to the Segment Editor", self.onSegments)
        self._button(form, "Save edited curves", self.onSaveCurves)
        self._button(form, "Save edited segments", self.onSaveSegments)
        self._button(form, "Take the last saved edit back", self.onUndo)
        self.said = qt.QLabel("")
        self.said.wordWrap = True
        form.addRow(self.said)
        self.report = qt.QTableWidget()
        self.report.setColumnCount(4)
        self.report.setHorizontalHeaderLabels(["finding", "slice", "change", "Dice"])
        form.addRow(self.report)
        self.layout.addStretch(1)

    def cleanup(self):
        """Let go of the server."""
        self.timer.stop()
        self.logic.close()

    def _button(self, form, text, does):
        button = qt.QPushButton(text)
        button.connect("clicked(bool)", lambda _: self._plainly(does))
        form.addRow(button)
        return button

    def _plainly(self, does):
        """Do what a button says; what is wrong is one sentence."""
        try:
            if self.logic.ready():
                does()
        except (RuntimeError, ValueError, OSError) as error:
            self.said.text = str(error)
        except Exception as error:
            if type(error).__module__.startswith("medcontour_client"):
                self.said.text = str(error)
            else:
                raise

    def _desk(self):
        return self.logic.desk(self.address.text, self.key.text)

    def onTest(self):
        """Say what the server is."""
        self.said.text = self._desk().test()

    def onSuggest(self):
        """Upload the volume, and begin to look for findings."""
        desk = self._desk()
        self.logic.upload(self.volume.currentNode())
        self.job = desk.begin()
        self.cancel.enabled = True
        self.timer.start()

    def onTimer(self):
        """Say how far the job is."""
        self._plainly(self._look)

    def _look(self):
        job = self._desk().look(self.job)
        if job.step is not None:
            self.bar.setRange(0, max(job.step.most, 1))
            self.bar.setValue(job.step.done)
        if not job.ended:
            return
        self.timer.stop()
        self.cancel.enabled = False
        document = self._desk().finish(job)
        self.said.text = f"{len(document['findings'])} findings."
        self.logic.show_curves()

    def onCancel(self):
        """Let the job go."""
        self._desk().cancel(self.job)

    def onCurves(self):
        """Put the curves into the scene."""
        self.logic.show_curves()

    def onSegments(self):
        """Put the segments into the scene, and open the Segment Editor."""
        self.logic.show_segments()
        slicer.util.selectModule("SegmentEditor")

    def onSaveCurves(self):
        """Send the curves of the scene back."""
        self._show(self.logic.save_curves())

    def onSaveSegments(self):
        """Send the segments back."""
        self._show(self.logic.save_segments())

    def onUndo(self):
        """Take the last saved edit back."""
        self.logic.undo()
        self.said.text = "The edit before is saved again."

    def _show(self, report):
        parts = report["slices"]
        self.report.setRowCount(len(parts))
        for n, part in enumerate(parts):
            dice = "" if part["dice"] is None else f"{part['dice']:.3f}"
            for m, text in enumerate((part["label"], part["slice"] + 1, part["change"], dice)):
                self.report.setItem(n, m, qt.QTableWidgetItem(str(text)))
        changed = sum(part["change"] != "unchanged" for part in parts)
        self.said.text = f"Saved: {changed} of {len(parts)} changed."


class MedcontourLogic(ScriptedLoadableModuleLogic):
    """Nodes of the scene, from and to `MedcontourLib`, which does the rest."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._desk = None
        self._of = None
        self._curves = {}
        self._segmentation = None

    @staticmethod
    def ready():
        """Whether the client is there; it is installed where the reader agrees."""
        try:
            import medcontour_client  # noqa: F401
        except ImportError:
            source = qt.QInputDialog.getText(
                None,
                "Medcontour",
                "The client (numpy and httpx alone) is not installed. Its folder or name:",
                qt.QLineEdit.Normal,
                "medcontour-client",
            )
            if not source:
                return False
            slicer.util.pip_install(source)
        return True

    def desk(self, address, key):
        """Give what talks to a server; the same one while address and key stay."""
        from MedcontourLib.desk import Desk

        if self._of != (address, key):
            self.close()
            self._desk, self._of = Desk(address, key), (address, key)
        return self._desk

    def close(self):
        """Close the connection."""
        if self._desk is not None:
            self._desk.close()
        self._desk = self._of = None

    def upload(self, volume):
        """Send a volume to the server."""
        if volume is None:
            raise ValueError("Choose a scan first.")
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "scan.nrrd")
            if not slicer.util.saveNode(volume, file):
                raise ValueError("The scan cannot be saved as NRRD, so it was not sent.")
            self._desk.open(file)

    def show_curves(self):
        """Put outlines and evidence into the scene as closed curves."""
        self._remove_curves()
        for number, curve in enumerate(self._desk.curves()):
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", curve.name)
            points = vtk.vtkPoints()
            points.SetData(numpy_to_vtk(curve.handles_ras_mm, deep=True))
            node.SetControlPointPositionsWorld(points)
            node.SetAttribute(MARK, str(number))
            node.SetLocked(curve.kind == "evidence")
            display = node.GetDisplayNode()
            display.SetSelectedColor(*COLOURS[curve.kind])
            display.SetPointLabelsVisibility(False)
            self._curves[str(number)] = curve

    def show_segments(self):
        """Put the findings into the scene as segments."""
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "findings.seg.nrrd")
            self._desk.segmentation(file)
            if self._segmentation is not None:
                slicer.mrmlScene.RemoveNode(self._segmentation)
            self._segmentation = slicer.util.loadSegmentation(file)

    def save_curves(self):
        """Send all outlines of the scene back: those of ours, and closed curves drawn anew."""
        from MedcontourLib.curves import outline_of

        outlines = []
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsClosedCurveNode"):
            curve = self._curves.get(node.GetAttribute(MARK))
            if node.GetNumberOfControlPoints() < 3 or (curve and curve.kind == "evidence"):
                continue
            handles = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
            sampled = np.array(vtk_to_numpy(node.GetCurvePointsWorld().GetData()))
            label = self._desk.target
            outlines.append(outline_of(curve, handles, sampled, self._desk.study, label))
        return self._desk.save_curves(outlines)

    def save_segments(self):
        """Send the segments back."""
        if self._segmentation is None:
            raise ValueError("No segments are in the scene yet.")
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "edited.seg.nrrd")
            if not slicer.util.saveNode(self._segmentation, file):
                raise ValueError("The segments cannot be saved, so they were not sent.")
            return self._desk.save_segmentation(file)

    def undo(self):
        """Take the last saved edit back."""
        self._desk.undo()
        self.show_curves()

    def _remove_curves(self):
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsClosedCurveNode"):
            if node.GetAttribute(MARK) is not None:
                slicer.mrmlScene.RemoveNode(node)
        self._curves = {}


class MedcontourTest(ScriptedLoadableModuleTest):
    """Run inside 3D Slicer: curves into the scene and back, without a server."""

    def runTest(self):
        """Put a circle into the scene, and take it back."""
        slicer.mrmlScene.Clear()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode")
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        circle = np.stack([10 * np.cos(angles), 10 * np.sin(angles), 0 * angles], axis=1)
        slicer.util.updateMarkupsControlPointsFromArray(node, circle)
        points = vtk_to_numpy(node.GetCurvePointsWorld().GetData())
        assert abs(np.linalg.norm(points, axis=1) - 10).max() < 0.2
        self.delayDisplay("Passed")
