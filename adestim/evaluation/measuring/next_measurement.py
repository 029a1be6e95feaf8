"""Which missing modality of a patient is the most worth measuring."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from adestim._support.checks import require_count
from adestim._support.words import first_names
from adestim.evaluation.measuring.alike import Reference, read_patients, read_reference
from adestim.evaluation.measuring.worth import Worth, expect_worth
from adestim.exceptions import DataWarning, InputError


def next_measurement(
    fitted: Any,
    X: Any,
    *,
    X_reference: Any,
    y_reference: Any = None,
    costs: Mapping[str, float] | None = None,
    gain: str = "entropy",
    threshold: float | None = None,
    positive: Any = None,
    n_alike: int = 30,
    modalities: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return what measuring each missing modality is expected to gain, patient by patient.

    Parameters
    ----------
    fitted : estimator
        A fitted classifier, or a pipeline that ends in one, that predicts where modalities are
        missing.
    X : DataFrame of shape (n_subjects, n_columns)
        Patients, in the columns of ``X_reference``; what was not measured is missing.
    X_reference : DataFrame of shape (n_reference, n_columns)
        Other people, such as those of training, who show what modalities look like.
    y_reference : array-like of shape (n_reference,), default=None
        Their classes, for ``gain="log_loss"``.
    costs : mapping of str to float, default=None
        What measuring a modality costs, in any unit above 0; others are not proposed. None: every
        modality costs 1.
    gain : {"entropy", "net_benefit", "log_loss"}, default="entropy"
        ``"entropy"``: how far that of the prediction falls, in nats. ``"net_benefit"``: how
        far that of acting from ``threshold`` on rises [1]_, in true positives a patient.
        ``"log_loss"``: how far that of alike people of the reference fell with the modality.
    threshold : float, default=None
        From which probability one acts, for ``gain="net_benefit"``.
    positive : label, default=None
        The class that one acts on; None for the patients' of two.
    n_alike : int, default=30
        With how many people of the reference a patient is compared.
    modalities : mapping of str to list of str, default=None
        Columns of every modality, for a table of raw cells; None takes what the table itself tells.

    Returns
    -------
    DataFrame
        A row for each patient and missing modality, patients in order, the best first: ``subject``,
        ``modality``, ``now`` (minus the entropy, the net benefit, or minus the log loss),
        ``expected`` (the same after the measurement), ``gain`` (the difference), ``cost``,
        ``gain_per_cost``, ``rank`` (from 1) and ``n_alike``. Patients who lack nothing have no
        row.

    Raises
    ------
    InputError
        When nothing is missing, a cost is not above 0 or of no modality, the reference has a
        single person, columns are absent, or ``gain`` and what it needs do not fit.
    LeakageError
        When people with the same label are among patients and reference.

    Warns
    -----
    DataWarning
        When fewer than two people of the reference have what a patient has and the missing
        modality; ``gain`` is then NaN.

    See Also
    --------
    measurement_policy : What it brings to measure in this order.

    Notes
    -----
    A patient has the modalities S and lacks m. Among people of the reference who have S and m, the
    ``n_alike`` whose prediction from S alone is nearest to the patient's, in log-odds, show what
    may be found: the patient is given m of each in turn, and the worth of the predictions is
    averaged. This assumes that S tells of m what the prediction from S tells and no more, and that
    whoever had m measured is like who had not, at the same prediction. ``"log_loss"`` needs
    the second assumption alone: it looks at those people's own predictions, with and without their
    m; if the classifier was trained on them, gains are too large.

    A gain may be below 0: predictions of a classifier that is too sure of little become less sure
    with more. It is one step ahead: that two measurements are worth more together is not seen.

    References
    ----------
    .. [1] Vickers, A. J., & Elkin, E. B. (2006). Decision curve analysis: a novel method for
       evaluating prediction models. Medical Decision Making, 26(6), 565-574.
    .. [2] Lindley, D. V. (1956). On a measure of the information provided by an experiment. The
       Annals of Mathematical Statistics, 27(4), 986-1005.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from adestim.evaluation import next_measurement
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(200, 3)), columns=["mri__a", "csf__tau", "gene__e4"])
    >>> y = np.where(X["mri__a"] + 2 * X["csf__tau"] + rng.normal(size=200) > 0, "AD", "CN")
    >>> model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, y)
    >>> patient = pd.DataFrame({"mri__a": [0.2], "csf__tau": [np.nan], "gene__e4": [np.nan]})
    >>> found = next_measurement(model, patient, X_reference=X, costs={"csf": 3, "gene": 1})
    >>> found[["modality", "cost", "rank"]]
      modality  cost  rank
    0      csf   3.0     1
    1     gene   1.0     2
    """
    require_classifier(fitted)
    require_count(n_alike, "'n_alike' is a whole number from 1")
    reference = read_reference(fitted, X_reference, y_reference, modalities, n_alike)
    worth = Worth.read(
        gain, threshold, positive, list_classes(fitted), has_labels=y_reference is not None
    )
    prices = read_costs(costs, reference.modalities)
    table, present = read_patients(X, reference)
    wanted = ~present & np.isfinite(prices)
    if not wanted.any():
        raise InputError(
            "What to measure next is asked of people who lack a modality that has a cost",
            got=f"{len(table)} who have all of {first_names(reference.modalities)}",
        )
    found = pd.DataFrame(list(expect_gains(worth, reference, table, present, wanted)))
    warn_of_nobody(found)
    found["cost"] = prices[found["place"].to_numpy()]
    found["subject"] = table.index[found["row"]]
    return rank_gains(found)


