"""The tree of files and the lists that the IDA of LONI hands out."""

import json
from pathlib import Path

import pandas as pd

from tests.datasets.writers.bids import tiny_image, write

MPRAGE = "Accelerated_Sagittal_MPRAGE"
RSFMRI = "Axial_rsfMRI__Eyes_Open_"


def make_series():
    """Return series of two people, one of them with two visits and a repeated scan."""
    rows = [
        ("002_S_0295", MPRAGE, "2012-05-10 12:00:01", "I301", "t1w"),
        ("002_S_0295", f"{MPRAGE}_REPEAT", "2012-05-10 12:09:00", "I302", "t1w"),
        ("002_S_0295", RSFMRI, "2012-05-10 12:20:00", "I303", "bold"),
        ("002_S_0295", MPRAGE, "2013-05-11 09:00:00", "I304", "t1w"),
        ("002_S_10898", "MPRAGE_GRAPPA", "2020-01-02 08:30:00", "I1305", "t1w"),
        ("002_S_10898", "Axial_T2_Star", "2020-01-02 08:40:00", "I1306", None),
        ("002_S_10898", "Hippocampal_Mask", "2020-01-02 08:45:00", "I1307", None),
    ]
    table = pd.DataFrame(rows, columns=["subject", "description", "acquired", "image_id", "kind"])
    return table.assign(acquired=pd.to_datetime(table["acquired"]))


def series_folder(root, row):
    """Return where the tree has a series."""
    moment = row.acquired.strftime("%Y-%m-%d_%H_%M_%S.0")
    return Path(root, row.subject, row.description, moment, row.image_id)


def write_ida_tree(series, root, *, dicom=False):
    """Write the tree, as NIfTI with sidecars of dcm2niix, or as DICOM."""
    for row in series.itertuples():
        folder = series_folder(root, row)
        stem = f"ADNI_{row.subject}_MR_{row.description}_{row.image_id}"
        if dicom:
            write(folder / f"{stem}_1.dcm", b"DICM")
            continue
        write(folder / f"{stem}.nii", tiny_image(4 if row.kind == "bold" else 3))
        write(folder / f"{stem}.json", json.dumps({"RepetitionTime": 0.607}))


def write_ida_collection(series, path, *, kind="collection"):
    """Write a list as one of the three that there are."""
    day = series["acquired"].dt
    american = day.month.astype(str) + "/" + day.day.astype(str) + "/" + day.year.astype(str)
    names = {
        "collection": ("Image Data ID", "Subject", "Description", "Acq Date"),
        "search": ("Image ID", "Subject ID", "Description", "Study Date"),
        "all_images": ("image_id", "subject_id", "image_description", "image_date"),
    }[kind]
    numbers = series["image_id"].str.removeprefix("I")
    table = pd.DataFrame(
        {
            names[0]: series["image_id"] if kind == "collection" else numbers,
            names[1]: series["subject"],
            names[2]: series["description"],
            names[3]: day.strftime("%Y-%m-%d") if kind == "all_images" else american,
        }
    )
    if kind == "collection":
        table = table.assign(Group="CN", Sex="F", Age="75", Visit="bl", Modality="MRI")
    write(Path(path), table.to_csv(index=False, quoting=1 if kind == "collection" else 0))
