"""A study as tables of people and visits, and the cohort that a task makes of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils import Bunch

from adestim._support.words import first_names
from adestim.datasets.cohort import FlowTable, build_cohort, sort_by_extractor
from adestim.datasets.labelling.conversions import conversion_labels, make_conversion_target
from adestim.datasets.labelling.histories import gather_visits
from adestim.datasets.labelling.labels import baseline_labels, progression_labels
from adestim.datasets.loaders.attach import attach_genotypes, attach_images
from adestim.datasets.loaders.blocks import SEPARATOR, Block, match_blocks
from adestim.exceptions import InputError, TableError

CLASSES = {"nc_ad": ("CN", "AD"), "nc_mci": ("CN", "MCI"), "cn_mci_ad": ("CN", "MCI", "AD")}
TIME_TO_AD = "time_to_ad"
TASKS = (*CLASSES, "smci_pmci", TIME_TO_AD)
SMC = ("keep", "exclude")


@dataclass(frozen=True, eq=False)
class Study:
    """What a study's tables say."""

    name: str  # as ``acknowledgement`` knows it
    # index: subject. ``number`` (the part of the identifier that all tables and images share),
    # ``person`` (the same for who was enrolled twice), ``origin`` (day of the baseline), ``site``,
    # and columns that do not change
    people: pd.DataFrame
    # one row a subject and visit: ``number``, ``subject``, ``months``, ``day``, ``date``,
    # ``diagnosis``, and what was recorded then
    visits: pd.DataFrame
    pattern: str  # expression whose group is the number in a label of images or samples
    clinical: tuple[str, ...]
    diagnostic: tuple[str, ...]
    biomarkers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what the user should know of the source
    background: tuple[str, ...] = ()  # for reports by group; no extractor is given them
    blocks: tuple[Block, ...] = ()  # measures that were asked for
    # every visit, where those in ``visits``, of which one becomes the index visit, begin later
    record: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be made of a study; parameters of :func:`adestim.datasets.load_adni`."""

    task: str
    images: str | Path | pd.DataFrame | None = None
    genotypes: str | Path | Sequence[str | Path] | None = None
    window_days: float | None = 183
    horizon: float = 36
    require: Sequence[str] = ()
    smc: str = "keep"
    label_params: Mapping[str, Any] = field(default_factory=dict)
    tables: Sequence[str] = ()
    max_days: float | None = 183
    history: float | None = None  # months of earlier visits; None: none are gathered


def check_request(request: Request) -> None:
    """Refuse parameters out of range."""
    window, most, history = request.window_days, request.max_days, request.history
    rules = {
        "task": (request.task in TASKS, f"one of {', '.join(map(repr, TASKS))}", request.task),
        "smc": (request.smc in SMC, "'keep' or 'exclude'", request.smc),
        "window_days": (window is None or window >= 0, "0 or more, or None", window),
        "max_days": (most is None or most >= 0, "0 or more, or None", most),
        "history_months": (history is None or history >= 0, "0 or more, or None", history),
        "require": (not isinstance(request.require, str), "a list of names", request.require),
        "tables": (not isinstance(request.tables, str), "a list of names", request.tables),
    }
    for name, (holds, rule, value) in rules.items():
        if not holds:
            raise InputError(f"The {name!r} parameter must be {rule}", got=f"{value!r} instead")
    maker, options = choose_labeller(request.task), list_label_options(request.task)
    strangers = sorted(set(request.label_params) - set(options))
    if strangers:
        raise InputError(
            f"The 'label_params' parameter names parameters of {maker.__name__}",
            got=f"{first_names(strangers)} besides",
            remedy=f"Known are {first_names(options, limit=9)}",
        )


def choose_labeller(task: str) -> Callable[..., pd.DataFrame]:
    """Return the function that labels a task."""
    labellers: dict[str, Callable[..., pd.DataFrame]] = {
        "smci_pmci": progression_labels,
        TIME_TO_AD: conversion_labels,
    }
    return labellers.get(task, baseline_labels)


def list_label_options(task: str) -> list[str]:
    """Return the parameters of that function that are the user's."""
    own = ("visits", "classes", "horizon", "baseline")
    return [name for name in inspect.signature(choose_labeller(task)).parameters if name not in own]


