"""Where and how each subject was examined, and what is missing for that reason.

Phases and shares follow ADNI: no resting-state run in the first phase, Philips scanners alone
in the second, most people in the third and fourth; no genome-wide array yet in the fourth. The
phase does not depend on the diagnosis here, so what is missing does not give it away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from adestim.datasets.simulation.oracle import Seen
from adestim.datasets.simulation.tasks import Task

BLOCKS = ("smri", "fmri", "clinical", "genetics")
N_SITES = 8
VENDOR_OF_SITE = ("Siemens", "GE", "Siemens", "Philips", "Siemens", "GE", "Philips", "Siemens")
# Sites that run the fast (simultaneous multi-slice) protocol.
FAST_SITES = (0,)


@dataclass(frozen=True)
class Phase:
    """One phase of a study: how many people, and who has what."""

    name: str
    weight: float  # number of people, relative to the other phases
    # share of people with a resting-state run, where the scanner's maker has the protocol
    fmri: float
    fmri_vendors: tuple[str, ...]  # makers whose scanners run the protocol
    volumes: int  # length of the ordinary run, in volumes
    t_r: float  # repetition time of the ordinary run, in s
    fast: bool  # whether some sites run the fast protocol instead (976 volumes of 0.607 s)
    snps: float  # share of people with an array, and with an APOE genotype
    apoe: float


ALL_VENDORS = ("Siemens", "GE", "Philips")
ADNI = (
    Phase("ADNI1", 819, 0.0, (), 140, 3.0, False, 0.92, 0.99),
    Phase("ADNI2", 921, 0.95, ("Philips",), 140, 3.0, False, 0.90, 0.99),
    Phase("ADNI3", 696, 0.90, ALL_VENDORS, 197, 3.0, True, 0.88, 0.98),
    Phase("ADNI4", 596, 0.90, ALL_VENDORS, 197, 3.0, True, 0.0, 0.43),
)
PPMI = (Phase("PPMI", 172, 0.70, ("Siemens",), 210, 2.4, False, 0.85, 0.95),)
SMRI_SHARE = 0.98
FAST_RUN = (976, 0.607)


@dataclass(frozen=True, eq=False)
class Acquisition:
    """How every subject was examined; every field has shape (n_subjects,)."""

    phase: np.ndarray
    site: np.ndarray
    vendor: np.ndarray
    t_r: np.ndarray
    volumes: np.ndarray


def choose_phases(task: Task) -> tuple[Phase, ...]:
    """Return the phases of the study that a task is modelled on."""
    return ADNI if task.disease == "ad" else PPMI


def draw_acquisition(task: Task, n: int, random_state: np.random.Generator) -> Acquisition:
    """Draw phase, site and protocol of everybody."""
    phases = choose_phases(task)
    weights = np.array([phase.weight for phase in phases])
    phase = random_state.choice(len(phases), size=n, p=weights / weights.sum())
    site = random_state.integers(N_SITES, size=n)
    fast = np.isin(site, FAST_SITES) & np.array([each.fast for each in phases])[phase]
    volumes = np.array([each.volumes for each in phases])[phase]
    t_r = np.array([each.t_r for each in phases])[phase]
    return Acquisition(
        phase=np.array([each.name for each in phases])[phase],
        site=site,
        vendor=np.array(VENDOR_OF_SITE)[site],
        t_r=np.where(fast, FAST_RUN[1], t_r),
        volumes=np.where(fast, FAST_RUN[0], volumes),
    )


@dataclass(frozen=True, eq=False)
class Present:
    """Which cells are there; every field has shape (n_subjects,), dtype bool."""

    smri: np.ndarray
    fmri: np.ndarray
    clinical: np.ndarray
    apoe: np.ndarray
    snps: np.ndarray

    def seen(self) -> Seen:
        """Return what an ideal reader knows: the arrays hold the APOE variants too."""
        return Seen(self.smri, self.fmri, self.clinical, self.apoe | self.snps, self.snps)

    def complete(self) -> np.ndarray:
        """Return who has every modality."""
        return self.smri & self.fmri & self.clinical & self.snps


def draw_present(
    task: Task,
    missing: str | float | None,
    acquisition: Acquisition,
    random_state: np.random.Generator,
) -> Present:
    """Draw what is there: everything, by phase and vendor, or completely at random."""
    n = len(acquisition.phase)
    if missing is None:
        return join_genetics(np.ones((len(BLOCKS), n), dtype=bool))
    if missing == "adni":
        return draw_by_phase(choose_phases(task), acquisition, random_state)
    return join_genetics(drop_at_random(float(missing), n, random_state))


def join_genetics(blocks: np.ndarray) -> Present:
    """Let APOE and array come and go together; ``blocks`` has shape (4, n_subjects)."""
    smri, fmri, clinical, genetics = blocks
    return Present(smri, fmri, clinical, genetics, genetics)


def drop_at_random(rate: float, n: int, random_state: np.random.Generator) -> np.ndarray:
    """Drop each block at a rate; whoever would be left with nothing keeps one."""
    present = random_state.random((len(BLOCKS), n)) >= rate
    kept = random_state.integers(len(BLOCKS), size=n)
    nothing = np.flatnonzero(~present.any(axis=0))
    present[kept[nothing], nothing] = True
    return present


def draw_by_phase(
    phases: tuple[Phase, ...], acquisition: Acquisition, random_state: np.random.Generator
) -> Present:
    """Draw what is there, given phase and maker of the scanner."""
    draws = random_state.random((4, len(acquisition.phase)))
    share = {name: np.zeros(draws.shape[1]) for name in ("fmri", "snps", "apoe")}
    for phase in phases:
        members = acquisition.phase == phase.name
        able = np.isin(acquisition.vendor, phase.fmri_vendors)
        share["fmri"][members & able] = phase.fmri
        share["snps"][members] = phase.snps
        share["apoe"][members] = phase.apoe
    return Present(
        smri=draws[0] < SMRI_SHARE,
        fmri=draws[1] < share["fmri"],
        clinical=np.ones(draws.shape[1], dtype=bool),
        apoe=draws[3] < share["apoe"],
        snps=draws[2] < share["snps"],
    )


def tabulate_acquisition(acquisition: Acquisition, index: pd.Index) -> pd.DataFrame:
    """Return the columns ``site`` and ``phase`` of the table of subjects."""
    sites = [f"{site + 1:03d}" for site in acquisition.site]
    return pd.DataFrame({"site": sites, "phase": acquisition.phase}, index=index)
