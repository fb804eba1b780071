"""Curves of a slice's plane, placed in patient space."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from medcontour.contour import PlaneShape
from medcontour.explain import Perturbation, TargetObjective
from medcontour.outline import Outline
from medcontour.pipeline.planes import plane_geometry
from medcontour.results import PlacedContour
from medcontour.scan import Scan

__all__ = ["placed", "placed_outline", "polygon_lps"]


def placed(
    curve: PlaneShape,
    kind: Literal["evidence", "outline"],
    k: int,
    quality: dict[str, Any],
    scan: Scan,
) -> PlacedContour:
    """Place one curve of slice `k`."""
    geometry = plane_geometry(scan)
    exact = curve.detach().to("cpu").to(torch.float64)
    return PlacedContour(
        kind=kind,
        slice=k,
        parameters=exact.to_dict(),
        polygon_lps_mm=polygon_lps(curve, scan, k),
        area_mm2=float(exact.area_inside(geometry)[0]) * geometry.unit_mm**2,
        quality=quality,
    )


def placed_outline(
    perturbation: Perturbation,
    of_target: TargetObjective,
    outline: Outline,
    index: int,
    k: int,
    scan: Scan,
) -> PlacedContour:
    """Place an outline of slice `k`, the image at `index`, with what the classifier says."""
    which = torch.tensor([index], device=perturbation.images.device)
    curve = outline.contour.to(perturbation.images.device)
    preserved, deleted = perturbation.judge(of_target, curve, which)
    quality = {
        **outline.quality,
        "preserved": of_target.probability(preserved, which).item(),
        "deleted": of_target.probability(deleted, which).item(),
    }
    curve_placed = placed(outline.contour, "outline", k, quality, scan)
    if outline.exact is None:
        return curve_placed
    exact = plane_geometry(scan).to_index(outline.exact.to(torch.float64)).numpy()
    return replace(curve_placed, exact_polygon_lps_mm=scan.to_lps(exact, k))


def polygon_lps(curve: PlaneShape, scan: Scan, k: int) -> npt.NDArray[np.float64]:
    """(n, 3) corners of a curve of slice `k`, LPS mm, drawn in to the image where it leaves it."""
    geometry = plane_geometry(scan)
    exact = curve.detach().to("cpu").to(torch.float64)
    return scan.to_lps(geometry.to_index(exact.polygon_inside(geometry)[0]).numpy(), k)