def require_classifier(fitted: Any) -> None:
    """Refuse what gives no probabilities of classes, or is not fitted."""
    check_is_fitted(fitted)
    if not hasattr(fitted, "predict_proba") or not hasattr(fitted, "classes_"):
        raise InputError(
            "What to measure next is asked of a classifier with predict_proba",
            got=f"a {type(fitted).__name__}",
        )


def list_classes(fitted: Any) -> list:
    """Return the classes of a classifier, as its columns of probabilities are ordered."""
    return np.asarray(fitted.classes_).tolist()


def read_costs(costs: Mapping[str, float] | None, modalities: Sequence[str]) -> np.ndarray:
    """Return the cost of every modality, infinite where it is not to be measured."""
    if costs is None:
        return np.ones(len(modalities))
    if not isinstance(costs, Mapping) or not costs:
        raise InputError("'costs' are numbers by modality", got=repr(costs))
    unknown = [name for name in costs if name not in modalities]
    if unknown:
        raise InputError(
            "'costs' are of modalities of the table",
            got=first_names(unknown),
            remedy=f"Choose from {first_names(modalities)}",
        )
    for name, cost in costs.items():
        if not isinstance(cost, Real) or isinstance(cost, bool) or not 0 < cost < np.inf:
            raise InputError("A cost is a number above 0", got=f"{cost!r} of {name!r}")
    return np.array([float(costs.get(name, np.inf)) for name in modalities])


def expect_gains(
    worth: Worth,
    reference: Reference,
    table: pd.DataFrame,
    present: np.ndarray,
    wanted: np.ndarray,
) -> Iterator[dict[str, Any]]:
    """Yield what every wanted measurement is expected to gain, by position of row and modality.

    present and wanted (n_rows, n_modalities).
    """
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        own = np.flatnonzero(which.ravel() == number)
        for place, name in enumerate(reference.modalities):
            rows = own[wanted[own, place]]
            if not len(rows):
                continue
            now, later, n_alike = expect_worth(worth, reference, table.iloc[rows], pattern, place)
            for row, before, after in zip(rows, now, later, strict=True):
                yield {
                    "row": row,
                    "place": place,
                    "modality": name,
                    "now": before,
                    "expected": after,
                    "gain": after - before,
                    "n_alike": n_alike,
                }


def warn_of_nobody(found: pd.DataFrame) -> None:
    """Warn of modalities that nobody of the reference has beside what a patient has."""
    lost = found[found["gain"].isna()]
    if len(lost):
        warnings.warn(
            f"Of {lost['row'].nunique()} patient(s) the gain of "
            f"{first_names(lost['modality'].unique())} is not known: fewer than two people of the "
            "reference have it beside what the patient has.",
            DataWarning,
            stacklevel=3,
        )


def rank_gains(found: pd.DataFrame) -> pd.DataFrame:
    """Return measurements of every patient, the best first."""
    found = found.assign(gain_per_cost=found["gain"] / found["cost"])
    order = np.lexsort((found["place"], -found["gain_per_cost"].fillna(-np.inf), found["row"]))
    found = found.iloc[order].reset_index(drop=True)
    found["rank"] = found.groupby("row").cumcount() + 1
    names = ["subject", "modality", "now", "expected", "gain", "cost", "gain_per_cost", "rank"]
    return found[[*names, "n_alike"]]
