"""Times to conversion from visits, with a reason for everybody who gets none."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adestim._support.survival_targets import make_survival
from adestim.datasets.labelling.diagnoses import NOT_AD, History, read_histories
from adestim.datasets.labelling.labels import lay_out_label, tabulate_labels

CONVERTED, CENSORED = "converted", "censored"
MONTHS = 12.0


def conversion_labels(
    visits: pd.DataFrame, *, baseline: str = "MCI", baseline_within: float = 6
) -> pd.DataFrame:
    """Tell when subjects convert to dementia due to Alzheimer's disease, or until when they do not.

    Nobody is left out for what comes later: who reverts to normal, or is followed briefly, is
    censored at the last visit with a diagnosis.

    Parameters
    ----------
    visits : DataFrame
        One row a visit: ``subject``, ``months`` (on any origin), and ``diagnosis`` as of
        :func:`diagnosis_labels`, which may be missing.
    baseline : str, default="MCI"
        Diagnosis at the baseline of those who are labelled.
    baseline_within : float, default=6
        The baseline is the first visit with a diagnosis; one later than so many months after the
        first visit is none.

    Returns
    -------
    DataFrame of shape (n_subjects, 6)
        Index ``subject``. ``label``, ``"converted"``, ``"censored"``, or missing where ``reason``
        says why; ``years`` from the baseline to the first dementia or the last known diagnosis,
        missing where the label is; ``months_followed``, ``converted_at`` and ``index_months`` as
        of :func:`progression_labels`.

    Raises
    ------
    TableError
        When a column is missing.

    See Also
    --------
    progression_labels : Stable and progressive within a horizon.
    adestim.make_survival : Makes targets of labels and years.

    Notes
    -----
    An event is dated to the visit at which it is found; it happened since the visit before.
    Dementia of another cause ends follow-up: its subjects are censored then, and probabilities of
    conversion are those in its absence.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import conversion_labels
    >>> visits = pd.DataFrame({
    ...     "subject": ["s1", "s1", "s2", "s2", "s3"],
    ...     "months": [0, 24, 0, 36, 0],
    ...     "diagnosis": ["MCI", "AD", "MCI", "MCI", "MCI"],
    ... })
    >>> conversion_labels(visits)[["label", "years", "reason"]]
                 label  years        reason
    subject
    s1       converted    2.0           NaN
    s2        censored    3.0           NaN
    s3             NaN    NaN  no follow-up
    """
    rows, years = [], []
    for history in read_histories(visits, baseline_within):
        reason = history.reason or explain_no_time(history, baseline)
        label, until = (None, np.nan) if reason else date_outcome(history)
        rows.append(lay_out_label(history, label, reason))
        years.append(until / MONTHS)
    table = tabulate_labels(rows)
    table.insert(2, "years", np.array(years, dtype=float))
    return table


def explain_no_time(history: History, baseline: str) -> str | None:
    """Return why a subject has no time to conversion."""
    first = history.diagnoses[0]
    if first != baseline:
        return f"{first} at baseline, not {baseline}"
    return "no follow-up" if history.followed == 0 else None


def date_outcome(history: History) -> tuple[str, float]:
    """Return the label and the months from the baseline to what it says."""
    if np.isnan(history.converted_at):
        return CENSORED, history.followed
    found = history.diagnoses[int(np.searchsorted(history.months, history.converted_at))]
    return (CENSORED if found == NOT_AD else CONVERTED), history.converted_at


def make_conversion_target(labels: pd.DataFrame) -> np.ndarray:
    """Return targets of time to event of labels and years, (n_subjects,)."""
    return make_survival((labels["label"] == CONVERTED).to_numpy(), labels["years"].to_numpy())
