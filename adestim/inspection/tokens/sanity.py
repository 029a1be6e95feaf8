"""Whether attributions depend on what was learned: the test against randomised weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata, zscore

from adestim._support.sklearn import draw_seeds
from adestim.exceptions import InputError
from adestim.inspection.tokens.attribution import (
    TokenAttribution,
    attribute_output,
    require_settings,
)
from adestim.inspection.tokens.forest_path import ForestSteps
from adestim.inspection.tokens.integrated import ExplainedOutput, find_target
from adestim.inspection.tokens.long_tables import average_known_values
from adestim.inspection.tokens.view import view_of
from adestim.training.phase_one.penalised import Heads, LinearHead

MIN_TOKENS = 4
N_PERMUTATIONS = 999


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """Rank correlation of attributions with those of models of random weights.

    Parameters
    ----------
    correlation : float
        Mean over the draws; near 0 where attributions depend on what was learned.
    p_value : float
        Chance of as large a correlation among tokens that are exchangeable. A small one is a
        warning: part of the map does not depend on what was learned.
    draws : ndarray of shape (n_draws,)
        Correlation with every model of random weights.
    """

    correlation: float
    p_value: float
    draws: np.ndarray

    def frame(self) -> pd.DataFrame:
        """Return the result as a table of one row.

        Returns
        -------
        DataFrame
            ``correlation``, ``smallest`` and ``largest`` of the draws, ``p_value``, ``n_draws``.
        """
        found = {
            "correlation": self.correlation,
            "smallest": self.draws.min(),
            "largest": self.draws.max(),
            "p_value": self.p_value,
            "n_draws": len(self.draws),
        }
        return pd.DataFrame([found])


def sanity_check(
    estimator: Any,
    X: Any,
    *,
    n_draws: int = 10,
    random_state: Any = 0,
    target: Any = None,
    anchor: str | None = None,
    n_steps: int = 32,
    baseline: str = "missing",
) -> SanityCheck:
    """Compare the trained model's attributions with those of models of random weights.

    Every weight that was trained, of the nets and of the phase-1 heads, is drawn anew from a
    Gaussian of its tensor's own mean and standard deviation, and every split of a forest is said
    of another column of the modality; frozen weights stay, as do the members' shares. An
    attribution that looks the same afterwards tells of the data, not of what was learned. The
    estimator is left as it is.

    Parameters
    ----------
    estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
        Fitted fusion, or a fitted pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as in ``fit``.
    n_draws : int, default=10
        Number of models of random weights.
    random_state : int, RandomState instance or None, default=0
        Draws the weights, and the permutations of the test.
    target : object, default=None
        As for :func:`token_attribution`.
    anchor : str, default=None
        As for :func:`token_attribution`.
    n_steps : int, default=32
        As for :func:`token_attribution`.
    baseline : {"missing", "mean"}, default="missing"
        As for :func:`token_attribution`.

    Returns
    -------
    SanityCheck
        Spearman's correlations over all tokens, of mean absolute attributions.

    Raises
    ------
    InputError
        When there are fewer than four tokens to rank, or a parameter is wrong.

    References
    ----------
    J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.
    C. Spearman, "The Proof and Measurement of Association between Two Things", American Journal of
    Psychology 15, 1904.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import sanity_check
    >>> rng = np.random.default_rng(0)
    >>> names = [f"mri__r{number}" for number in range(5)] + ["csf__tau"]
    >>> X = pd.DataFrame(rng.normal(size=(40, 6)), columns=names)
    >>> y = np.where(X["csf__tau"] > 0, "AD", "CN")
    >>> fusion = AnchoredFusionClassifier(
    ...     anchor="mri", n_queries=2, width=8, max_epochs=1, random_state=0
    ... ).fit(X, y)
    >>> check = sanity_check(fusion, X, n_draws=2, n_steps=4)
    >>> -1 <= check.correlation <= 1
    True
    """
    require_settings(n_steps, baseline)
    require_settings(n_draws, baseline)
    view = view_of(estimator, X, anchor)
    place = find_target(getattr(view.fusion, "classes_", None), target)
    trained = ExplainedOutput.of(view, place)
    rng = np.random.default_rng(draw_seeds(random_state, 1)[0])
    shown = measure_importance(attribute_output(view, trained, n_steps, baseline, None))
    others = [
        measure_importance(
            attribute_output(view, randomise_weights(trained, rng), n_steps, baseline, None)
        )
        for _ in range(n_draws)
    ]
    return compare_ranks(shown, np.stack(others), rng)


def randomise_weights(output: ExplainedOutput, rng: np.random.Generator) -> ExplainedOutput:
    """Return the output of a copy whose trained weights are random."""
    nets = {
        name: tuple(randomise_net(net, rng) for net in own) for name, own in output.nets.items()
    }
    heads = output.heads
    plain = Heads(
        heads.modalities,
        tuple(randomise_head(head, rng) for head in heads.separate),
        tuple(randomise_head(head, rng) for head in heads.joint),
        heads.intercepts,
        heads.joint_intercept,
    )
    readers = {
        name: reader.shuffle_columns(rng) if isinstance(reader, ForestSteps) else reader
        for name, reader in output.readers.items()
    }
    return replace(output, nets=nets, heads=plain, readers=readers)


def randomise_net(net: Any, rng: np.random.Generator) -> Any:
    """Return a copy of a net whose trained weights are random."""
    module = copy.deepcopy(net)
    with torch.no_grad():
        for value in module.parameters():
            if value.requires_grad and value.numel():
                drawn = rng.normal(value.mean().item(), value.std(correction=0).item(), value.shape)
                value.copy_(torch.from_numpy(np.asarray(drawn)))
    return module.eval()


def randomise_head(head: LinearHead, rng: np.random.Generator) -> LinearHead:
    """Return a head of random weights of the same size."""
    size = np.sqrt(np.mean(head.coef**2)) if head.coef.size else 0.0
    return replace(head, coef=rng.normal(0, size, head.coef.shape))


def measure_importance(attribution: TokenAttribution) -> np.ndarray:
    """Return every token's mean absolute attribution, those of phase-1 scores left out."""
    values = attribution.values.values()
    means = np.concatenate([average_known_values(np.abs(block[:, :-1]), 0) for block in values])
    return means[~np.isnan(means)]


def compare_ranks(shown: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> SanityCheck:
    """Correlate ranks, and test their mean by permuting the tokens."""
    if len(shown) < MIN_TOKENS:
        raise InputError(
            f"A rank correlation needs at least {MIN_TOKENS} tokens", got=f"{len(shown)}"
        )
    ranks = standardise_ranks(shown)
    random_ranks = np.stack([standardise_ranks(other) for other in others])
    draws = random_ranks @ ranks / len(ranks)
    mean = random_ranks.mean(axis=0) / len(ranks)
    permuted = np.array([rng.permutation(ranks) @ mean for _ in range(N_PERMUTATIONS)])
    n_larger = (permuted >= draws.mean() - 1e-12).sum()
    p_value = (1 + n_larger) / (1 + N_PERMUTATIONS)
    return SanityCheck(float(draws.mean()), float(p_value), draws)


def standardise_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks of mean 0 and variance 1; zeros where all values are equal."""
    ranks = rankdata(values)
    return np.zeros(len(ranks)) if np.ptp(ranks) == 0 else zscore(ranks)
