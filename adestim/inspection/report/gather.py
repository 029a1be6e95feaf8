"""What a report is made of: a checked model, its table, the truth, who is explained, and whence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.positive_class import choose_positive
from adestim._support.predictions import Predictions
from adestim._support.scores import N_RESAMPLES
from adestim._support.sklearn import draw_seeds, take_rows
from adestim.backbone.pretraining_cohorts import cohort_name
from adestim.exceptions import InputError
from adestim.inspection.contribution.contribution import draw_rows
from adestim.inspection.contribution.hiding import HidingReader, find_output, split_estimator
from adestim.inspection.report.characteristics import find_characteristics
from adestim.inspection.report.group_tables import check_group_scores
from adestim.inspection.report.outcomes import (
    predict_outcomes,
    read_outcomes,
)
from adestim.inspection.report.provenance import describe_backbones
from adestim.inspection.tokens.free_text import read_free_texts
from adestim.inspection.tokens.view import (
    SubjectsView,
    check_anchor,
    fusion_of,
    view_of,
)


@dataclass(frozen=True, eq=False)
class Material:
    """What all sections of a report read."""

    estimator: Any  # the fitted fusion or pipeline
    fusion: Any  # the fitted fusion itself
    anchor: str | None  # the anchor of which tokens are explained, None for the whole prediction
    raw: Any  # (n_subjects, n_columns); what the estimator reads, a row a subject
    table: pd.DataFrame  # what the fusion reads, a row a subject
    y: np.ndarray  # (n_subjects,); labels or numbers
    present: pd.DataFrame  # (n_subjects, n_modalities); who has what
    outcomes: Predictions  # predictions beside the truth
    comparison: Any  # where these predictions are from
    flow: Any  # who is in the study
    cohort: str | None  # its name, where it is known
    backbones: pd.DataFrame  # what is known of every modality's backbone
    target: Any  # the explained class, None for a number
    rows: np.ndarray  # positions of those who are explained
    groups: np.ndarray | None  # groups of the subjects
    asked: np.ndarray  # positions of those who have a part of their own
    show_ids: bool  # whether these are named
    n_resamples: int  # resamples of the bootstrap
    seed: int  # seed of the bootstrap
    characteristics: pd.DataFrame  # (n_subjects, n_characteristics); age, sex and the like
    group_scores: Any  # scores by group, None where they are not given

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Scores of all that were compared, with intervals."""
        return self.comparison.summary(n_resamples=self.n_resamples)

    @property
    def labels(self) -> np.ndarray | None:
        """Labels of the subjects, None where they are numbers."""
        return self.y if self.outcomes.classes else None

    @property
    def explained(self) -> Any:
        """Table of those who are explained."""
        return self.part(self.rows)

    @property
    def explained_groups(self) -> np.ndarray | None:
        """Groups of those who are explained."""
        return None if self.groups is None else self.groups[self.rows]

    @property
    def whom(self) -> str:
        """Say how many are explained."""
        n_rows, n_subjects = len(self.rows), len(self.table)
        if n_rows == n_subjects:
            return f"all {n_subjects} subjects of the table"
        return f"{n_rows} of {n_subjects} subjects, drawn at random"

    def part(self, rows: np.ndarray) -> Any:
        """Return rows of the table as the fusion was fitted on them."""
        part = self.table.iloc[rows]
        return part if hasattr(self.fusion, "feature_names_in_") else part.to_numpy()

    def view(self, rows: np.ndarray) -> SubjectsView:
        """Return subjects as members read them, with the free text of their records."""
        view = view_of(self.fusion, self.part(rows), self.anchor)
        return replace(view, notes=read_free_texts(self.estimator, take_rows(self.raw, rows)))


