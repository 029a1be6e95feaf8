"""A model card: a page of Markdown that goes with a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from adestim._support.scores import HOW_BOUNDED, N_RESAMPLES, name_score
from adestim._support.words import escape_markdown
from adestim.backbone.pretraining_cohorts import cohort_name
from adestim.inspection.report.card_use import (
    describe_citation,
    describe_loading,
    say_columns,
)
from adestim.inspection.report.front_matter import write_front_matter
from adestim.inspection.report.group_tables import check_group_scores, name_reported
from adestim.inspection.report.outcomes import require_comparison
from adestim.inspection.report.provenance import (
    describe_backbones,
    digest_splits,
    list_limits,
    list_seeds,
    list_versions,
    say_training,
)
from adestim.inspection.report.sections_members import say_dropped, say_interaction
from adestim.inspection.report.sections_performance import (
    format_intervals,
    tabulate_flow,
    tabulate_pattern_scores,
)
from adestim.inspection.tokens.view import fusion_of

NOT_TOLD = "Not told."
MASK_ONLY = "mask only"
INTENDED = (
    "Research on predictions from several kinds of data of a person, some of which may be missing. "
    "Not for diagnosis, treatment or triage."
)


def model_card(
    estimator: Any,
    *,
    comparison: Any = None,
    cohort: Any = None,
    splits: Iterable[tuple[Any, Any]] | None = None,
    groups: Any = None,
    licence: str | None = None,
    intended_use: str = INTENDED,
    title: str = "Model card",
    repo_id: str | None = None,
    n_resamples: int = N_RESAMPLES,
    group_scores: Any = None,
) -> str:
    """Return what whoever is handed a fitted fusion must know, as Markdown.

    It begins with the lines of YAML by which the Hugging Face hub finds models.

    Parameters
    ----------
    estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
        Fitted fusion, or a fitted pipeline that ends in one.
    comparison : adestim.evaluation.Comparison, default=None
        Where scores come from; its reference is taken as this model.
    cohort : str or Bunch, default=None
        Name of the cohort, or what a loader returned; it is looked for among those of pre-training.
    splits : iterable of (array-like, array-like), default=None
        Positions of training and test rows; None takes the folds of the comparison.
    groups : array-like of shape (n_rows,), default=None
        Group of every row that the splits speak of, its subject for instance.
    licence : str, default=None
        Licence under which the trained weights are handed out.
    intended_use : str, default="Research on predictions ..."
        What the model is for.
    title : str, default="Model card"
        Heading.
    repo_id : str, default=None
        Repository on the Hugging Face hub, ``"organisation/name"``, from which it is loaded.
    n_resamples : int, default=2000
        Resamples of the bootstrap; 0 leaves the intervals of scores out.
    group_scores : adestim.evaluation.GroupScores, default=None
        Scores by sex, age, site and the like, of this model.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When the estimator is no anchored fusion, the comparison is none or of other classes, the
        cohort has no name, or ``group_scores`` are none or of other estimators.
    sklearn.exceptions.NotFittedError
        When the estimator is not fitted.

    See Also
    --------
    FusionReport : The same facts with figures and explanations.
    adestim.save : Saves a model with its card.

    References
    ----------
    Mitchell et al., "Model cards for model reporting", FAT* 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import model_card
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(20, 2)), columns=["csf__tau", "csf__abeta"])
    >>> fusion = AnchoredFusionClassifier(width=8, n_trees=0, max_epochs=0)
    >>> card = model_card(fusion.fit(X, X["csf__tau"] > 0), cohort="ADNI", licence="CC-BY-4.0")
    >>> print(card[card.index("# Model card") : card.index("* Trained")].rstrip())
    # Model card
    <BLANKLINE>
    ## Model
    <BLANKLINE>
    * AnchoredFusionClassifier of adestim ...
    * Modalities: csf
    * Anchors: csf
    * Classes: False, True
    * What the prediction rests on: ...
    * Phase 2: ...
    * Licence: CC-BY-4.0
    """
    fusion = fusion_of(estimator)
    if comparison is not None:
        require_comparison(comparison, fusion)
    name = None if cohort is None else cohort_name(cohort)
    backbones = describe_backbones(estimator, name)
    pairs = None if splits is None else list(splits)
    parts = {
        "Model": describe_model(fusion, licence),
        "Columns": say_columns(estimator),
        "Loading": describe_loading(repo_id, is_classifier(fusion)),
        "Intended use": [intended_use],
        "Data": describe_data(comparison, name),
        "Backbones": [render_markdown(backbones)],
        "Splits and leak checks": describe_leaks(comparison, pairs, groups, backbones),
        "Scores": describe_scores(comparison, n_resamples),
        "Scores by pattern of modalities": describe_patterns(comparison, n_resamples),
        "For whom it holds": describe_groups(group_scores, comparison),
        "Limits": [
            f"* {escape_markdown(line)}" for line in list_limits(backbones, comparison is not None)
        ],
        "Versions and seeds": describe_origin(estimator.get_params(deep=True)),
        "Citation": describe_citation(),
    }
    head = write_front_matter(
        title=title,
        licence=licence,
        tags=["multimodal", *map(str, fusion.modalities_)],
        classifies=is_classifier(fusion),
        cohort=name,
        comparison=comparison,
    )
    return join_card(head, title, parts)


def join_card(head: str, title: str, parts: Mapping[str, list[str]]) -> str:
    """Return a card of its head, its title and its sections by heading."""
    sections = [f"## {heading}\n\n{join_lines(lines)}" for heading, lines in parts.items()]
    return "\n\n".join([head, f"# {escape_markdown(title)}", *sections]) + "\n"


def join_lines(lines: list[str]) -> str:
    """Return lines of one list below each other, and paragraphs apart."""
    return ("\n" if all(line.startswith("* ") for line in lines) else "\n\n").join(lines)


def describe_model(fusion: Any, licence: str | None) -> list[str]:
    """Return what the model is."""
    classes = [f"* Classes: {list_values(fusion.classes_)}"] if is_classifier(fusion) else []
    return [
        f"* {type(fusion).__name__} of adestim {list_versions()['adestim']}",
        f"* Modalities: {list_values(fusion.modalities_)}",
        f"* Anchors: {list_values(fusion.anchors_)}",
        *classes,
        f"* What the prediction rests on: {describe_shares(fusion)}",
        f"* Phase 2: {escape_markdown(say_interaction(fusion))}",
        f"* Licence: {escape_markdown(licence or 'not told')}",
        f"* Trained weights, SHA-256: {say_training(fusion.nets_)}",
    ]


def describe_shares(fusion: Any) -> str:
    """Return what the prediction rests on, in one line."""
    shares = fusion.shares_.items()
    return "; ".join(
        [
            *(f"{escape_markdown(name)} {100 * share:.0f} %" for name, share in shares),
            *map(escape_markdown, say_dropped(fusion)),
        ]
    )


def describe_data(comparison: Any, cohort: str | None) -> list[str]:
    """Return whose data they are."""
    lines = [f"Cohort: {escape_markdown(cohort)}." if cohort else f"Cohort: {NOT_TOLD.lower()}"]
    if comparison is not None:
        flow = comparison.flow
        lines += [
            render_markdown(tabulate_flow(flow).to_frame()),
            render_markdown(flow.by_modality.rename_axis("modality")),
        ]
    return lines


def describe_leaks(
    comparison: Any, splits: list | None, groups: Any, backbones: pd.DataFrame
) -> list[str]:
    """Return what the splits were, and whether anything leaks across them."""
    tested = list_folds(comparison) if splits is None and comparison is not None else []
    lines = []
    if splits is not None or tested:
        pairs = splits if splits is not None else [((), rows) for rows in tested]
        lines += [f"* Folds: {len(pairs)}", f"* Test rows, SHA-256: {digest_splits(pairs)}"]
    else:
        lines += [f"* Splits: {NOT_TOLD.lower()}"]
    if splits is not None:
        lines += list(count_overlaps(splits, groups))
    elif comparison is not None:
        lines += list(count_repeats(comparison))
    if comparison is not None and MASK_ONLY in comparison.estimators:
        lines.append(f"* Who has which modalities tells alone: {say_mask_only(comparison)}")
    return [*lines, say_pretraining(backbones)]


def list_folds(comparison: Any) -> list[np.ndarray]:
    """Return the test rows of every fold of a comparison's reference."""
    table = select_reference(comparison)
    return [part["row"].to_numpy() for _, part in table.groupby(["repeat", "fold"])]


