import pytest

from adestim._support.bids import parse_name
from adestim.datasets.images.names import atlas_of, description_of, modality_of
from adestim.datasets.images.walk import RULES

START = "sub-01_ses-M000"
GRAY = "T1w_segm-graymatter_space-Ixi549Space_modulated-on_fwhm-8mm_probability"


def modality(ending):
    """The modality of a file of one subject."""
    return modality_of(parse_name(f"{START}_{ending}"), RULES)


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("T1w.nii.gz", "t1w"),
        ("T1w.nii", "t1w"),
        ("space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz", "t1w"),
        ("task-rest_bold.nii.gz", "bold"),
        ("task-rest_part-mag_bold.nii.gz", "bold"),
        ("task-rest_desc-confounds_timeseries.tsv", "confounds"),
        ("task-rest_desc-confounds_regressors.tsv", "confounds"),
        ("task-rest_bold_confounds.tsv", "confounds"),
        ("task-rest_motion.tsv", "motion"),
        ("task-rest_desc-filtered_motion.tsv", "motion"),
        ("task-rest_outliers.tsv", "outliers"),
        (f"{GRAY}.nii.gz", "gray_matter"),
        ("T1w_space-AAL2_map-graymatter_statistics.tsv", "roi_volumes"),
        ("parcellation-desikan_thickness.tsv", "roi_thickness"),
    ],
)
def test_files_of_use_are_told_by_their_names(ending, expected):
    assert modality(ending) == expected


@pytest.mark.parametrize(
    "ending",
    [
        "T1w.json",
        "T2w.nii.gz",
        "task-rest_sbref.nii.gz",
        "task-rest_part-phase_bold.nii.gz",
        "task-rest_space-fsLR_den-91k_bold.dtseries.nii",
        "task-rest_space-fsaverage5_hemi-L_bold.func.gii",
        "task-rest_space-T1w_desc-brain_mask.nii.gz",
        "task-rest_atlas-Tian_den-91k_timeseries.ptseries.nii",
        "label-GM_probseg.nii.gz",
        "tracksys-imu_motion.tsv",
        "scans.tsv",
    ],
)
def test_other_files_are_passed_over(ending):
    assert modality(ending) is None


def test_what_was_done_stands_under_several_names():
    assert description_of({"desc": "preproc"}) == "preproc"
    assert description_of(parse_name(f"{START}_{GRAY}.nii.gz").entities) == "modulated-on_fwhm-8mm"


def test_atlas_stands_under_several_names():
    assert atlas_of("roi_series", {"atlas": "Tian"}) == "Tian"
    assert atlas_of("roi_series", {"seg": "Tian"}) == "Tian"
    assert atlas_of("roi_thickness", {"parcellation": "desikan"}) == "desikan"
    assert atlas_of("roi_volumes", {"space": "AAL2"}) == "AAL2"
    assert atlas_of("t1w", {"space": "AAL2"}) is None
