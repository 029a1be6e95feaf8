"""Confounds of a run: which columns of a table are regressed out, by whoever wrote it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.remarks import remark
from adestim.encoding import is_missing
from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri._tables import NumericTable, read_table
from adestim.modalities.fmri.timeseries import find_varying

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TISSUE = ("white_matter", "csf")
DEFAULT_CONFOUNDS = (*MOTION, *(f"{name}_derivative1" for name in MOTION), *TISSUE)
# The six parameters of motion, in lower case without underscores, as they are named by fMRIPrep,
# fMRIPrep until 1.1, many scripts, and AFNI.
SCHEMES = (
    ("transx", "transy", "transz", "rotx", "roty", "rotz"),
    ("x", "y", "z", "rotx", "roty", "rotz"),
    ("tx", "ty", "tz", "rx", "ry", "rz"),
    ("motionx", "motiony", "motionz", "motionpitch", "motionroll", "motionyaw"),
    ("x", "y", "z", "pitch", "roll", "yaw"),
    ("roll", "pitch", "yaw", "ds", "dl", "dp"),
)
FOLDED_TISSUE = ("whitematter", "csf")
N_NAMES_SHOWN = 8


def read_confounds(source: Any, names: Sequence[str] | None, n_volumes: int) -> np.ndarray | None:
    """Return the confounds to regress out of a run; None where there is no table.

    -> (n_volumes, n_confounds).

    Friston et al. (1996). Movement-related effects in fMRI time-series. Magnetic Resonance in
    Medicine 35, 346-355.
    """
    if not isinstance(source, (np.ndarray, pd.DataFrame)) and is_missing(source):
        return None
    table = open_confounds(source)
    if len(table.values) != n_volumes:
        raise TimeSeriesError(
            f"A confounds table must have one row a volume, {n_volumes} for this run",
            got=f"{len(table.values)} rows",
            remedy="Pass the confounds of this very run",
        )
    chosen = choose_columns(table, names)
    filled = pd.DataFrame(table.values[:, chosen]).bfill(limit_area="outside")
    bad = np.flatnonzero(~np.isfinite(filled.to_numpy()).all(axis=0))
    if len(bad):
        place = chosen[int(bad[0])]
        empty = np.isnan(table.values[:, place]).all()
        raise TimeSeriesError(
            "A confound may be 'n/a' in its first rows only",
            got=("no number at all" if empty else "gaps or infinities further down")
            + f" in column {table.names[place] if table.names else place + 1!r}",
            remedy="Name complete columns with confounds=, or mend the table",
        )
    values = filled.to_numpy()
    values = np.ascontiguousarray(values[:, find_varying(values)])
    return values if values.shape[1] else None


def open_confounds(source: Any) -> NumericTable:
    """Return a table or an array of confounds."""
    if isinstance(source, (str, os.PathLike, pd.DataFrame)):
        return read_table(source, what="confounds")
    values = np.asarray(source)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise TimeSeriesError(
            "Confounds are a path, a DataFrame or an array of shape (time, confound)",
            got=f"{type(source).__name__} of shape {values.shape}",
            remedy="Pass the path of the confounds table, or leave the cell empty",
        )
    return NumericTable(values.astype(np.float64), None, None)


def choose_columns(table: NumericTable, names: Sequence[str] | None) -> list[int]:
    """Return the positions of the confounds to use."""
    own = table.names or ()
    if names is None:
        return choose_default(own, table.values.shape[1])
    absent = [name for name in names if name not in own]
    if absent:
        raise TimeSeriesError(
            f"The confounds table must have the columns named by confounds={list(names)}",
            got=f"a table without {absent}; it has {list(own)[:12]}",
            remedy="Correct the names, or pass confounds=None for the default set",
        )
    return [own.index(name) for name in names]


def choose_default(own: Sequence[str], n_columns: int) -> list[int]:
    """Return the positions of motion, its derivatives and tissue; of all columns where none is.

    Whatever else is regressed out than motion is said.
    """
    folded = [re.sub(r"[\s_.-]", "", name).lower() for name in own]
    motion = next((scheme for scheme in SCHEMES if set(scheme) <= set(folded)), SCHEMES[0])
    wanted = {*motion, *(f"{name}derivative1" for name in motion), *FOLDED_TISSUE}
    chosen = [place for place, name in enumerate(folded) if name in wanted]
    if not chosen:
        question_whole_table(own)
        return list(range(n_columns))
    if len(chosen) < n_columns and not set(motion) & {folded[place] for place in chosen}:
        remark(
            "no column of the confounds table is known as a parameter of motion; regressed out: "
            f"{', '.join(own[place] for place in chosen)}. Name the columns with confounds=."
        )
    return chosen


def question_whole_table(own: Sequence[str]) -> None:
    """Remark on a table that is regressed out whole though its names tell of more than motion."""
    if len(own) > len(MOTION):
        told = ", ".join(own[:N_NAMES_SHOWN]) + (", ..." if len(own) > N_NAMES_SHOWN else "")
        remark(
            "no column of the confounds table is known as motion or tissue; all "
            f"{len(own)} are regressed out: {told}. Name those to regress out with confounds=."
        )