def select_reference(comparison: Any) -> pd.DataFrame:
    """Return the predictions of a comparison's reference."""
    table = comparison.predictions
    return table[table["estimator"] == comparison.reference]


def count_overlaps(splits: list, groups: Any) -> Iterator[str]:
    """Yield how many splits have a row, or a group, on both sides."""
    n_rows = sum(bool(np.intersect1d(train, test).size) for train, test in splits)
    yield f"* Folds with a row on both sides: {n_rows} of {len(splits)}"
    if groups is None:
        yield "* Folds with a subject on both sides: not checked, no groups were given"
        return
    codes = pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
    n_groups = sum(bool(np.intersect1d(codes[a], codes[b]).size) for a, b in splits)
    yield f"* Folds with a group on both sides: {n_groups} of {len(splits)}"


def count_repeats(comparison: Any) -> Iterator[str]:
    """Yield whether rows and groups of a comparison are tested in one fold of a repeat."""
    table = select_reference(comparison)
    twice = int(table.duplicated(["repeat", "row"]).sum())
    yield f"* Rows tested twice in a repeat: {twice}"
    if "group" in table and table["group"].notna().any():
        n_folds = table.groupby(["repeat", "group"])["fold"].nunique()
        yield f"* Groups in several folds of a repeat: {int((n_folds > 1).sum())}"


