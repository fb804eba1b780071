"""The panel's controls and how they are laid out; what they do is in `widget`."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from medcontour_napari.forms import HereForm, ServerForm
from medcontour_napari.tables import FindingsTable, ReportTable

__all__ = ["FORMATS", "Panel"]

FORMATS = {"rtstruct": "rtstruct.dcm", "seg": "seg.dcm", "labelmap": "labelmap.nii.gz"}


class Panel(QWidget):
    """Where the scan is, the buttons by name, progress, and the tables; nothing is connected."""

    def __init__(self) -> None:
        super().__init__()
        self.where = QComboBox()
        self.where.addItems(["in this process", "on a server"])
        self.here, self.server = HereForm(), ServerForm()
        forms = QStackedWidget()
        forms.addWidget(self.here)
        forms.addWidget(self.server)
        self.where.currentIndexChanged.connect(forms.setCurrentIndex)
        self.test = QPushButton("Test connection")
        self.where.currentIndexChanged.connect(lambda n: self.test.setVisible(n == 1))
        self.test.setVisible(False)
        self.place = QLineEdit()
        self.place.setPlaceholderText("a scan: folder, file, or a path on the server")
        browse = QPushButton("Folder…")
        browse.clicked.connect(lambda: self._browse())
        self.said = QLabel("")
        self.said.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.stop = QPushButton("Cancel")
        self.stop.setVisible(False)
        self.buttons = {
            "suggest": QPushButton("Suggest"),
            "snap": QPushButton("Snap to evidence"),
            "judge": QPushButton("Judge as it is"),
            "map": QPushButton("Contour map"),
            "save": QPushButton("Save edit"),
            "export": QPushButton("Export…"),
        }
        self.format = QComboBox()
        self.format.addItems(list(FORMATS))
        self.findings, self.report = FindingsTable(), ReportTable()
        self.tabs = QTabWidget()
        self.tabs.addTab(self.findings, "Findings")
        self.tabs.addTab(self.report, "Edit report")
        self._lay_out(forms, browse)

    def _lay_out(self, forms: QWidget, browse: QPushButton) -> None:
        self.setMinimumWidth(360)
        rows = QVBoxLayout(self)
        rows.addWidget(self.where)
        rows.addWidget(forms)
        rows.addWidget(self.test)
        scan = QHBoxLayout()
        scan.addWidget(self.place)
        scan.addWidget(browse)
        rows.addLayout(scan)
        grid = QGridLayout()
        for n, name in enumerate(("suggest", "map", "snap", "judge", "save")):
            grid.addWidget(self.buttons[name], n // 2, n % 2)
        grid.addWidget(self.format, 2, 1)
        grid.addWidget(self.buttons["export"], 3, 1)
        rows.addLayout(grid)
        going = QHBoxLayout()
        going.addWidget(self.bar)
        going.addWidget(self.stop)
        rows.addLayout(going)
        rows.addWidget(self.said)
        rows.addWidget(self.tabs, stretch=1)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Scan")
        if folder:
            self.place.setText(folder)

    def set_busy(self, busy: bool) -> None:
        """Show progress and what stops the work, or the buttons that begin it."""
        self.bar.setRange(0, 0)
        self.bar.setVisible(busy)
        self.stop.setVisible(busy)
        for button in (*self.buttons.values(), self.test):
            button.setEnabled(not busy)

    def show_step(self, what: str, done: int, most: int) -> None:
        """Show how far the work is."""
        self.bar.setRange(0, max(most, 1))
        self.bar.setValue(done)
        self.bar.setFormat(f"{what} %v of %m")
