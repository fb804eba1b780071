"""A real Orthanc as an archive: what is put in, and what is there, told without our own code."""

from __future__ import annotations

import io
import json
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pydicom
from dicomweb_client.api import DICOMwebClient
from fault_proxy import FaultProxy
from orthanc_server import Orthanc
from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Archive:
    """An Orthanc, and the misbehaving proxy that our own code reaches it through."""

    orthanc: Orthanc
    proxy: FaultProxy

    def put(self, folder: Path) -> list[Dataset]:
        """Store a folder's images, past the proxy."""
        images = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
        DICOMwebClient(self.orthanc.dicomweb).store_instances(images)
        return images

    def address(self, image: Dataset | None = None) -> str:
        """Of the series that an image is in, or of the whole archive."""
        return self.proxy.dicomweb + (f"#{image.SeriesInstanceUID}" if image else "")

    def modalities(self) -> Counter[str]:
        """How many objects of each kind are there."""
        return Counter(str(found.Modality) for found in self.objects())

    def objects(self, *modalities: str) -> list[Dataset]:
        """All objects, or those of some kinds, whole, by Orthanc's own interface."""
        with urllib.request.urlopen(f"{self.orthanc.rest}/instances", timeout=30) as answer:
            names = json.load(answer)
        found = []
        for name in names:
            url = f"{self.orthanc.rest}/instances/{name}/file"
            with urllib.request.urlopen(url, timeout=30) as answer:
                found.append(pydicom.dcmread(io.BytesIO(answer.read())))
        return [each for each in found if not modalities or each.Modality in modalities]