def say_mask_only(comparison: Any) -> str:
    """Return the scores of the control that sees only who has what."""
    row = comparison.summary(n_resamples=0).loc[MASK_ONLY]
    return ", ".join(
        f"{name_score(name)} {row[name, 'estimate']:.3f}" for name in comparison.scores[:3]
    )


def say_pretraining(backbones: pd.DataFrame) -> str:
    """Return whether the cohort is among those of pre-training."""
    if "cohort seen" not in backbones:
        return "* Cohort among those of pre-training: not checked, no cohort was named"
    words = [f"{escape_markdown(name)} {word}" for name, word in backbones["cohort seen"].items()]
    return f"* Cohort among those of pre-training: {', '.join(words)}"


def describe_scores(comparison: Any, n_resamples: int) -> list[str]:
    """Return scores of unseen subjects."""
    if comparison is None:
        return ["None of unseen subjects were given."]
    summary = comparison.summary(n_resamples=n_resamples)
    row = {name: summary.loc[comparison.reference, name] for name in comparison.scores}
    ends = pd.DataFrame(row).T.rename(name_score)
    texts = format_intervals(ends["estimate"], ends["low"], ends["high"])
    *others, last = comparison.classes or ("",)
    positive = f" The positive class is {escape_markdown(last)}." if len(others) == 1 else ""
    return [
        f"Of out-of-fold predictions, with 95 % intervals {HOW_BOUNDED}.{positive}",
        render_markdown(texts.rename(comparison.reference).rename_axis("score").to_frame()),
    ]


def describe_patterns(comparison: Any, n_resamples: int) -> list[str]:
    """Return scores by pattern of modalities."""
    if comparison is None:
        return ["None of unseen subjects were given."]
    return [render_markdown(tabulate_pattern_scores(comparison, n_resamples))]


def describe_groups(group_scores: Any, comparison: Any) -> list[str]:
    """Return scores by group of people, and the gaps between groups."""
    found = check_group_scores(group_scores, comparison)
    if found is None:
        return ["Scores by sex, age, site or other groups of people were not given."]
    estimator = name_reported(found, comparison)
    gaps = found.gap_table(estimator)
    parts = [
        escape_markdown(" ".join(found.describe(estimator))),
        render_markdown(found.table(estimator)),
    ]
    return parts + ([render_markdown(gaps)] if len(gaps) else [])


def describe_origin(params: Mapping[str, Any]) -> list[str]:
    """Return versions and seeds."""
    found = list_versions()
    return [
        "* " + ", ".join(f"{name} {version}" for name, version in found.items()),
        "* Seeds: " + ", ".join(f"{name}={seed}" for name, seed in list_seeds(params).items()),
    ]


def list_values(values: Iterable[Any]) -> str:
    """Return values in one line."""
    return ", ".join(map(escape_markdown, values))


def render_markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, its index first."""
    head = [str(table.index.name or ""), *map(str, table.columns)]
    rows = [
        [str(label), *("–" if pd.isna(value) else str(value) for value in values)]
        for label, values in zip(table.index, table.astype(object).to_numpy(), strict=True)
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(escape_markdown, line))} |" for line in lines)
