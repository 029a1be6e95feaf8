"""From a study's folders to the scores of the fusion."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    FMRIExtractor,
    GeneticsExtractor,
    ModalityUnion,
    SMRIExtractor,
)
from adestim.datasets import load_adni, make_cohort
from adestim.exceptions import DataWarning, GenotypeError
from tests.datasets.writers.adni import write_adni, write_genotypes
from tests.datasets.writers.people import make_people

N_PEOPLE = 16
# Of 300: what is read does not depend on how many there are.
N_REGIONS = 30


def copy_image(path, root, subject, folder):
    """Copy a file and its sidecar to where Clinica puts a subject's first session."""
    place = root / f"sub-ADNI{subject}" / "ses-M000" / folder
    place.mkdir(parents=True)
    for file in path.parent.glob(f"{path.name.partition('.')[0]}.*"):
        ending = file.name.partition("_")[2]
        copy = place / f"sub-ADNI{subject}_ses-M000_{ending}"
        if file.suffix == ".tsv":
            series = pd.read_csv(file, sep="\t", dtype=str).iloc[:, :N_REGIONS]
            series.to_csv(copy, sep="\t", index=False)
        else:
            shutil.copy(file, copy)


@pytest.fixture(scope="module")
def adni(tmp_path_factory):
    """ADNI's tables, a BIDS folder of images and PLINK files; three people lack an image."""
    root = tmp_path_factory.mktemp("adni")
    tables, frame, target = make_people(N_PEOPLE)
    write_adni(frame, target, root / "tables")
    simulated = make_cohort(
        N_PEOPLE, root=root / "simulated", missing=None, resolution=12, bold=False, random_state=1
    ).frame[["t1w", "roi_series"]]
    simulated.iloc[:3, 0] = None
    for subject, (_, paths) in zip(frame.index, simulated.iterrows(), strict=True):
        for folder, path in zip(("anat", "func"), paths, strict=True):
            if isinstance(path, str):
                copy_image(Path(path), root / "bids", subject.replace("_", ""), folder)
    one = write_genotypes(tables, frame, root / "one", by_phase=False)
    two = write_genotypes(tables, frame, root / "two", by_phase=True)
    return root, one, two


def test_study_is_read_fused_and_cross_validated(adni):
    root, prefixes, _ = adni
    cohort = load_adni(root / "tables", images=root / "bids", genotypes=prefixes)
    assert cohort.frame["t1w"].isna().sum() == 3
    genetics = GeneticsExtractor(genotypes=cohort.genotype_files, sample_column="genotypes")
    union = ModalityUnion(
        [
            ("smri", SMRIExtractor(resolution=12.0), cohort.columns["smri"]),
            ("fmri", FMRIExtractor(), cohort.columns["fmri"]),
            ("clinical", ClinicalExtractor(), cohort.columns["clinical"]),
            ("genetics", genetics, cohort.columns["genetics"]),
        ]
    )
    fusion = AnchoredFusionClassifier(
        anchor="clinical", n_queries=2, width=8, max_epochs=1, random_state=0, device="cpu"
    )
    scores = cross_val_score(
        make_pipeline(union, fusion), cohort.frame, cohort.target, groups=cohort.groups,
        cv=StratifiedGroupKFold(2), scoring="roc_auc", error_score="raise",
    )  # fmt: skip
    assert np.isfinite(scores).all()


def test_file_sets_on_two_builds_are_warned_of_and_never_read_together(adni):
    root, _, prefixes = adni
    with pytest.warns(DataWarning, match="on different genome builds"):
        cohort = load_adni(root / "tables", genotypes=prefixes)
    genetics = GeneticsExtractor(genotypes=cohort.genotype_files, sample_column="genotypes")
    with pytest.raises(GenotypeError, match=r"must be on one genome build.*hg18.*hg19"):
        genetics.fit(cohort.frame[cohort.columns["genetics"]])
