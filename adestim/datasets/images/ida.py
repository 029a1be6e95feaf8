"""What the Image and Data Archive (IDA) of LONI hands out: its tree of files and its lists."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from adestim.datasets.tables.read_table import read_table

SERIES = re.compile(r"[IS]\d+")
MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})_(\d{2})_(\d{2})_(\d{2})(?:\.\d+)?")
NOT_AN_IMAGE = re.compile(
    r"mask|calib|b1[_ -]?(map|head|body)|locali[sz]er|scout|survey|smart.?brain"
)
STRUCTURAL = re.compile(r"mp.?rage|mpr(?![a-z])|spgr|(?<![a-z])mt1(?![a-z])|t1(?![a-z]?rho)")
FUNCTIONAL = re.compile(r"fmri|rest(?!or)|bold|fcmri")
NOT_FUNCTIONAL = re.compile(r"field.?map|sbref|perfusion|asl|moco(?!.*rest)|phase.?map")
COLUMNS = {
    "subject": ("Subject", "Subject ID", "subject_id"),
    "image_id": ("Image Data ID", "Image ID", "image_id"),
    "visit": ("Visit", "image_visit"),
    "modality": ("Modality",),
    "description": ("Description", "image_description"),
    "image_type": ("Type", "image_type"),
    "acquired": ("Acq Date", "Study Date", "image_date"),
    "group": ("Group", "Research Group"),
    "sex": ("Sex",),
    "age": ("Age",),
}


class Place(NamedTuple):
    """What the path of a series says of it."""

    subject: str
    protocol: str
    acquired: str
    image_id: str


def parse_place(path: str) -> Place | None:
    """Read ``<subject>/<protocol>/<moment>/I123456`` off a path; None if it is another."""
    parts = path.rsplit(os.sep, 4)
    if len(parts) < 4 or not SERIES.fullmatch(parts[-1]):
        return None
    moment = MOMENT.fullmatch(parts[-2])
    if moment is None or len(parts) < 5:
        return None
    day, *clock = moment.groups()
    return Place(parts[-4], parts[-3], f"{day}T{':'.join(clock)}", parts[-1])


def guess_modality(protocol: str) -> str | None:
    """Guess from words of a protocol's name what was scanned."""
    name = protocol.casefold()
    if NOT_AN_IMAGE.search(name):
        return None
    if FUNCTIONAL.search(name) and not NOT_FUNCTIONAL.search(name):
        return "bold"
    return "t1w" if STRUCTURAL.search(name) else None


def read_ida_collection(path: str | Path) -> pd.DataFrame:
    r"""Read a list of images of the IDA.

    -> (n_images, 10).

    .. [1] Image and Data Archive, https://ida.loni.usc.edu.
    """
    images = read_table(
        path,
        COLUMNS,
        required=["subject", "image_id"],
        ids=["subject", "image_id"],
        dates=["acquired"],
        numeric=["age"],
        unreadable="missing",
        day_first=False,
    )
    return images.assign(image_id=images["image_id"].str.replace(r"^(?=\d)", "I", regex=True))
