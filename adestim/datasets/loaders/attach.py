"""Images and genotypes of a study's people, beside their index visit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.images.index import choose_images, index_images
from adestim.datasets.images.sessions import drop_strange_confounds
from adestim.datasets.labelling.matching import match_visits
from adestim.datasets.loaders.plink import (
    find_build,
    find_file_sets,
    read_samples,
    warn_of_strangers,
)
from adestim.datasets.tables.visit_codes import DAYS_A_MONTH, map_distinct, name_slots, read_months
from adestim.exceptions import DataWarning, InputError

SERIES = ("bold", "roi_series")
NEAREST = ("t1w", *SERIES)
SESSION = ["subject", "session"]


class Samples(NamedTuple):
    """Samples of a cohort's people."""

    cells: pd.DataFrame  # by subject: ``genotypes``, the sample's id; no column without files
    files: list[str]  # prefixes of the file sets
    builds: dict[str, str | None]  # genome build by prefix


def extract_numbers(labels: pd.Series, pattern: str) -> pd.Series:
    """Return the number in a subject's label, without leading zeros; missing if there is none."""
    return map_distinct(
        labels.astype("str"), lambda text: text.str.extract(pattern, expand=False).astype("str")
    )


def attach_genotypes(
    genotypes: str | Path | Sequence[str | Path] | None, numbers: pd.Series, pattern: str
) -> Samples:
    """Find people's samples in PLINK file sets; who is in several is taken from the first."""
    prefixes = find_file_sets(genotypes)
    builds = {str(prefix): find_build(prefix) for prefix in prefixes}
    warn_of_builds(builds)
    if not prefixes:
        return Samples(pd.DataFrame(index=numbers.index), [], {})
    samples = pd.Series([s for prefix in prefixes for s in read_samples(prefix)], dtype="str")
    by_number = samples.groupby(extract_numbers(samples, pattern)).first()
    cells = numbers.map(by_number).astype("str").rename("genotypes")
    warn_of_strangers(cells, samples)
    return Samples(cells.to_frame(), list(builds), builds)


def warn_of_builds(builds: dict[str, str | None]) -> None:
    """Warn of file sets that cannot be read together as they are."""
    if len(set(builds.values()) - {None}) > 1:
        listed = ", ".join(f"{Path(path).name}: {build}" for path, build in builds.items())
        warn(
            f"Genotype files are on different genome builds ({listed}). Lift them over to one "
            "before they are read together.",
            DataWarning,
            stacklevel=2,
        )


class Images(NamedTuple):
    """Images of a cohort's people."""

    cells: pd.DataFrame  # by subject: paths, a column a modality that anybody has
    # the files taken, as of ``index_images``, with ``days_apart``: days from the index visit to the
    # image
    rows: pd.DataFrame


def attach_images(
    images: str | Path | pd.DataFrame | None,
    people: pd.DataFrame,
    days: pd.Series,
    everybody: pd.Series,
    pattern: str,
    window: float | None,
) -> Images:
    """Find the images nearest to each one's index visit."""
    if images is None:
        return Images(pd.DataFrame(index=people.index), pd.DataFrame(columns=["subject"]))
    found = images if isinstance(images, pd.DataFrame) else index_images(images)
    numbers = extract_numbers(found["subject"], pattern)
    require_familiar(found, numbers.isin(everybody))
    subjects = pd.Series(people.index, index=people["number"])
    known = found.assign(subject=numbers.map(subjects)).dropna(subset=["subject"])
    known = add_days(choose_images(drop_unusable(known)), people["origin"], days, window)
    rows = pd.concat(
        [choose_nearest(known[known["modality"] == name], days, window) for name in NEAREST]
    )
    rows = drop_strange_confounds(pd.concat([rows, choose_confounds(known, rows)]))
    return Images(pivot_paths(rows, people.index), rows.drop(columns="untimed"))


def require_familiar(found: pd.DataFrame, familiar: pd.Series) -> None:
    """Refuse images none of which belongs to anybody in the tables."""
    if not familiar.any():
        raise InputError(
            "Images belong to people whom the tables name",
            got=f"{len(found)} images, of {first_names(found['subject'].unique(), limit=3)}",
            remedy="Check the folder, and that tables and images are of one study",
        )


def drop_unusable(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images that can be used, and warn of the others."""
    broken = images["problem"].notna()
    if broken.any():
        counts = images.loc[broken, "problem"].value_counts()
        listed = ", ".join(f"{count} of them: {problem}" for problem, count in counts.items())
        warn(
            f"{int(broken.sum())} images of {first_names(images.loc[broken, 'subject'].unique())} "
            f"cannot be used ({listed}) and count as missing.",
            DataWarning,
            stacklevel=2,
        )
    return images[~broken]


def add_days(
    images: pd.DataFrame, origin: pd.Series, days: pd.Series, window: float | None
) -> pd.DataFrame:
    """Add the day of each image, by its date or by the visit that its session names."""
    dates = pd.to_datetime(images["acquired"]).dt.normalize()
    start = origin.reindex(images["subject"]).set_axis(images.index)
    since = (dates - start).dt.days.astype("float64")
    planned = read_months(name_slots(images["session"], dates)) * DAYS_A_MONTH
    day = since.fillna(planned.round())
    untimed = day.isna()
    if window is None:
        return images.assign(day=day.fillna(images["subject"].map(days)), untimed=untimed)
    if untimed.any():
        whose = first_names(images.loc[untimed, "subject"].unique())
        warn(
            f"{int(untimed.sum())} images of {whose} have "
            "no date and no session that names a visit, and count as missing. Pass "
            "window_days=None to use them.",
            DataWarning,
            stacklevel=2,
        )
    return images.assign(day=day, untimed=untimed)[~untimed]


def choose_nearest(images: pd.DataFrame, days: pd.Series, window: float | None) -> pd.DataFrame:
    """Return the image nearest to each subject's day; ``days_apart`` is missing without a time."""
    images = images.sort_values("untimed", kind="stable").drop_duplicates(["subject", "day"])
    visits = days.rename("day").rename_axis("subject").reset_index()
    matched = match_visits(
        visits, images, image_time="day", visit_time="day",
        window=np.inf if window is None else window,
    ).dropna(subset=["visit_row"])  # fmt: skip
    rows = images.loc[matched["visit_row"].astype(int)].drop(columns="day")
    return rows.assign(days_apart=matched["days_apart"].mask(rows["untimed"].to_numpy()).to_numpy())


def choose_confounds(images: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the confounds of the sessions from which runs or series were taken."""
    tables = images[images["modality"] == "confounds"]
    runs = runs.loc[runs["modality"].isin(SERIES), [*SESSION, "days_apart"]]
    runs = runs.drop_duplicates(["subject"])
    return tables.drop(columns="day").merge(runs, on=SESSION)


def pivot_paths(rows: pd.DataFrame, subjects: pd.Index) -> pd.DataFrame:
    """Return paths by subject and modality."""
    cells = rows.pivot(index="subject", columns="modality", values="path").reindex(subjects)
    return cells.astype("str").rename_axis(columns=None)
