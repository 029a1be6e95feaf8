"""What would be said of a subject if a modality had not been measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim.exceptions import InputError
from adestim.inspection.contribution.hiding import HidingReader, find_output


def what_if_missing(
    estimator: Any,
    X: Any,
    modality: str | Sequence[str],
    *,
    target: Any = None,
    baseline: Any = None,
) -> pd.DataFrame:
    """Say how every subject's prediction would change without a modality.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor that reads missing modalities, such as
        :class:`adestim.AnchoredFusionClassifier`, or a pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as ``estimator.predict`` takes it.
    modality : str or sequence of str
        Modality that is hidden, or several that are hidden together.
    target : class label, default=None
        The class whose probability is shown. None takes the patients' of two classes; needed for
        more.
    baseline : array-like of shape (n_classes,) or float, default=None
        What is said of a subject who has nothing left: class frequencies or a mean. None takes
        those of training, as far as the model tells them.

    Returns
    -------
    DataFrame
        A row a subject: ``has``, whether there was something to hide; ``before``, ``after`` and
        ``change`` of the target's probability, or of the number; ``decision_before``,
        ``decision_after`` and ``changed``, by the most probable class, for a classifier.

    Raises
    ------
    InputError
        When the model knows no such modality, the estimator cannot be asked, or ``target`` is no
        class.
    NotFittedError
        When the estimator is not fitted.
    NoModalityError
        When a subject has no modality at all.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import what_if_missing
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] > 0, "AD", "CN")
    >>> X.loc[0, "csf__tau"] = np.nan
    >>> model = AnchoredFusionClassifier(anchor="mri", start="average", max_epochs=2).fit(X, y)
    >>> without = what_if_missing(model, X, "csf", target="AD")
    >>> bool(without.loc[0, "has"]), float(without.loc[0, "change"])
    (False, 0.0)
    """
    reader = HidingReader.of(estimator, X, baseline)
    kept = mark_kept(modality, list(reader.columns))
    column = find_output(reader.classes, target)
    before = reader.answers(np.ones(len(kept), dtype=bool))
    after = before.copy()
    has = reader.present.to_numpy()[:, ~kept].any(axis=1)
    after[has] = reader.answers(kept, np.flatnonzero(has))
    outputs = {
        "has": has,
        "before": before[:, column],
        "after": after[:, column],
        "change": after[:, column] - before[:, column],
    }
    if reader.classes is not None:
        outputs |= compare_decisions(before, after, reader.classes)
    return pd.DataFrame(outputs, index=reader.frame.index)


def mark_kept(modality: str | Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Return which modalities are not hidden."""
    hidden = [modality] if isinstance(modality, str) else list(modality)
    strange = [name for name in hidden if name not in known]
    if strange or not hidden:
        raise InputError(
            "'modality' must name one or several modalities that the model knows",
            got=", ".join(map(repr, strange)) or "none",
            remedy=f"Choose from {list(known)}",
        )
    return ~np.isin(known, hidden)


def compare_decisions(
    before: np.ndarray, after: np.ndarray, classes: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the most probable classes, and where they differ."""
    first, second = classes[before.argmax(axis=1)], classes[after.argmax(axis=1)]
    return {"decision_before": first, "decision_after": second, "changed": first != second}