def label_visits(visits: pd.DataFrame, request: Request) -> pd.DataFrame:
    """Return labels, or reasons, by subject."""
    if request.task == "smci_pmci":
        return progression_labels(visits, horizon=request.horizon, **request.label_params)
    if request.task == TIME_TO_AD:
        return conversion_labels(visits, **request.label_params)
    return baseline_labels(visits, CLASSES[request.task], **request.label_params)


def assemble_cohort(study: Study, request: Request) -> Bunch:
    """Label a study's subjects, and put what is known at the index visit beside the labels."""
    study = begin_after_history(study, request.history)
    labels = label_visits(study.visits, request).reindex(study.people.index)
    flow = exclude_unlabelled(study, labels, request)
    rows = select_index_visits(study.visits, labels["index_months"]).loc[flow.kept]
    people = study.people.loc[flow.kept]
    genotypes = attach_genotypes(request.genotypes, people["number"], study.pattern)
    images = attach_images(
        request.images, people, rows["day"], study.people["number"], study.pattern,
        request.window_days,
    )  # fmt: skip
    measures = match_blocks(study.blocks, people, rows["day"], request.max_days)
    frame = lay_out_study(study, people, rows).join(images.cells).join(genotypes.cells)
    frame = frame.join(measures.cells)
    if study.record is not None:
        frame = frame.join(gather_past(study, people, rows["day"]))
    flow = exclude_lacking(flow, frame, request)
    require_somebody(flow, request.task)
    target = labels.loc[flow.kept, "label"]
    cohort = build_study_bunch(study, request, frame.loc[flow.kept], target, flow, genotypes.files)
    taken = images.rows[images.rows["subject"].isin(flow.kept)].reset_index(drop=True)
    if request.task == TIME_TO_AD:
        cohort.update(target=make_conversion_target(labels.loc[flow.kept]))
    cohort.update(labels=labels, images=taken, genotype_builds=genotypes.builds)
    of_kept = measures.rows["subject"].isin(flow.kept)
    cohort.update(tables=measures.rows[of_kept].reset_index(drop=True))
    return cohort


def begin_after_history(study: Study, months: float | None) -> Study:
    """Let index visits come so many months after the first visit; keep the record of all."""
    if months is None:
        return study
    record = study.visits if study.record is None else study.record
    first = record.groupby("subject")["months"].min()
    since = study.visits["months"] - study.visits["subject"].map(first)
    visits = study.visits[since >= months].reset_index(drop=True)
    return replace(study, visits=visits, record=record)


def gather_past(study: Study, people: pd.DataFrame, days: pd.Series) -> pd.Series:
    """Return each one's visits up to the index visit, as one cell."""
    assert study.record is not None
    names = [*study.clinical, *study.diagnostic, *study.biomarkers]
    lasting = [name for name in names if name in people and name not in study.record]
    record = study.record[study.record["subject"].isin(people.index)]
    # Forms of one day are one visit, of which the first known cells count.
    visits = record.groupby(["subject", "day"], as_index=False, sort=False).first()
    visits = visits.join(people[lasting], on="subject")
    return gather_visits(
        visits, days, time="day", columns=[name for name in names if name in visits]
    )


def exclude_unlabelled(study: Study, labels: pd.DataFrame, request: Request) -> FlowTable:
    """Begin with everybody, and exclude those without a label."""
    flow = FlowTable.start(study.people.index)
    seen = study.visits if study.record is None else study.record
    unseen = ~study.people.index.isin(seen["subject"])
    flow = flow.exclude(study.people.index[unseen], "diagnosis", "no form with a diagnosis")
    if request.history is not None:
        early = flow.kept.difference(study.visits["subject"].unique(), sort=False)
        reason = f"not seen {request.history:g} months after the first visit"
        flow = flow.exclude(early, "history", reason)
    flow = flow.exclude_each(labels.loc[flow.kept, "reason"], "diagnosis")
    if request.smc == "keep":
        return flow
    if "smc" not in study.people:
        raise TableError(
            "smc='exclude' needs the research group at enrolment",
            got="no table with the column 'DX_bl'",
            remedy="Put ADNIMERGE into the folder, or choose smc='keep'",
        )
    concerned = study.people["smc"].fillna(False).astype(bool)
    return flow.exclude(concerned, "research group", "SMC at enrolment")


