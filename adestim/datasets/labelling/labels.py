"""Labels from visits, with a reason for everybody who gets none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from adestim.datasets.labelling.diagnoses import (
    NOT_AD,
    History,
    check_codes,
    choose_rule,
    fold_diagnosis_codes,
    read_histories,
    require_visit_columns,
)
from adestim.datasets.tables.cells import as_text
from adestim.exceptions import InputError

SHORT = "follow-up too short"
CHOICES = ("exclude", "stable")


def diagnosis_labels(
    visits: pd.DataFrame,
    rule: str | Mapping[str, str] = "diagnosis",
    *,
    column: str = "diagnosis",
    cause: str | None = None,
) -> pd.Series:
    """Translate a study's codes of diagnosis into words.

    Parameters
    ----------
    visits : DataFrame
        One row a visit.
    rule : {"diagnosis", "dxcurren", "dxchange", "text"} or mapping, default="diagnosis"
        ``"diagnosis"`` and ``"dxcurren"``: 1, 2, 3. ``"dxchange"``: 1 to 9, what the change arrived
        at. ``"text"``: CN, NL, SMC, EMCI, LMCI, MCI, AD, Dementia, and changes such as ``"MCI to
        Dementia"``. A mapping: label by code, codes as lower-case strings.
    column : str, default="diagnosis"
        Column with the codes, numbers or strings.
    cause : str, default=None
        Column with the cause of dementia (``DXDDUE``): 2, or words with "other", is one other than
        Alzheimer's disease. None: all dementia is ``"AD"``.

    Returns
    -------
    Series of str
        ``"CN"``, ``"SMC"``, ``"MCI"``, ``"AD"``, ``"Dementia (not AD)"`` or missing, indexed as
        ``visits``. Subjective memory concern is set apart: whether it is normal is the study's
        question.

    Raises
    ------
    InputError
        When the rule is unknown.
    TableError
        When a column is missing, or a code is not the rule's.

    References
    ----------
    .. [1] ADNI, data dictionary of ``DXSUM`` (``DIAGNOSIS``, ``DXCHANGE``, ``DXCURREN``,
       ``DXDDUE``): https://adni.loni.usc.edu.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import diagnosis_labels
    >>> visits = pd.DataFrame({"diagnosis": ["1", "3", "3"], "due": [None, "1", "2"]})
    >>> list(diagnosis_labels(visits, cause="due"))
    ['CN', 'AD', 'Dementia (not AD)']
    """
    table = choose_rule(rule)
    require_visit_columns(visits, [column, *([] if cause is None else [cause])])
    codes = fold_diagnosis_codes(visits[column])
    if rule == "text":
        codes = codes.str.split(" to ").str[-1].str.strip()
    labels = as_text(codes.map(table))
    check_codes(codes.notna() & labels.isna(), rule, column)
    if cause is None:
        return labels.rename("diagnosis")
    other = fold_diagnosis_codes(visits[cause]).str.fullmatch("2|.*other.*", na=False).astype(bool)
    return labels.mask(other & (labels == "AD"), NOT_AD).rename("diagnosis")


def tabulate_labels(rows: Sequence[tuple]) -> pd.DataFrame:
    """Lay out labels and reasons by subject."""
    names = ["subject", "label", "reason", "months_followed", "converted_at", "index_months"]
    table = pd.DataFrame.from_records(rows, columns=names).set_index("subject")
    table.index = table.index.astype("str")
    numbers = dict.fromkeys(names[3:], "float64")
    words = {name: as_text(table[name]) for name in ("label", "reason")}
    return table.astype(numbers).assign(**words)


def lay_out_label(history: History, label: str | None, reason: str | None) -> tuple:
    """Return one row of the table of labels."""
    outcome = (history.subject, label or np.nan, reason or np.nan)
    return (*outcome, history.followed, history.converted_at, history.start)


def baseline_labels(
    visits: pd.DataFrame,
    classes: Sequence[str] = ("CN", "AD"),
    *,
    stable: bool = False,
    baseline_within: float = 6,
) -> pd.DataFrame:
    """Label subjects by their diagnosis at baseline.

    Parameters
    ----------
    visits : DataFrame
        One row a visit: ``subject``, ``months`` (on any origin), and ``diagnosis`` as of
        :func:`diagnosis_labels`, which may be missing.
    classes : sequence of str, default=("CN", "AD")
        Diagnoses that become labels.
    stable : bool, default=False
        Whether the diagnosis must be the same at every later visit. This chooses subjects by
        their future and makes the task easier than it is at the baseline: report it.
    baseline_within : float, default=6
        The baseline is the first visit with a diagnosis; one later than so many months after the
        first visit is none.

    Returns
    -------
    DataFrame of shape (n_subjects, 5)
        Index ``subject``. ``label``, missing where ``reason`` says why; ``months_followed``, from
        the baseline to the last known diagnosis; ``converted_at``, from the baseline to the first
        dementia of any cause, missing if there is none; ``index_months``, time of the baseline.

    Raises
    ------
    TableError
        When a column is missing.

    See Also
    --------
    progression_labels : Stable and progressive MCI.

    Notes
    -----
    Requiring one diagnosis at all visits is what clinicadl's ``get-labels`` does [1]_.

    References
    ----------
    .. [1] Thibeau-Sutre et al. (2022), Computer Methods and Programs in Biomedicine 220, 106818.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import baseline_labels
    >>> visits = pd.DataFrame(
    ...     {"subject": ["s1", "s1", "s2"], "months": [0, 24, 0], "diagnosis": ["CN", "MCI", "MCI"]}
    ... )
    >>> baseline_labels(visits)[["label", "reason"]]
            label                     reason
    subject
    s1         CN                        NaN
    s2        NaN  MCI at baseline, no class
    >>> baseline_labels(visits, stable=True).loc["s1", "reason"]
    'diagnosis changed later'
    """
    rows = []
    for history in read_histories(visits, baseline_within):
        reason = history.reason or explain_baseline(history.diagnoses, classes, stable)
        rows.append(lay_out_label(history, None if reason else history.diagnoses[0], reason))
    return tabulate_labels(rows)


def explain_baseline(diagnoses: list[str], classes: Sequence[str], stable: bool) -> str | None:
    """Return why the diagnosis at baseline is no label."""
    if diagnoses[0] not in classes:
        not_ad = diagnoses[0] == NOT_AD
        return "dementia not due to AD" if not_ad else f"{diagnoses[0]} at baseline, no class"
    if stable and len(set(diagnoses)) > 1:
        return "diagnosis changed later"
    return None


def progression_labels(
    visits: pd.DataFrame,
    *,
    horizon: float = 36,
    tolerance: float = 6,
    reverters: str = "exclude",
    short: str = "exclude",
    baseline_within: float = 6,
) -> pd.DataFrame:
    """Label subjects with mild cognitive impairment as stable or progressive.

    Progressive: dementia due to Alzheimer's disease at a visit up to the horizon. Stable: still MCI
    there. Everybody else has no label, and a reason.

    Parameters
    ----------
    visits : DataFrame
        One row a visit: ``subject``, ``months`` (on any origin), and ``diagnosis`` as of
        :func:`diagnosis_labels`, which may be missing.
    horizon : float, default=36
        Months from the baseline within which progression counts.
    tolerance : float, default=6
        Months by which a visit may miss the horizon: later ones up to there count as within it,
        earlier ones from there on as reaching it.
    reverters : {"exclude", "stable"}, default="exclude"
        Those who become normal, once and for the rest of the horizon: none, or ``"sMCI"`` when
        followed long enough.
    short : {"exclude", "stable"}, default="exclude"
        Those last seen with MCI before the horizon: none, or ``"sMCI"``. The second calls people
        stable whose outcome nobody knows, and more so those who fall ill and leave the study.
    baseline_within : float, default=6
        The baseline is the first visit with a diagnosis; one later than so many months after the
        first visit is none.

    Returns
    -------
    DataFrame of shape (n_subjects, 5)
        Index ``subject``. ``label``, ``"sMCI"``, ``"pMCI"``, or missing where ``reason`` says why;
        ``months_followed``, from the baseline to the last known diagnosis;
        ``converted_at``, from the baseline to the first dementia of any cause, also after the
        horizon; ``index_months``, time of the baseline.

    Raises
    ------
    InputError
        When a parameter is out of range.
    TableError
        When a column is missing.

    See Also
    --------
    baseline_labels : Diagnosis at baseline.

    Notes
    -----
    What comes after horizon and tolerance counts in one way only: who is seen with MCI then, and
    not before, was stable at the horizon. Who is seen demented then, and not near the horizon, has
    an unknown status there and no label. A person who changes more than once within the
    horizon has none either.

    ``get-progression`` of clinicadl 1.6 [1]_ calls a subject stable whose last visit comes before
    the horizon: ``short="stable"``.

    References
    ----------
    .. [1] Thibeau-Sutre et al. (2022), Computer Methods and Programs in Biomedicine 220, 106818;
       the behaviour is that of version 1.6.1.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import progression_labels
    >>> visits = pd.DataFrame({
    ...     "subject": ["s1", "s1", "s2", "s2", "s3", "s3"],
    ...     "months": [0, 24, 0, 36, 0, 12],
    ...     "diagnosis": ["MCI", "AD", "MCI", "MCI", "MCI", "MCI"],
    ... })
    >>> progression_labels(visits)[["label", "reason"]]
            label               reason
    subject
    s1       pMCI                  NaN
    s2       sMCI                  NaN
    s3        NaN  follow-up too short
    """
    check_progression(horizon, tolerance, reverters, short)
    rows = []
    for history in read_histories(visits, baseline_within):
        label, reason = None, history.reason
        if reason is None:
            label, reason = decide_outcome(history, horizon, tolerance, reverters, short)
        rows.append(lay_out_label(history, label, reason))
    return tabulate_labels(rows)


def decide_outcome(
    history: History, horizon: float, tolerance: float, reverters: str, short: str
) -> tuple[str | None, str | None]:
    """Return a label, or the reason why there is none."""
    seen = history.until(horizon + tolerance)
    if seen[0] != "MCI":
        return None, f"{seen[0]} at baseline, not MCI"
    if NOT_AD in seen:
        return None, "dementia not due to AD"
    if sum(a != b for a, b in pairwise(seen)) > 1:
        return None, "more than one change"
    if seen[-1] == "AD":
        return "pMCI", None
    if seen[-1] != "MCI" and reverters == "exclude":
        return None, f"reverted to {seen[-1]}"
    reason = explain_unseen(history, seen[-1], horizon, tolerance)
    unknown = reason and not (reason == SHORT and short == "stable")
    return (None, reason) if unknown else ("sMCI", None)


def explain_unseen(history: History, last: str, horizon: float, tolerance: float) -> str | None:
    """Return why the status at the horizon is not known."""
    if history.followed == 0:
        return "no follow-up"
    later = history.after(horizon + tolerance)
    reached = history.months[len(history.months) - len(later) - 1] >= horizon - tolerance
    if reached or (later and later[0] == last):
        return None
    return "not seen near the horizon" if later else SHORT


def check_progression(horizon: float, tolerance: float, reverters: str, short: str) -> None:
    """Refuse parameters out of range."""
    rules = {
        "horizon": (horizon > 0, "a number of months above 0", horizon),
        "tolerance": (0 <= tolerance < horizon, "at least 0 and below the horizon", tolerance),
        "reverters": (reverters in CHOICES, "'exclude' or 'stable'", reverters),
        "short": (short in CHOICES, "'exclude' or 'stable'", short),
    }
    for name, (holds, rule, value) in rules.items():
        if not holds:
            raise InputError(
                f"The {name!r} parameter of progression_labels must be {rule}",
                got=f"{value!r} instead",
            )
