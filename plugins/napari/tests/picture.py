"""The picture in the plugin's README, of a real viewer.

It is made by ``xvfb-run -a -s "-screen 0 1400x900x24" ENVIRONMENT/bin/python
plugins/napari/tests/picture.py plugins/napari/at_work.png``, where ENVIRONMENT is what
``plugins/napari/setup.sh`` made.
"""

from __future__ import annotations

import sys
from pathlib import Path

import napari
import numpy as np
from conftest import drag_mouse, on_screen, settle
from qtpy.QtWidgets import QApplication


def _picture(path: str) -> None:
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    viewer.open_sample("medcontour-napari", "thorax")
    _, panel = viewer.window.add_plugin_dock_widget("medcontour-napari", "Findings")
    panel.here.slices.setText("13:15")
    panel.suggest()
    print(settle(panel))
    layer = panel.outlines
    panel._go_to(0)
    number = panel.findings.shapes[0]
    before = layer.data[number].copy()
    viewer.camera.center = np.asarray(layer.data_to_world(before.mean(0)))
    viewer.camera.zoom = 9
    layer.mode = "direct"
    layer.selected_data = {number}
    out = before[0] + (before[0] - before.mean(0)) * 0.7
    drag_mouse(viewer, on_screen(viewer, layer, before[0]), on_screen(viewer, layer, out))
    panel.judge()
    print(settle(panel))
    panel.save_edit()
    print(settle(panel))
    layer.mode = "direct"
    layer.selected_data = {number}
    for line in (panel.here.classifier, panel.place):
        line.setText(Path(line.text()).name)  # a picture of no machine's folders
    QApplication.processEvents()
    viewer.screenshot(path, canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    _picture(sys.argv[1])
