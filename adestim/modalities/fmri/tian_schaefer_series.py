"""Series of the 450 regions that Brain-JEPA reads, out of two tables of one run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from adestim.exceptions import TimeSeriesError
from adestim.modalities._nifti import is_path
from adestim.modalities.fmri._tables import NumericTable
from adestim.modalities.fmri.models.roi_order import (
    CORTEX_ORDER,
    N_SCHAEFER,
    SCHAEFER_NAME,
    plain_tian_name,
    require_schaefer_order,
    tian_names,
)
from adestim.modalities.fmri.timeseries import read_series_table, read_t_r_beside

MODEL = "Brain-JEPA"


def join_tian_schaefer(
    tian: Any, schaefer: Any, *, schaefer_table: Any = None, t_r: float | None = None
) -> pd.DataFrame:
    """Join series of Tian's and of Schaefer's regions into the 450 that Brain-JEPA reads.

    For outputs of XCP-D, which writes one table an atlas: ``seg-Tian`` (up to 0.6.4
    ``atlas-Tian``) beside ``seg-4S456Parcels``, whose first 400 regions are Schaefer's, in the
    order of the 7 networks; the others are left out. Brain-JEPA was trained on series that kept
    their mean: the extractor tells of those that have lost it.

    Parameters
    ----------
    tian : str, path-like, DataFrame or nibabel image
        Series of Tian's 50 regions, under their names: ``.tsv``, ``.csv`` or ``.ptseries.nii``.
    schaefer : str, path-like, DataFrame or nibabel image
        Series of Schaefer's 400 regions, under their names, others beside them.
    schaefer_table : DataFrame, str, path-like or None, default=None
        The atlas's table, which names each region in the 17-network atlas too (columns ``label``
        or ``name``, ``label_17network`` and ``index_17network``): XCP-D's
        ``atlases/atlas-4S456Parcels/atlas-4S456Parcels_dseg.tsv``. Needed where the series are
        named after the 7 networks.
    t_r : float or None, default=None
        Repetition time in s. None: what the files or the sidecar beside them say, if anything.

    Returns
    -------
    DataFrame of shape (n_volumes, 450)
        A cell of :class:`adestim.FMRIExtractor`: regions in the order of Brain-JEPA, and a
        column ``time``, in s, where the repetition time is known.

    Raises
    ------
    TimeSeriesError
        When regions are missing or unknown, or the two differ in their number of volumes.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.modalities.fmri import join_tian_schaefer
    >>> from adestim.modalities.fmri.models.roi_order import schaefer_names, tian_names
    >>> rng = np.random.default_rng(0)
    >>> tian = pd.DataFrame(rng.normal(size=(120, 50)), columns=tian_names())
    >>> schaefer = pd.DataFrame(rng.normal(size=(120, 400)), columns=schaefer_names())
    >>> joined = join_tian_schaefer(tian[tian_names()[::-1]], schaefer, t_r=2.0)
    >>> joined.shape, list(joined.columns[:2])
    ((120, 451), ['time', 'HIP-head-m-rh'])
    """
    deep, cortex = named_series(tian, "tian"), named_series(schaefer, "schaefer")
    if len(deep.values) != len(cortex.values):
        raise TimeSeriesError(
            "Series of Tian's and of Schaefer's regions must be of the same run",
            got=f"{len(deep.values)} and {len(cortex.values)} volumes",
            remedy="Pass two files of one run, with the same censoring",
        )
    first, second = order_tian(deep), order_schaefer(cortex, schaefer_table)
    joined = pd.concat([first, second], axis=1)
    stated = state_steps(t_r, (tian, schaefer), (deep, cortex))
    step = next((step for step in stated if step is not None), None)
    if step is not None:
        joined.insert(0, "time", np.arange(len(joined)) * step)
    return joined


def state_steps(
    t_r: float | None, sources: tuple[Any, Any], tables: tuple[NumericTable, NumericTable]
) -> Iterator[float | None]:
    """Yield the time between volumes as each who may state it does: parameter, sidecars, tables."""
    yield t_r
    yield from (read_t_r_beside(source) if is_path(source) else None for source in sources)
    yield from (table.step for table in tables)


def named_series(source: Any, option: str) -> NumericTable:
    """Return series whose columns have names."""
    table = read_series_table(source)
    if table.names is None:
        raise TimeSeriesError(
            f"The series of '{option}' must name their regions",
            got=f"{table.values.shape[1]} columns without names",
            remedy="Pass the .tsv or .ptseries.nii that XCP-D wrote, or a DataFrame with names",
        )
    return table


def order_tian(table: NumericTable) -> pd.DataFrame:
    """Return the series of Tian's regions in the order of the release."""
    by_name = {plain_tian_name(name): place for place, name in enumerate(table.names)}
    missing = [name for name in tian_names() if name.lower() not in by_name]
    if missing:
        raise TimeSeriesError(
            "The series of 'tian' must hold the 50 regions of scale III of 3 T",
            got=f"none named {missing[0]!r}, and {len(missing) - 1} more missing",
            remedy="Parcellate with Tian's atlas, scale III",
        )
    places = [by_name[name.lower()] for name in tian_names()]
    return pd.DataFrame(table.values[:, places], columns=tian_names())


def order_schaefer(table: NumericTable, atlas: Any) -> pd.DataFrame:
    """Return the series of Schaefer's regions in the order of the 17 networks."""
    names = list(table.names)
    if atlas is not None:
        known = read_network_table(atlas)
        chosen = [name for name in names if name in known.index]
        chosen.sort(key=lambda name: known.loc[name, "index_17network"])
        renamed = [str(known.loc[name, "label_17network"]) for name in chosen]
    else:
        chosen = renamed = [name for name in names if SCHAEFER_NAME.match(name)][:N_SCHAEFER]
    if len(chosen) != N_SCHAEFER:
        raise TimeSeriesError(
            "The series of 'schaefer' must hold Schaefer's 400 regions",
            got=f"{len(chosen)} of them",
            remedy="Parcellate with 4S456Parcels, or Schaefer's 400; pass the table of that atlas",
        )
    require_schaefer_order(renamed, MODEL, CORTEX_ORDER)
    places = [names.index(name) for name in chosen]
    return pd.DataFrame(table.values[:, places], columns=renamed)


def read_network_table(source: Any) -> pd.DataFrame:
    """Return the regions of an atlas with their names and places in the 17-network atlas."""
    table = source
    if isinstance(source, (str, os.PathLike)):
        try:
            table = pd.read_csv(source, sep="\t")
        except (OSError, ValueError) as failure:
            raise TimeSeriesError(
                "'schaefer_table' must be a readable table, separated by tabs",
                got=f"{type(failure).__name__}: {os.fspath(source)}",
                remedy="Pass atlas-4S456Parcels_dseg.tsv of XCP-D's outputs",
            ) from failure
    wanted = ["label_17network", "index_17network"]
    name = next((name for name in ("label", "name") if name in table.columns), None)
    if name is None or not set(wanted) <= set(table.columns):
        raise TimeSeriesError(
            f"'schaefer_table' needs the columns 'label' (or 'name'), {wanted[0]!r} and "
            f"{wanted[1]!r}",
            got=f"columns {list(table.columns)[:8]}",
            remedy="Pass atlas-4S456Parcels_dseg.tsv of XCP-D's outputs",
        )
    return table.set_index(name)[wanted].dropna()
