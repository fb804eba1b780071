"""Closed meshes of evidence surfaces, LPS mm: STL and VTP, one of each a finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.files import file_stem, replacing_folder
from medcontour.formats.labels import labels
from medcontour.results.exporter import Exporter, NothingToWrite, on_request
from medcontour.results.model import Suggestion
from medcontour.scan.scan import Scan

__all__ = ["exporter", "stl", "vtp", "write"]

ENDINGS = (".stl", ".vtp")

Corners = npt.NDArray[np.float64]
Triangles = npt.NDArray[np.int64]


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write the folder ``surfaces``: ``NAME_1_evidence.stl`` and ``.vtp`` of each finding.

    Both say that they are in LPS, as 3D Slicer reads it.

    Raises
    ------
    NothingToWrite
        When no finding has a surface, as with a classifier of planes.
    MedcontourError
        When the folder cannot be written, or holds anything else than meshes.
    """
    files: dict[str, bytes] = {}
    for label in labels(suggestion):
        if (surface := label.finding.evidence_surface) is None:
            continue
        stem = file_stem(label.called("evidence"))
        if f"{stem}.stl".casefold() in map(str.casefold, files):
            stem = f"{stem}_{label.value}"
        corners, triangles = surface.mesh()
        files[f"{stem}.stl"] = stl(corners, triangles)
        files[f"{stem}.vtp"] = vtp(corners, triangles)
    if not files:
        raise NothingToWrite("There is no closed surface to write: contours alone were found.")
    if path.exists() and not (
        path.is_dir() and all(item.suffix in ENDINGS for item in path.iterdir())
    ):
        raise MedcontourError(
            f"{path} is no folder of surfaces alone and would be replaced; choose a new or an "
            "empty folder."
        )
    with replacing_folder(path) as folder:
        for filename, content in files.items():
            (folder / filename).write_bytes(content)


def stl(corners: Corners, triangles: Triangles) -> bytes:
    """Give a mesh as binary STL, whose header names LPS.

    Parameters
    ----------
    corners
        (V, 3) LPS mm; STL holds them as float32.
    triangles
        (T, 3) counter-clockwise seen from outside.

    Examples
    --------
    >>> corners = np.eye(4, 3, -1)
    >>> len(stl(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])))
    284
    """
    placed = corners[triangles]
    normals = np.cross(placed[:, 1] - placed[:, 0], placed[:, 2] - placed[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    records = np.zeros(len(triangles), record)
    records["normal"], records["corners"] = normals, placed
    header = b"medcontour; SPACE=LPS".ljust(80)
    return header + np.uint32(len(triangles)).tobytes() + records.tobytes()


def vtp(corners: Corners, triangles: Triangles) -> bytes:
    """Give a mesh as VTK's XML PolyData, in text.

    Parameters
    ----------
    corners
        (V, 3) LPS mm; they are written to the nanometre.
    triangles
        (T, 3) counter-clockwise seen from outside.
    """
    count, faces = len(corners), len(triangles)
    points = "\n".join(" ".join(f"{value:.6f}" for value in corner) for corner in corners.tolist())
    connected = "\n".join(" ".join(map(str, triangle)) for triangle in triangles.tolist())
    ends = " ".join(map(str, range(3, 3 * faces + 1, 3)))
    space = " ".join(str(letter) for letter in b"LPS\0")
    text = f"""<?xml version="1.0"?>
<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian">
<PolyData>
<FieldData>
<Array type="String" Name="SPACE" NumberOfTuples="1" format="ascii">{space}</Array>
</FieldData>
<Piece NumberOfPoints="{count}" NumberOfPolys="{faces}">
<Points>
<DataArray type="Float64" Name="Points" NumberOfComponents="3" format="ascii">
{points}
</DataArray>
</Points>
<Polys>
<DataArray type="Int64" Name="connectivity" format="ascii">
{connected}
</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">{ends}</DataArray>
</Polys>
</Piece>
</PolyData>
</VTKFile>
"""
    return text.encode()


def _refuses(scan: Scan) -> str | None:
    if scan.grid is None or scan.slices < 2:
        return "The scan is one image, which has no surfaces"
    return None


exporter = Exporter(
    "surfaces", "surfaces", write, _refuses, by_default=on_request, for_surfaces=True
)
