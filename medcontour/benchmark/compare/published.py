"""The paper's own rows, to stand beside ours and never to be mixed with them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SOURCE", "Published", "published_rows"]

SOURCE = (
    "Karimzadeh et al., Extremal Contours, NLDL 2026 (PMLR 307:201-210), Tables 1 and 2; 100 "
    "images of their own choice, mean (95 % CI)"
)


@dataclass(frozen=True)
class Published:
    """A row of theirs: mean, lower and upper end by the name of our metric."""

    method: str
    values: dict[str, tuple[float, float, float]]


_METRICS = ("relevance_rank", "relevance_mass", "complexity", "sparseness", "faithfulness_10")
_METHODS = (
    "gradient-shap",
    "integrated-gradients",
    "smooth-mask",
    "grad-cam++",
    "extremal-contour-paper",
)

# Method by method in the order of _METHODS, column by column in the order of _METRICS.
_TABLES = {
    ("coco", "resnet50"): """
        0.430 0.373 0.487  0.418 0.361 0.476  10.145 10.107 10.184  0.594 0.582 0.607
        0.432 0.375 0.488  0.423 0.365 0.481  10.165 10.118 10.212  0.584 0.570 0.599
        0.462 0.406 0.518  0.514 0.443 0.585   8.655  8.630  8.679  0.910 0.908 0.912
        0.460 0.401 0.519  0.465 0.393 0.537   9.518  9.385  9.651  0.708 0.664 0.751
        0.478 0.427 0.530  0.602 0.537 0.666   8.990  8.929  9.051  0.843 0.834 0.852""",
    ("coco", "dino-vitb16"): """
        0.492 0.438 0.545  0.485 0.428 0.542  10.202 10.164 10.240  0.573 0.560 0.586
        0.492 0.438 0.545  0.484 0.428 0.541  10.239 10.210 10.267  0.561 0.550 0.572
        0.454 0.398 0.510  0.538 0.469 0.608   8.658  8.630  8.685  0.910 0.908 0.912
        0.434 0.375 0.493  0.432 0.371 0.494   9.993  9.932 10.054  0.651 0.632 0.670
        0.481 0.429 0.533  0.652 0.586 0.718   8.665  8.616  8.715  0.889 0.884 0.895""",
    ("imagenet", "resnet50"): """
        0.606 0.546 0.666  0.628 0.563 0.692  10.115 10.066 10.165  0.604 0.588 0.619  0.036 -0.027 0.099
        0.614 0.555 0.673  0.632 0.568 0.696  10.163 10.123 10.202  0.589 0.575 0.603  0.070 0.004 0.137
        0.638 0.580 0.696  0.806 0.738 0.874   8.686  8.659  8.712  0.907 0.905 0.910  0.091 0.029 0.153
        0.588 0.524 0.652  0.626 0.552 0.701   9.737  9.597  9.877  0.658 0.614 0.701  0.090 0.018 0.161
        0.596 0.536 0.655  0.779 0.706 0.852   8.878  8.795  8.961  0.855 0.843 0.866  0.050 -0.022 0.122""",  # noqa: E501
    ("imagenet", "dino-vitb16"): """
        0.610 0.549 0.670  0.633 0.568 0.699  10.152 10.096 10.207  0.589 0.573 0.604 -0.050 -0.143 0.042
        0.610 0.550 0.669  0.637 0.573 0.701  10.210 10.174 10.246  0.571 0.558 0.584 -0.000 -0.096 0.095
        0.616 0.555 0.676  0.758 0.683 0.833   8.659  8.636  8.682  0.910 0.908 0.912  0.010 -0.060 0.081
        0.551 0.486 0.617  0.584 0.513 0.654  10.022  9.959 10.086  0.636 0.613 0.659 -0.041 -0.124 0.042
        0.601 0.544 0.659  0.814 0.745 0.883   8.562  8.504  8.621  0.899 0.894 0.905 -0.033 -0.118 0.051""",  # noqa: E501
}


def published_rows(kind: str, model: str) -> list[Published]:
    """Give the paper's rows for the same data set and network; none where it has none.

    Parameters
    ----------
    kind, model
        ``"imagenet"`` or ``"coco"``; ``"resnet50"`` or ``"dino-vitb16"``.

    Examples
    --------
    >>> rows = published_rows("imagenet", "dino-vitb16")
    >>> rows[-1].method, rows[-1].values["relevance_mass"]
    ('extremal-contour-paper', (0.814, 0.745, 0.883))
    >>> published_rows("folder", "resnet50")
    []
    """
    rows = []
    lines = _TABLES.get((kind, model), "").strip().splitlines()
    for method, line in zip(_METHODS, lines, strict=False):
        numbers = [float(word) for word in line.split()]
        columns = [tuple(numbers[k : k + 3]) for k in range(0, len(numbers), 3)]
        rows.append(Published(method, dict(zip(_METRICS, columns, strict=False))))  # type: ignore[arg-type]
    return rows
