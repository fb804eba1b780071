"""Conformal p values: how often what holds no finding looks as strong, exact for any number."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["conformal_p_value", "least_p_value"]


def conformal_p_value(strength: float, without_finding: Sequence[Sequence[float]]) -> float:
    r"""How surely a strength is larger than those of images without a finding.

    With one image a group this is the usual conformal p value, ``(1 + g) / (n + 1)``, with g of n
    images at least as strong. With groups (patients) of several images each group counts once:

    ``p = (1 + sum over groups of (the share of the group's images at least as strong)) / (K + 1)``

    for K groups (hierarchical conformal prediction: Lee, Barber and Willett 2023,
    "Distribution-free inference with hierarchical data", arXiv:2306.06342). Where a new image
    without a finding comes from a new group, and groups, and the images within one, could as well
    have come in any other order, ``P(p <= a) <= a`` for every a and any number of groups.

    Parameters
    ----------
    strength
        The finding's. The larger, the stronger.
    without_finding
        By group, those of images without a finding; ``-inf`` where nothing was suggested. Each
        group has one image or more.

    Examples
    --------
    >>> conformal_p_value(2.0, [[1.0], [3.0], [-float("inf")]])
    0.5
    >>> conformal_p_value(2.0, [[1.0, 3.0], [1.0, 1.0, 1.0]])
    0.5
    """
    as_strong = sum(
        sum(other >= strength for other in group) / len(group) for group in without_finding
    )
    return (1 + as_strong) / (len(without_finding) + 1)


def least_p_value(groups: int) -> float:
    """The smallest p value that so many groups can give.

    Examples
    --------
    >>> least_p_value(19)
    0.05
    """
    return 1 / (groups + 1)
