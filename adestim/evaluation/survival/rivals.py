"""Rivals of anchored fusion that predict the time to an event, by name."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from adestim.evaluation.survival.block_survival import BlockSurvival
from adestim.exceptions import MissingDependencyError

N_TREES = 300
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)


def survival_rivals(random_state: int | None = 0) -> dict[str, BaseEstimator]:
    """Return models of the time to an event on pooled tokens, by name.

    They are those of scikit-survival [1]_, read the same tables as
    :class:`adestim.AnchoredFusionSurvival`, and have its methods.

    Parameters
    ----------
    random_state : int or None, default=0
        Seed of the forest.

    Returns
    -------
    dict of str to estimator
        Cox regression with an L2 penalty, chosen by inner cross-validated concordance, on all
        columns; one for every modality, whose survival functions are averaged over those
        observed; and a random survival forest. The forest reads missing values as they are; for
        Cox regressions they count as the mean.

    Raises
    ------
    MissingDependencyError
        When scikit-survival is not installed.

    References
    ----------
    .. [1] S. Pölsterl (2020). scikit-survival: A Library for Time-to-Event Analysis Built on Top of
       scikit-learn. JMLR 21(212).

    Examples
    --------
    >>> from importlib.util import find_spec
    >>> from adestim.evaluation import survival_rivals
    >>> models = survival_rivals() if find_spec("sksurv") else {}
    >>> set(models) <= {"Cox, all columns", "Cox by modality", "survival forest"}
    True
    """
    try:
        from sksurv.ensemble import RandomSurvivalForest
        from sksurv.linear_model import CoxPHSurvivalAnalysis
    except ImportError as error:
        raise MissingDependencyError(
            "Rivals of the time to an event need the package scikit-survival",
            remedy="Run pip install 'adestim[survival]'",
        ) from error
    cox, grid = make_cox(CoxPHSurvivalAnalysis(n_iter=200)), {"cox__alpha": list(PENALTIES)}
    forest = RandomSurvivalForest(N_TREES, min_samples_leaf=10, max_features="sqrt")
    return {
        "Cox, all columns": BlockSurvival(cox, grid=grid, random_state=random_state),
        "Cox by modality": BlockSurvival(
            cox, by_modality=True, grid=grid, random_state=random_state
        ),
        "survival forest": BlockSurvival(forest, random_state=random_state),
    }


def make_cox(cox: BaseEstimator) -> Pipeline:
    """Return Cox regression on standard scores, what is unknown being the mean.

    All principal components are kept: a rotation, which the penalty does not feel.
    """
    return Pipeline(
        [
            ("scaler", StandardScaler()),
            ("imputer", SimpleImputer(strategy="constant", fill_value=0, keep_empty_features=True)),
            ("rotation", PCA()),
            ("cox", cox),
        ]
    )
