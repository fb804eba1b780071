"""The outline that an image offers where a method points, and the drawing that it saves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from shapely import MultiPolygon
from torch import Tensor

from medcontour.benchmark.data.dataset import BoolArray, FloatArray
from medcontour.classifier.protocol import Prepared
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.contour.measures import compare
from medcontour.contour.polygons import mask_polygons, region, union
from medcontour.outline import follow_region

__all__ = ["NEAR", "START", "Drawing"]

START = 0.01
"""Share of the network's input that the circle at a map's peak covers, from which the outline is
grown: a peak has no size of its own."""

NEAR = 2.0
"""Millimetres, or pixels, that a drawn line may be off and still be left as it is."""

HALF = 0.5


@dataclass(frozen=True)
class Drawing:
    """An image with what a reader drew on it: what outlines are grown in and held against.

    Attributes
    ----------
    pixels
        (rows, columns) or (rows, columns, 3), as read from the file.
    truth
        (rows, columns): what is the object.
    prepared
        The network's input made of the pixels.
    spacing
        Millimetres between rows, then between columns; None: lengths are counted in pixels.
    """

    pixels: FloatArray = field(repr=False)
    truth: BoolArray = field(repr=False)
    prepared: Prepared = field(repr=False)
    spacing: tuple[float, float] | None = None

    @property
    def plane(self) -> PlaneGeometry:
        """Plane of the image's own pixels."""
        rows, columns = self.truth.shape
        return PlaneGeometry(rows, columns, self.spacing or (1.0, 1.0))

    @cached_property
    def region(self) -> MultiPolygon:
        """What the reader drew, (x, y) along columns and rows, in the unit of the spacing."""
        row, column = self.plane.pixel_spacing
        return union(region(part * (column, row)) for part in mask_polygons(self.truth))

    def figures(self, relevance: Tensor, *, contour: bool) -> dict[str, float]:
        """Grow the outline of one map, and say how near to the reader's it is.

        The outline is `follow_region`'s: the image alone decides, from a circle at the map's
        peak (the middle one of several highest pixels) of `START` of the input, or, for a
        contour, at its middle and as large as it is. A constant map has no peak, and no outline.

        Parameters
        ----------
        relevance
            (H, W) on the network's input.
        contour
            Whether the map is a contour's mask, at least one half inside.

        Returns
        -------
        dict
            ``outline_found`` (1 or 0), ``outline_dice``, ``outline_hd95`` (NaN without an
            outline), ``outline_apl`` (length of the reader's boundary further than half a pixel
            from the outline), ``outline_saved`` (the share of the boundary that is not),
            ``outline_saved_near`` (the same where only what is further than `NEAR` is drawn
            again), and ``boundary``, the length of all of it.
        """
        start = self._start(relevance.detach().float().cpu(), contour)
        values = self.pixels if self.pixels.ndim == 2 else self.pixels.mean(-1)
        image = torch.from_numpy(np.ascontiguousarray(values))[None].float()
        found = follow_region(image, self.plane, start)[0] if start is not None else None
        plane, length = self.plane, float(self.region.boundary.length)
        row, column = plane.pixel_spacing
        outline = MultiPolygon()
        if found is not None:
            corners = plane.to_index(found.contour.polygon_inside(plane)[0].double()).numpy()
            outline = region(corners * (column, row))
        pairs = [(outline, self.region, None)]
        figures = compare(pairs, min(row, column) / 2)
        near = compare(pairs, NEAR).added_path_length_mm
        far = figures.hausdorff95_mm
        return {
            "outline_found": float(found is not None),
            "outline_dice": figures.dice or 0.0,
            "outline_hd95": math.nan if far is None else far,
            "outline_apl": figures.added_path_length_mm,
            "outline_saved": 1 - figures.added_path_length_mm / length,
            "outline_saved_near": 1 - near / length,
            "boundary": length,
        }

    def _start(self, relevance: Tensor, contour: bool) -> FourierContour | None:
        """Where the outline is grown from, in the image's plane."""
        if relevance.max() == relevance.min():
            return None
        highest = relevance == relevance.max()
        inside = relevance >= HALF if contour and (relevance >= HALF).any() else highest
        pixels = inside.nonzero().double()  # (row, column)
        middle = pixels.mean(0)
        if not contour:
            middle = pixels[(pixels - middle).square().sum(1).argmin()]
        share = len(pixels) / inside.numel() if contour else START
        index = torch.from_numpy(self.prepared.index_from_input).double()
        plane = self.plane
        center = plane.from_index((index @ torch.cat([middle, middle.new_ones(1)]))[:2])
        one = float(torch.linalg.det(index[:2, :2]).abs()) * plane.pixel**2  # pixel of the input
        radius = math.sqrt(share * inside.numel() * one / math.pi)
        return FourierContour.circles(center[None].float(), torch.tensor([radius]))
