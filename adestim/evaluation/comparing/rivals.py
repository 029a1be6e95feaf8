"""The rivals of anchored fusion by name, to be compared with it on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline

from adestim.evaluation.comparing.tabular_rivals import tabular_rivals
from adestim.exceptions import InputError
from adestim.extraction.pool_tokens import PoolTokens
from adestim.fusion import (
    BlockAverageClassifier,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
    tuned_logistic,
)

N_TREES = 500


def plain_rivals(random_state: int | None = 0) -> dict[str, BaseEstimator]:
    """Return scikit-learn's own classifiers on pooled tokens, by name.

    Parameters
    ----------
    random_state : int or None, default=0
        Seed of those that are random.

    Returns
    -------
    dict of str to classifier
        A logistic regression on all columns, one for every modality probabilities averaged over
        those observed, gradient boosting, and a random forest. The trees read missing values as
        they are; for the logistic regressions they count as the mean.

    See Also
    --------
    tabular_rivals : Tabular foundation models.
    rivals : These, and the fusions.

    Examples
    --------
    >>> from adestim.evaluation import plain_rivals
    >>> list(plain_rivals())
    ['logistic, all columns', 'logistic by modality', 'gradient boosting', 'random forest']
    """
    boosting = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.05,
        max_features=0.3,
        early_stopping=False,
        random_state=random_state,
    )
    forest = RandomForestClassifier(N_TREES, min_samples_leaf=3, random_state=random_state)
    return {
        "logistic, all columns": make_pipeline(PoolTokens(), tuned_logistic()),
        "logistic by modality": BlockAverageClassifier(random_state=random_state),
        "gradient boosting": make_pipeline(PoolTokens(), boosting),
        "random forest": make_pipeline(PoolTokens(), forest),
    }


def rivals(
    modalities: Sequence[str], *, tabular: bool = True, **params: Any
) -> dict[str, BaseEstimator]:
    """Return all rivals of anchored fusion, by name.

    Parameters
    ----------
    modalities : sequence of str
        Names of the modalities, each of which is also tried alone.
    tabular : bool, default=True
        Whether tabular foundation models take part, as :func:`tabular_rivals` finds them on this
        machine; it warns of those that are installed and have no weights.
    **params : dict
        Parameters of the fusions and of the modalities alone: ``max_epochs``, ``width``,
        ``device`` and the like; each is given to those that have it. ``random_state`` is 0 unless
        it is given, for the plain classifiers too.

    Returns
    -------
    dict of str to classifier
        Those of :func:`plain_rivals` and :func:`tabular_rivals`, late fusions, the fusions without
        an anchor, and every modality alone.

    Raises
    ------
    InputError
        When a parameter is none of any fusion.

    Warns
    -----
    AdestimWarning
        When a tabular foundation model is installed and its weights are not at hand.

    See Also
    --------
    tabular_rivals : Tabular foundation models alone, from files or downloaded.
    adestim.evaluation.compare : Cross-validates several estimators on the same splits.

    Examples
    --------
    >>> from adestim.evaluation import rivals
    >>> models = rivals(["smri", "genetics"], tabular=False, max_epochs=10)
    >>> models["concatenation"]
    ConcatFusionClassifier(max_epochs=10, random_state=0)
    >>> models["smri alone"]
    UnimodalClassifier(max_epochs=10, modality='smri', random_state=0)
    """
    params = {"random_state": 0} | params
    fusions = make_fusion_rivals() | {
        f"{name} alone": UnimodalClassifier(modality=name) for name in modalities
    }
    require_fusion_params(params, fusions)
    for fusion in fusions.values():
        own = fusion.get_params(deep=False)
        fusion.set_params(**{name: value for name, value in params.items() if name in own})
    seed = params["random_state"]
    installed = tabular_rivals(seed, device=params.get("device", "auto")) if tabular else {}
    return plain_rivals(seed) | installed | fusions


def make_fusion_rivals() -> dict[str, BaseEstimator]:
    """Return the late fusions and the fusions without an anchor."""
    return {
        "late fusion": LateFusionClassifier(),
        "late fusion, weighted": LateFusionClassifier(weighting="weighted"),
        "late fusion, stacked": LateFusionClassifier(weighting="stacked"),
        "linear fusion": LinearFusionClassifier(),
        "concatenation": ConcatFusionClassifier(),
        "self-attention": SelfAttentionFusionClassifier(),
        "cross-attention": CrossAttentionFusionClassifier(),
        "mixture of experts": MixtureFusionClassifier(),
    }


def require_fusion_params(params: dict[str, Any], fusions: dict[str, BaseEstimator]) -> None:
    """Refuse parameters that no fusion has."""
    known = {name for fusion in fusions.values() for name in fusion.get_params(deep=False)}
    unknown = sorted(params.keys() - known)
    if unknown:
        raise InputError(
            "Parameters of rivals must be parameters of at least one fusion",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {sorted(known)}",
        )
