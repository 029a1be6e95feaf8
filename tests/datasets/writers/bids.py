"""BIDS as data sets really are, and what fMRIPrep, XCP-D and Clinica make of them."""

import json
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

SPACE = "MNI152NLin2009cAsym"
ATLAS = "4S456Parcels"
T_R = 3.0


def make_people(n_subjects=8, seed=0):
    """Return people as they are: clinical columns, label, and which images each has."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"sub-{number:04d}" for number in range(1, n_subjects + 1)])
    people = pd.DataFrame(
        {
            "age": rng.normal(72, 7, n_subjects).round(1),
            "sex": np.resize(["F", "M"], n_subjects),
            "education": rng.integers(6, 20, n_subjects).astype(float),
            "mmse": rng.integers(20, 30, n_subjects).astype(float),
            "apoe": np.resize(["3/3", "3/4", "2/3"], n_subjects),
            "site": np.resize(["002", "013"], n_subjects),
            "diagnosis": np.resize(["CN", "CN", "AD"], n_subjects),
        },
        index=index,
    )
    people.loc[index[1], "education"] = np.nan
    people.loc[index[2], "apoe"] = np.nan
    people["has_t1w"] = np.arange(n_subjects) != 3
    people["has_bold"] = np.arange(n_subjects) % 4 != 1
    return people


@cache
def tiny_image(n_dimensions):
    """Return the bytes of a small image."""
    image = nibabel.Nifti1Image(np.ones((2,) * n_dimensions, np.float32), np.eye(4))
    return image.to_bytes()


def write(path, content):
    """Write a file, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def write_table(path, table):
    """Write a table as BIDS wants it."""
    return write(path, table.to_csv(sep="\t", na_rep="n/a", lineterminator="\n"))


def folder_of(root, subject, session):
    """Return the folder and the beginning of names of a subject's session."""
    ending = f"_{session}" if session else ""
    return Path(root, subject, *([session] if session else [])), f"{subject}{ending}"


def write_images(people, root, *, t1w=None, bold=None, session=None, beside=None):
    """Write one file a subject and modality under endings given; return their paths.

    ``beside`` maps a column to the ending of a table that comes with each run.
    """
    cells = {}
    for subject, person in people.iterrows():
        folder, start = folder_of(root, subject, session)
        row = {}
        if t1w and person["has_t1w"]:
            row["t1w"] = write(folder / "anat" / f"{start}_{t1w}", tiny_image(3))
        if bold and person["has_bold"]:
            row["bold"] = write(folder / "func" / f"{start}_{bold}", tiny_image(4))
        if person["has_bold"]:
            for column, ending in (beside or {}).items():
                path = folder / "func" / f"{start}_{ending}"
                row[column] = write(path, "a\tb\n0\t1\n1\t0\n")
        cells[subject] = row
    return pd.DataFrame.from_dict(cells, orient="index").reindex(people.index)


def write_description(root, name, pipeline=None):
    """Write what a data set says of itself."""
    facts = {"Name": name, "BIDSVersion": "1.10.0"}
    if pipeline:
        facts |= {"DatasetType": "derivative", "GeneratedBy": [{"Name": pipeline}]}
    write(Path(root, "dataset_description.json"), json.dumps(facts))


def write_bids(people, root, *, sessions=(None,), participants=True, columns=None, levels=None):
    """Write a raw data set; return the paths of the first session's images.

    ``columns`` renames columns, ``levels`` becomes ``participants.json``.
    """
    root = Path(root)
    write_description(root, "Test")
    write(root / "task-rest_bold.json", json.dumps({"RepetitionTime": T_R, "TaskName": "rest"}))
    if participants:
        table = people.drop(columns=["has_t1w", "has_bold"]).rename_axis("participant_id")
        write_table(root / "participants.tsv", table.rename(columns=columns or {}))
    if levels:
        write(
            root / "participants.json",
            json.dumps({name: {"Levels": texts} for name, texts in levels.items()}),
        )
    written = [
        write_images(people, root, t1w="T1w.nii.gz", bold="task-rest_bold.nii.gz", session=session)
        for session in sessions
    ]
    return written[0]


def write_fmriprep(people, root, *, res="_res-2", confounds="desc-confounds_timeseries.tsv"):
    """Write what fMRIPrep makes; return the paths that are to be taken."""
    write_description(root, "fMRIPrep", "fMRIPrep")
    write_images(people, root, t1w="desc-preproc_T1w.nii.gz")
    write_images(people, root, bold="task-rest_space-T1w_desc-preproc_bold.nii.gz")
    return write_images(
        people,
        root,
        t1w=f"space-{SPACE}{res}_desc-preproc_T1w.nii.gz",
        bold=f"task-rest_space-{SPACE}{res}_desc-preproc_bold.nii.gz",
        beside={"confounds": f"task-rest_{confounds}"},
    )


XCPD_NAMES = {
    "0.6.4": ("atlas-{}_timeseries.tsv", "atlas-{}_measure-pearsoncorrelation_conmat.tsv"),
    "0.10.7": ("seg-{}_stat-mean_timeseries.tsv", "seg-{}_stat-pearsoncorrelation_relmat.tsv"),
    "26.0.0": ("atlas-{}_stat-mean_timeseries.tsv", "atlas-{}_stat-pearsoncorrelation_relmat.tsv"),
}


def write_xcpd(people, root, generation, *, atlases=(ATLAS,)):
    """Write what a version of XCP-D makes; return the paths for the first atlas."""
    write_description(root, "XCP-D", "xcp_d")
    written = []
    for atlas in atlases:
        series, matrix = (
            f"task-rest_space-{SPACE}_{name.format(atlas)}" for name in XCPD_NAMES[generation]
        )
        paths = write_images(
            people,
            root,
            t1w=f"space-{SPACE}_desc-preproc_T1w.nii.gz",
            bold=f"task-rest_space-{SPACE}_desc-denoised_bold.nii.gz",
            beside={
                "roi_series": series,
                "connectivity": matrix,
                "motion": "task-rest_motion.tsv",
                "outliers": "task-rest_outliers.tsv",
            },
        )
        for path in paths["roi_series"].dropna():
            write(Path(path).with_suffix(".json"), json.dumps({"SamplingFrequency": 1 / T_R}))
        written.append(paths)
    return written[0]


def write_caps(people, root, *, session="ses-M000"):
    """Write what Clinica makes of T1w images; return the paths of the cropped ones."""
    start = Path(root, "subjects")
    cells = {}
    for subject, person in people.iterrows():
        if not person["has_t1w"]:
            continue
        folder, name = folder_of(start, subject, session)
        stem = f"{name}_space-MNI152NLin2009cSym"
        write(folder / "t1_linear" / f"{stem}_res-1x1x1_T1w.nii.gz", tiny_image(3))
        path = folder / "t1_linear" / f"{stem}_desc-Crop_res-1x1x1_T1w.nii.gz"
        cells[subject] = write(path, tiny_image(3))
        dartel = folder / "t1" / "spm" / "dartel" / "group-A"
        write(
            dartel / f"{name}_T1w_segm-graymatter_space-Ixi549Space_modulated-on_fwhm-8mm_"
            "probability.nii.gz",
            tiny_image(3),
        )
        statistics = dartel / "atlas_statistics"
        write(statistics / f"{name}_T1w_space-AAL2_map-graymatter_statistics.tsv", "a\n1\n")
        measures = folder / "t1" / "freesurfer_cross_sectional" / "regional_measures"
        write(measures / f"{name}_parcellation-desikan_thickness.tsv", "a\n1\n")
    return pd.Series(cells, name="t1w").reindex(people.index)
