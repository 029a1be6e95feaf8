"""A cohort without its images: everything that is drawn in tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from adestim.datasets.simulation.acquisition import (
    Acquisition,
    Present,
    draw_acquisition,
    draw_present,
    tabulate_acquisition,
)
from adestim.datasets.simulation.clinical import draw_clinical, drop_sporadic, spell_apoe_column
from adestim.datasets.simulation.genotypes import Genotypes, draw_genotypes
from adestim.datasets.simulation.latent import Latent, draw_latent
from adestim.datasets.simulation.oracle import compute_posterior
from adestim.datasets.simulation.tasks import MEASURES, TASKS, Task


@dataclass(frozen=True, eq=False)
class Tables:
    """A cohort without its images."""

    task: Task
    index: pd.Index
    latent: Latent
    acquisition: Acquisition
    present: Present
    genotypes: Genotypes
    # (n_subjects, n_columns); clinical columns, APOE, site and phase, as the frame has them
    clinical: pd.DataFrame
    oracle: np.ndarray  # (n_subjects,); probability of the second group, given what is there
    seed: int  # of this the images are drawn too

    def target(self) -> pd.Series:
        """Return the diagnosis."""
        names = np.array([group.label for group in self.task.groups])
        return pd.Series(names[self.latent.y], index=self.index, name="diagnosis", dtype="str")

    def truth(self) -> pd.DataFrame:
        """Return subtype, measurements, and the weight of the genotypes."""
        table = pd.DataFrame(self.latent.measures, index=self.index, columns=list(MEASURES))
        kinds = [[kind.name for kind in group.subtypes] for group in self.task.groups]
        pairs = zip(self.latent.y, self.latent.subtype, strict=True)
        table.insert(0, "subtype", [kinds[y][place] for y, place in pairs])
        return table.assign(polygenic=self.genotypes.evidence, apoe=self.latent.apoe_names())


def draw_tables(n_subjects: int, task: str, missing: str | float | None, seed: int) -> Tables:
    """Draw everything but images, series and files."""
    chosen = TASKS[task]
    streams = [np.random.default_rng([seed, number]) for number in range(5)]
    latent = draw_latent(chosen, n_subjects, streams[0])
    acquisition = draw_acquisition(chosen, n_subjects, streams[1])
    present = draw_present(chosen, missing, acquisition, streams[2])
    genotypes = draw_genotypes(chosen, latent, streams[3])
    width = max(4, len(str(n_subjects)))
    index = pd.Index([f"sub-{number:0{width}d}" for number in range(1, n_subjects + 1)])
    clinical = draw_clinical(chosen, latent, index, streams[4])
    if missing == "adni":
        clinical = drop_sporadic(clinical, streams[4])
    clinical = clinical.where(pd.Series(present.clinical, index=index), np.nan)
    apoe = spell_apoe_column(latent, present.apoe, index)
    return Tables(
        task=chosen,
        index=index,
        latent=latent,
        acquisition=acquisition,
        present=present,
        genotypes=genotypes,
        clinical=pd.concat([clinical, apoe, tabulate_acquisition(acquisition, index)], axis=1),
        oracle=compute_posterior(chosen, latent, genotypes.evidence, present.seen()),
        seed=seed,
    )