def select_index_visits(visits: pd.DataFrame, index_months: pd.Series) -> pd.DataFrame:
    """Return the row of each subject's index visit, indexed by subject."""
    there = visits["months"] == visits["subject"].map(index_months)
    return visits[there].groupby("subject", sort=False).first()


def lay_out_study(study: Study, people: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of people and of their index visit, in the order of its use."""
    every = people.join(
        rows.drop(columns=["number", "diagnosis"]).rename(columns={"slot": "visit"})
    )
    order = [
        *study.clinical, "apoe", *study.diagnostic, *study.biomarkers, *study.background, "site",
        "phase", "visit", "months", "date",
    ]  # fmt: skip
    known = [name for name in order if name in every and every[name].notna().any()]
    censored = {name: f"{name}_censored" for name in study.biomarkers}
    pairs = [[name, censored[name]] if name in censored else [name] for name in known]
    return every[[name for pair in pairs for name in pair]]


def exclude_lacking(flow: FlowTable, frame: pd.DataFrame, request: Request) -> FlowTable:
    """Exclude those who lack what is required."""
    strangers = [name for name in request.require if name not in frame]
    if strangers:
        raise InputError(
            "The 'require' parameter names columns of the frame",
            got=f"{first_names(strangers)} besides",
            remedy="Images and genotypes are columns if 'images' and 'genotypes' are given",
        )
    for name in request.require:
        lacking = frame.index[frame[name].isna()]
        flow = flow.exclude(flow.kept.intersection(lacking), "index visit", f"no {name}")
    return flow


def require_somebody(flow: FlowTable, task: str) -> None:
    """Refuse a cohort of nobody."""
    if flow.kept.empty:
        reasons = flow.steps.loc[flow.steps["n_excluded"] > 0, ["reason", "n_excluded"]]
        listed = ", ".join(f"{row.reason} ({row.n_excluded})" for row in reasons.itertuples())
        raise TableError(
            f"Somebody has a label of the task {task!r}",
            got=f"{len(flow.subjects)} people: {listed}",
        )


def build_study_bunch(
    study: Study,
    request: Request,
    frame: pd.DataFrame,
    target: pd.Series,
    flow: FlowTable,
    files: Sequence[str],
) -> Bunch:
    """Lay out what a loader returns."""
    columns = sort_by_extractor(frame, study.clinical, study.diagnostic)
    columns["biomarkers"] = [name for name in study.biomarkers if name in frame]
    if study.background:
        columns["background"] = [name for name in study.background if name in frame]
    for block in study.blocks:
        columns[block.name] = [c for c in frame if c.startswith(f"{block.name}{SEPARATOR}")]
    people = study.people.loc[frame.index]
    return build_cohort(
        frame, target, people["person"], flow, people["site"],
        describe_study(study, request, target),
        name=study.name, columns=columns, genotype_files=files,
    )  # fmt: skip


def describe_study(study: Study, request: Request, target: pd.Series) -> str:
    """Say what was read and how it was labelled."""
    counts = ", ".join(f"{count} {label}" for label, count in target.value_counts().items())
    chosen = {"horizon": request.horizon} if request.task == "smci_pmci" else {}
    if request.history is not None:
        chosen["history_months"] = request.history
    chosen = {**chosen, **request.label_params, "window_days": request.window_days}
    how = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
    first = f"{study.name}, task {request.task}: {len(target)} subjects, {counts}."
    return "\n".join(
        [first, f"Labelled with {how}. Columns are those of the index visit.", *study.notes]
    )
