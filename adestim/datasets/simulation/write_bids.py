"""A cohort as a BIDS folder of real files, none of which an interruption leaves half written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from adestim._support.bids import DATASET_DESCRIPTION
from adestim._support.files import replace_whole
from adestim.exceptions import InputError

SPACE = "space-MNI152NLin2009aSym"
GENERATOR = "adestim.datasets.make_cohort"
LEVELS = {
    "age": {"Description": "Age", "Units": "year"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
    "education": {"Description": "Education", "Units": "year"},
    "family_history": {"Description": "First-degree relative with the disease"},
    "memory_complaint": {"Description": "Memory complaint questionnaire, 0 to 24, high is bad"},
    "gds": {"Description": "Geriatric Depression Scale, 0 to 15"},
    "rbd": {"Description": "REM sleep behaviour disorder by questionnaire"},
    "apoe": {"Description": "APOE genotype"},
    "site": {"Description": "Examination site"},
    "phase": {"Description": "Phase of the study"},
    "diagnosis": {"Description": "Diagnostic group"},
}


def replace_file(path: Path, content: bytes | str) -> None:
    """Write under a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_whole(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: dict) -> None:
    """Write a dictionary, indented."""
    replace_file(path, json.dumps(content, indent=2) + "\n")


def write_table(path: Path, table: pd.DataFrame, **options) -> None:
    """Write tab-separated values as BIDS wants them: ``n/a`` where missing."""
    text = table.to_csv(sep="\t", na_rep="n/a", lineterminator="\n", **options)
    replace_file(path, text)


def write_image(path: Path, image) -> None:
    """Write a NIfTI image."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_whole(path, ending="".join(path.suffixes)) as temporary:
        nibabel.save(image, temporary)


@dataclass(frozen=True)
class SubjectFiles:
    """Where the files of one subject go."""

    root: Path
    subject: str

    @property
    def t1w(self) -> Path:
        """The T1-weighted volume."""
        return self.root / self.subject / "anat" / f"{self.subject}_{SPACE}_T1w.nii.gz"

    def function(self, ending: str, *, spatial: bool = True) -> Path:
        """Name a file of the resting-state run."""
        space = f"{SPACE}_" if spatial else ""
        name = f"{self.subject}_task-rest_{space}{ending}"
        return self.root / self.subject / "func" / name

    @property
    def bold(self) -> Path:
        """The 4-D run."""
        return self.function("bold.nii.gz")

    @property
    def sidecar(self) -> Path:
        """What a viewer must know of the run."""
        return self.function("bold.json")

    @property
    def series(self) -> Path:
        """The series of the regions."""
        return self.function("atlas-Seitzman300_timeseries.tsv")

    @property
    def series_sidecar(self) -> Path:
        """How often the series were sampled."""
        return self.series.with_suffix(".json")

    @property
    def confounds(self) -> Path:
        """Head motion."""
        return self.function("desc-confounds_timeseries.tsv", spatial=False)

    @property
    def sessions(self) -> Path:
        """The table of visits."""
        return self.root / self.subject / f"{self.subject}_sessions.tsv"


def claim_folder(root: Path, request: Mapping) -> None:
    """Make the folder, and refuse one that holds something else."""
    description = root / DATASET_DESCRIPTION
    if root.exists() and not root.is_dir():
        raise InputError(
            "The 'root' parameter of make_cohort must name a folder",
            got=f"a file: {root}",
            remedy="Choose another path",
        )
    if description.is_file():
        require_same_request(description, request)
    elif root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
        # Hidden files may be what an interrupted write left behind.
        raise InputError(
            "The folder a cohort is written to must be empty, or hold the same cohort",
            got=f"other files in {root}",
            remedy="Choose a new folder",
        )
    write_json(description, describe_dataset(request))


def require_same_request(description: Path, request: Mapping) -> None:
    """Refuse to mix two cohorts in one folder."""
    try:
        generated = json.loads(description.read_text()).get("GeneratedBy", [{}])[0]
    except (json.JSONDecodeError, AttributeError, IndexError, OSError):
        generated = {}
    if generated.get("Parameters") != dict(request):
        raise InputError(
            "The folder a cohort is written to must be empty, or hold the same cohort",
            got=f"another data set in {description.parent}",
            remedy="Choose a new folder, or pass the same parameters and random_state",
        )


def describe_dataset(request: Mapping) -> dict:
    """Return what a BIDS folder says of itself."""
    return {
        "Name": "Synthetic cohort, calibrated to published aggregates; no patient's data",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": GENERATOR, "Parameters": dict(request)}],
    }


def write_anatomy(files: SubjectFiles, image) -> None:
    """Write the T1-weighted volume."""
    write_image(files.t1w, image)


def write_function(files: SubjectFiles, run, image) -> None:
    """Write a resting-state run: sidecar, series, confounds, and the 4-D image if there is one."""
    facts = {"RepetitionTime": run.t_r, "TaskName": "rest", "SkullStripped": True}
    write_table(files.series, run.table().round(2), index=False)
    write_table(files.confounds, run.confounds.round(5), index=False)
    write_json(files.series_sidecar, {"SamplingFrequency": 1 / run.t_r})
    if image is not None:
        write_json(files.sidecar, facts)
        write_image(files.bold, image)


def write_tables(root: Path, subjects: pd.DataFrame) -> None:
    """Write participants and, of each subject, the one visit."""
    fixed = [name for name in ("sex", "education", "apoe", "site", "phase") if name in subjects]
    participants = subjects.rename_axis("participant_id")
    write_table(root / "participants.tsv", participants)
    write_json(
        root / "participants.json",
        {name: LEVELS.get(name, {"Description": name}) for name in subjects.columns},
    )
    for subject, row in subjects.drop(columns=fixed).iterrows():
        visit = pd.DataFrame([row], index=pd.Index(["ses-M000"], name="session_id"))
        write_table(SubjectFiles(root, str(subject)).sessions, visit)
