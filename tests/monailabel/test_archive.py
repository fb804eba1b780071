"""The same with an archive, a real Orthanc, in place of the folder."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import requests
import SimpleITK
from label_server import running_server
from orthanc_server import Orthanc

pytestmark = [pytest.mark.monailabel, pytest.mark.orthanc]

FILES = [f"IM00{number}.dcm" for number in (18, 19)]


def test_suggestions_for_an_archive_and_the_edit_back_in_it(
    orthanc: Orthanc, sample_data: Path, tmp_path: Path
) -> None:
    headers = []
    for name in FILES:
        orthanc.store(sample_data / "ct_study" / name)
        headers.append(pydicom.dcmread(sample_data / "ct_study" / name))
    series = str(headers[0].SeriesInstanceUID)
    conf = ["classifier", str(sample_data / "nodule_classifier"), "most_seconds", "none"]
    cache = {"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(tmp_path / "cache")}
    with running_server(tmp_path / "server", orthanc.dicomweb, *conf, **cache) as server:
        offered = server.post("/activelearning/weakest_evidence", json={}).json()
        assert offered["id"] == series

        answer = server.infer("suggestion", series, tmp_path)
        assert answer.params["findings"]
        image = tmp_path / "image.nii.gz"
        image.write_bytes(
            requests.get(f"{server.url}/datastore/image?image={series}", timeout=60).content
        )
        source, label = (SimpleITK.ReadImage(str(p)) for p in (image, answer.file))
        assert label.GetSize() == source.GetSize()
        for part in ("GetOrigin", "GetSpacing", "GetDirection"):
            np.testing.assert_allclose(getattr(label, part)(), getattr(source, part)(), atol=1e-4)

        suggested = nibabel.load(answer.file)
        edited = np.asarray(suggested.dataobj).copy()
        i, j, k = np.argwhere(edited)[0]
        edited[i - 3 : i + 3, j - 3 : j + 3, k] = 1
        nibabel.save(nibabel.Nifti1Image(edited, suggested.affine), tmp_path / "edit.nii.gz")
        saved = server.save_label(series, tmp_path / "edit.nii.gz", ["nodule"])
        assert saved.status_code == 200, saved.text
        assert any(f["moved"] for f in saved.json()["edit_report"]["findings"])
        again = server.save_label(series, tmp_path / "edit.nii.gz", ["nodule"])
        assert again.status_code == 200
        info = server.get("/info/")["datastore"]
        assert (info["total"], info["completed"]) == (1, 1)
        told = [offered, answer.params, saved.json(), server.get("/datastore/?output=all")]

        assert server.post("/infer/suggestion?image=1.2.3", data={}).status_code == 404

    # One SEG, though it was saved twice; highdicom's reading of it lies where the label does.
    found = requests.post(
        f"{orthanc.rest}/tools/find",
        json={"Level": "Instance", "Query": {"Modality": "SEG"}},
        timeout=60,
    ).json()
    [seg_id] = found
    seg_path = tmp_path / "seg.dcm"
    seg_path.write_bytes(
        requests.get(f"{orthanc.rest}/instances/{seg_id}/file", timeout=60).content
    )
    import highdicom

    seg = highdicom.seg.segread(seg_path)
    uids = [str(h.SOPInstanceUID) for h in sorted(headers, key=lambda h: h.ImagePositionPatient[2])]
    planes = seg.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(planes.transpose(2, 1, 0) > 0, edited > 0)
    assert seg.StudyInstanceUID == headers[0].StudyInstanceUID

    for secret in ("Phantom", "PHANTOM"):
        assert secret not in str(told)
        assert secret not in server.log.read_text()
