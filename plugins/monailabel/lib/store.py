"""Where studies and labels are: a folder of NIfTI files, or an archive that speaks DICOMweb."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import requests
from dicomweb_client.session_utils import create_session_from_user_pass
from fastapi import HTTPException
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import DefaultLabelTag
from pydicom.uid import UID

from lib.errors import plainly

__all__ = ["Archive", "Folder", "open_store"]


class _Checked:
    """Says plainly what is not there, and has a reader's label taken over before it is saved."""

    on_reader_label: Callable[[str, Path, dict[str, Any]], None] | None = None

    def get_image_uri(self, image_id: str) -> str:
        if image_id not in self.list_images():
            raise HTTPException(
                404, "There is no image of this name; GET /datastore/?output=all lists them."
            )
        return super().get_image_uri(image_id)

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: Any
    ) -> str:
        image = self.get_image_uri(image_id)
        with tempfile.TemporaryDirectory() as folder:
            if label_filename.endswith(".bin"):
                label_filename = _with_header(Path(label_filename), image, Path(folder))
            if label_tag == DefaultLabelTag.FINAL and self.on_reader_label:
                with plainly():
                    self.on_reader_label(image_id, Path(label_filename), label_info or {})
            # Past DICOMWebDatastore's own, which needs a program of another project to make a SEG.
            return LocalDatastore.save_label(self, image_id, label_filename, label_tag, label_info)


class Folder(_Checked, LocalDatastore):
    """A folder of images."""

    archive: str | None = None

    @property
    def root(self) -> Path:
        """Where suggestions are kept: beside MONAI Label's own ``labels``."""
        return Path(self._datastore_path)

    def series(self, image_id: str) -> Path:
        """The file to read."""
        return Path(self.get_image_uri(image_id))


class Archive(_Checked, DICOMWebDatastore):
    """An archive; its series are fetched into MONAI Label's cache as they are asked for."""

    @property
    def archive(self) -> str:
        """The address that medcontour stores to."""
        return f"dicomweb+{self._client.base_url}"

    @property
    def root(self) -> Path:
        """Where suggestions are kept: in the cache."""
        return Path(self._datastore_path)

    def series(self, image_id: str) -> Path:
        """The folder of the DICOM files, which the NIfTI file for clients was made from."""
        self.get_image_uri(image_id)
        return Path(self._datastore.image_path()) / image_id

    def get_image_uri(self, image_id: str) -> str:
        """Fetch the series, unless it is in the cache."""
        with _asking():
            return super().get_image_uri(image_id)

    def list_images(self) -> list[str]:
        """Ask for the series now: MONAI Label's own answer is two hours old at times."""
        with _asking():
            found = self._client.search_for_series(search_filters=self._search_filter)
        uids = [str(item["0020000E"]["Value"][0]) for item in found]
        return [uid for uid in uids if UID(uid).is_valid]  # they become names of folders

    def get_labeled_images(self, label_tag: Any = None, labels: Any = None) -> list[str]:
        """Those whose label was saved here; a SEG in the archive may be a mere suggestion."""
        saved = set(LocalDatastore.get_labeled_images(self))
        return [image for image in self.list_images() if image in saved]

    def get_unlabeled_images(self, label_tag: Any = None, labels: Any = None) -> list[str]:
        """The others."""
        saved = set(LocalDatastore.get_labeled_images(self))
        return [image for image in self.list_images() if image not in saved]

    def _dicom_info(self, series_id: str) -> dict[str, str]:
        """What clients are told of a series: nothing of the patient."""
        info = super()._dicom_info(series_id)
        return {k: v for k, v in info.items() if k not in ("PatientID", "StudyDate", "StudyTime")}


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        why = f"it answers {status}" if status else type(error).__name__
        raise HTTPException(
            502, f"The archive cannot be asked ({why}); see that it runs and lets this server in."
        ) from error


def open_store(studies: str) -> Folder | Archive:
    """Open a folder, or an archive at ``http(s)://HOST/ROOT``."""
    if not studies.startswith(("http://", "https://")):
        return Folder(
            studies,
            extensions=settings.MONAI_LABEL_DATASTORE_FILE_EXT,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
        )
    user = settings.MONAI_LABEL_DICOMWEB_USERNAME
    password = settings.MONAI_LABEL_DICOMWEB_PASSWORD
    client = DICOMwebClientX(
        url=studies.rstrip("/"),
        session=create_session_from_user_pass(user, password) if user else None,
    )
    # One more try for a lost connection. Its own five, with pauses, take 30 s when the archive is
    # down, in which MONAI Label answers nobody.
    client.set_http_retry_params(max_attempts=2, wait_exponential_multiplier=500)
    return Archive(
        client=client,
        search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
        cache_path=settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip() or None,
    )


def _with_header(raw: Path, image: str, folder: Path) -> str:
    """OHIF sends bare voxels, columns fastest: the image that they were drawn on places them."""
    grid: Any = nibabel.load(image)
    voxels = np.fromfile(raw, dtype=np.uint8)
    if voxels.size != np.prod(grid.shape[:3]):
        raise HTTPException(
            400,
            f"The label has {voxels.size} voxels and its image {np.prod(grid.shape[:3])}; send "
            "one byte a voxel.",
        )
    path = folder / "label.nii.gz"
    shaped = voxels.reshape(grid.shape[:3], order="F")
    nibabel.save(nibabel.Nifti1Image(shaped, grid.affine), path)
    return str(path)
