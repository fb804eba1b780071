"""An image from its metadata and its frames, for servers that do not give whole objects."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medcontour.dicomweb.session import Session
from medcontour.errors import MedcontourError

__all__ = ["image_from_frames"]


def image_from_frames(session: Session, study: str, series: str, instance: str) -> Dataset:
    """Put an image together from WADO-RS metadata and uncompressed frames.

    Bulk data other than the pixels is left out.

    Raises
    ------
    MedcontourError
        For an image in colour: whether a server turned its values on the way is not said.
    """
    uids = (study, series, instance)
    metadata = session.client.retrieve_instance_metadata(*uids)
    if isinstance(metadata, list):
        (metadata,) = metadata
    dataset = Dataset.from_json(_inline(metadata))
    if not str(dataset.PhotometricInterpretation).startswith("MONOCHROME"):
        raise MedcontourError(
            f"{session.address.host} gives the image {instance} in frames only, and it is not in "
            "grey values; export the series to files."
        )
    count = int(dataset.get("NumberOfFrames") or 1)
    frames = session.client.retrieve_instance_frames(
        *uids, list(range(1, count + 1)), media_types=("application/octet-stream",)
    )
    pixels = b"".join(bytes(frame) for frame in frames)
    wide = int(dataset.BitsAllocated) > 8
    if len(frames) != count or len(pixels) != count * dataset.Rows * dataset.Columns * (1 + wide):
        raise ValueError("the frames have another size than the metadata say")
    dataset.add_new("PixelData", "OW" if wide else "OB", pixels + b"\0" * (len(pixels) % 2))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _inline(metadata: dict[str, Any]) -> dict[str, Any]:
    """Leave what is elsewhere (bulk data) and what belongs to a file (group 0002) out."""
    kept = {}
    for tag, element in metadata.items():
        if tag.startswith("0002") or "BulkDataURI" in element:
            continue
        if element.get("vr") == "SQ":
            items = [_inline(item) for item in element.get("Value", [])]
            element = {"vr": "SQ", "Value": items}
        kept[tag] = element
    return kept
