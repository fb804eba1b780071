"""Trust: the fit, held against what has to be true of any such fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fitted import judged_findings
from scipy import special

from medcontour.calibration.figures import FIGURES
from medcontour.calibration.fit import LEAST_OF_EACH, fit_trust, out_of_fold, too_few
from medcontour.calibration.trust import FARTHEST


def test_weights_are_at_the_least_of_the_penalised_loss() -> None:
    """No small step in any direction lowers it."""
    judged = judged_findings()
    trust = fit_trust(judged)
    far = FARTHEST  # a figure counts for no more than so many spreads
    names = [name for name in FIGURES if trust.spreads[name] > 0]
    values = np.array(
        [
            [
                0.0
                if each.figures[n] is None
                else np.clip((each.figures[n] - trust.means[n]) / trust.spreads[n], -far, far)
                for n in names
            ]
            for each in judged
        ]
    )
    kept = np.array([each.kept for each in judged])

    def loss(weights: np.ndarray, intercept: float) -> float:
        signs = np.where(kept, 1, -1)
        both = special.log_expit(intercept) + special.log_expit(-intercept)
        fitted = special.log_expit(signs * (values @ weights + intercept)).sum()
        return float(-fitted + trust.penalty / 2 * (weights**2).sum() - 0.1 * both)

    weights = np.array([trust.weights[name] for name in names])
    least = loss(weights, trust.intercept)
    for step in np.random.default_rng(1).normal(scale=0.01, size=(50, len(names) + 1)):
        assert loss(weights + step[:-1], trust.intercept + step[-1]) > least - 1e-7


def test_figures_that_say_something_get_weights_of_their_sign_and_others_none() -> None:
    trust = fit_trust(judged_findings(120))
    assert trust.weights["edge"] > 0 > trust.weights["contrast"]
    assert trust.weights["slices"] == trust.weights["agreement"] == 0
    assert trust.spreads["slices"] == trust.spreads["agreement"] == 0


def test_trust_has_nothing_to_do_with_a_figures_unit() -> None:
    judged = judged_findings()
    scaled = [
        replace(each, figures=each.figures | {"edge": 1000 * each.figures["edge"] + 5})
        for each in judged
    ]
    one, other = fit_trust(judged), fit_trust(scaled)
    for before, after in zip(judged, scaled, strict=True):
        assert one.of_figures(before.figures) == pytest.approx(
            other.of_figures(after.figures), abs=1e-4
        )


def test_out_of_fold_no_group_has_a_say_in_its_own_trust() -> None:
    judged = judged_findings()
    predicted = out_of_fold(judged)
    for group in (0, 7):
        turned = [replace(e, kept=not e.kept) if e.group == group else e for e in judged]
        own = np.array([each.group == group for each in judged])
        assert out_of_fold(turned)[own] == pytest.approx(predicted[own])
        assert out_of_fold(turned)[~own] != pytest.approx(predicted[~own])


def test_bins_hold_every_finding_from_the_least_trusted_to_the_most() -> None:
    judged = judged_findings()
    trust = fit_trust(judged)
    assert sum(part.count for part in trust.reliability) == trust.findings == len(judged)
    predicted = [part.predicted for part in trust.reliability]
    assert predicted == sorted(predicted)
    kept = sum(part.count * part.kept for part in trust.reliability)
    assert kept == pytest.approx(trust.kept)


@pytest.mark.parametrize("lacking", ["kept", "not kept", "groups"])
def test_too_few_of_anything_are_said_to_be_too_few(lacking: str) -> None:
    judged = judged_findings()
    assert not too_few(judged)
    few = {
        "kept": [e for e in judged if not e.kept] + [e for e in judged if e.kept][:3],
        "not kept": [e for e in judged if e.kept] + [e for e in judged if not e.kept][:3],
        "groups": [replace(e, group=e.group % 3) for e in judged],
    }[lacking]
    assert f"{LEAST_OF_EACH} groups are needed" in too_few(few)


def test_a_finding_unlike_all_others_is_told_by_its_figure() -> None:
    trust = fit_trust(judged_findings())
    there = [name for name in FIGURES if trust.spreads[name] > 0]
    usual = {name: trust.means[name] for name in FIGURES} | {"slices": None}
    assert trust.beyond(usual) == ()
    for name in there:
        for spreads, told in ((FARTHEST - 0.1, ()), (FARTHEST + 0.1, (name,))):
            far = usual | {name: trust.means[name] - spreads * trust.spreads[name]}
            assert trust.beyond(far) == told