def gather_material(  # noqa: PLR0913 - the parameters of the report
    estimator: Any,
    X: Any,
    y: Any,
    *,
    comparison: Any = None,
    groups: Any = None,
    flow: Any = None,
    cohort: Any = None,
    target: Any = None,
    anchor: str | None = None,
    subjects: Sequence[Any] = (),
    show_ids: bool = False,
    max_subjects: int | None = 200,
    n_resamples: int = N_RESAMPLES,
    random_state: Any = 0,
    characteristics: pd.DataFrame | None = None,
    group_scores: Any = None,
) -> Material:
    """Check and gather what a report is made of; parameters are those of the report.

    X (n_subjects, n_columns), y (n_subjects,).
    """
    fusion = fusion_of(estimator)
    _, table = split_estimator(estimator, X)
    reader = HidingReader.of(fusion, table)
    truth = check_truth(y, reader.classes, len(reader.frame))
    target = choose_target(target, reader.classes, comparison)
    draw_seed, seed = draw_seeds(random_state, 2)
    outcomes = choose_outcomes(fusion, reader.frame, table, truth, target, comparison)
    name = None if cohort is None else cohort_name(cohort)
    return Material(
        estimator=estimator,
        fusion=fusion,
        anchor=check_anchor(fusion, anchor),
        raw=X,
        table=reader.frame,
        y=truth,
        present=reader.present,
        outcomes=outcomes,
        comparison=comparison,
        flow=comparison.flow if flow is None and comparison is not None else flow,
        cohort=name,
        backbones=describe_backbones(estimator, name),
        target=target,
        rows=draw_rows(len(truth), max_subjects, draw_seed),
        groups=check_groups(groups, len(truth)),
        asked=find_subjects(subjects, reader.frame.index),
        show_ids=show_ids,
        n_resamples=n_resamples,
        seed=seed,
        characteristics=read_characteristics(characteristics, X, len(truth)),
        group_scores=check_group_scores(group_scores, comparison),
    )


def choose_outcomes(
    fusion: Any, frame: pd.DataFrame, table: Any, y: np.ndarray, target: Any, comparison: Any
) -> Predictions:
    """Return predictions of unseen subjects where there are any, else of the very table.

    frame (n_subjects, n_columns), table the same as the fusion was fitted on it, y (n_subjects,).
    """
    if comparison is not None:
        return read_outcomes(comparison, fusion)
    shown = frame if hasattr(fusion, "feature_names_in_") else table
    return predict_outcomes(fusion, shown, y, target)


def check_truth(y: Any, classes: np.ndarray | None, n_subjects: int) -> np.ndarray:
    """Return labels or numbers of everybody."""
    truth = pd.Series(np.asarray(y).reshape(-1))
    if len(truth) != n_subjects:
        raise InputError(
            "'y' must have a value for every subject of the table",
            got=f"{len(truth)} values and {n_subjects} subjects",
        )
    if classes is not None:
        n_strange = int((~truth.isin(classes)).sum())
        rule = f"Labels must be of the fitted classes {[str(label) for label in classes]}"
    else:
        truth = pd.to_numeric(truth, errors="coerce")
        n_strange = int((~np.isfinite(truth)).sum())
        rule = "The truth of a regression must be finite numbers"
    if n_strange:
        raise InputError(rule, got=f"{n_strange} that are not", remedy="Leave out who has no label")
    return truth.to_numpy()


def read_characteristics(given: pd.DataFrame | None, X: Any, n_subjects: int) -> pd.DataFrame:
    """Return columns that tell who the subjects are: those given, or those of the table."""
    if given is None:
        return find_characteristics(X)
    if not isinstance(given, pd.DataFrame) or len(given) != n_subjects:
        raise InputError(
            "'characteristics' must be a DataFrame with a row for every subject of the table",
            got=f"a {type(given).__name__} of {len(given)} rows and {n_subjects} subjects",
        )
    return given


def check_groups(groups: Any, n_subjects: int) -> np.ndarray | None:
    """Return groups of everybody, or None."""
    if groups is None:
        return None
    found = np.asarray(groups)
    if found.shape != (n_subjects,):
        raise InputError(
            "'groups' must have a value for every subject of the table",
            got=f"an array of shape {found.shape} and {n_subjects} subjects",
        )
    return found


def choose_target(target: Any, classes: np.ndarray | None, comparison: Any) -> Any:
    """Return the explained class: the one asked for, the positive one, or the last."""
    if target is None and classes is not None:
        # Classes of a comparison have the positive one last.
        compared = getattr(comparison, "classes", ())
        return compared[-1] if compared else choose_positive(list(classes))
    find_output(classes, target)
    return target


def find_subjects(subjects: Sequence[Any], index: pd.Index) -> np.ndarray:
    """Return positions of the subjects who are asked for by label."""
    unknown = [label for label in subjects if label not in index]
    if unknown:
        raise InputError(
            "'subjects' must be labels of the table's index",
            got=", ".join(map(repr, unknown[:3])),
        )
    found = [np.flatnonzero(index == label) for label in dict.fromkeys(subjects)]
    return np.concatenate(found) if found else np.array([], dtype=int)
