import json

import pandas as pd
import pytest

from adestim._support.bids import parse_name
from adestim.datasets import choose_images, index_images
from adestim.datasets.images.names import (
    find_atlas,
    find_description,
    find_modality,
    parse_session_days,
    parse_session_months,
    read_pipeline_name,
    spell_as_in_study,
    spell_session,
    tell_series_modality,
)
from adestim.datasets.images.walk import RULES
from adestim.exceptions import InputError
from tests.datasets.writers.bids import (
    ATLAS,
    SPACE,
    T_R,
    XCPD_NAMES,
    make_people,
    write_caps,
    write_xcpd,
)

START = "sub-01_ses-M000"
GRAY = "T1w_segm-graymatter_space-Ixi549Space_modulated-on_fwhm-8mm_probability"


def modality(ending):
    """The modality of a file of one subject."""
    return find_modality(parse_name(f"{START}_{ending}"), RULES)


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
    assert find_description({"desc": "preproc"}) == "preproc"
    assert (
        find_description(parse_name(f"{START}_{GRAY}.nii.gz").entities) == "modulated-on_fwhm-8mm"
    )


def test_atlas_stands_under_several_names():
    assert find_atlas("roi_series", {"atlas": "Tian"}) == "Tian"
    assert find_atlas("roi_series", {"seg": "Tian"}) == "Tian"
    assert find_atlas("roi_thickness", {"parcellation": "desikan"}) == "desikan"
    assert find_atlas("roi_volumes", {"space": "AAL2"}) == "AAL2"
    assert find_atlas("t1w", {"space": "AAL2"}) is None


@pytest.mark.parametrize("generation", XCPD_NAMES)
def test_three_generations_of_names_of_xcpd_are_one(tmp_path, generation):
    people = make_people(4)
    written = write_xcpd(people, tmp_path, generation)
    index = index_images(tmp_path)
    series = index[index["modality"] == "roi_series"].set_index("subject")
    assert dict(series["path"]) == dict(written["roi_series"].dropna())
    matrices = index[index["modality"] == "connectivity"]
    assert list(matrices["path"]) == list(written["connectivity"].dropna())
    for rows in (series, matrices):
        assert set(rows["atlas"]) == {ATLAS}
        assert set(rows["space"]) == {SPACE}
    assert set(index["pipeline"]) == {"xcp_d"}
    # The run has no sidecar; its series say the sampling frequency.
    times = index[index["modality"].isin(["bold", "roi_series"])]["repetition_time"]
    assert list(times) == pytest.approx([T_R] * 6)


def lines_of(path):
    """Paths in a listing of XCP-D's own tests."""
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


@pytest.mark.parametrize("generation", ["0.6.4", "0.10.7"])
def test_every_real_listing_of_xcpd_is_understood(realdata, tmp_path, generation):
    for listing in sorted((realdata / "xcpd_outputs" / generation).glob("*.txt")):
        names = [name for name in lines_of(listing) if "." in name.rsplit("/", 1)[-1]]
        for name in names:
            path = tmp_path / listing.stem / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}" if name.endswith(".json") else "a\tb\n")
        index = index_images(tmp_path / listing.stem)
        found = {path.rsplit("/", 1)[-1] for path in index["path"]}
        tables = {name.rsplit("/", 1)[-1] for name in names if name.endswith(".tsv")}
        for ending in ("timeseries.tsv", "conmat.tsv", "relmat.tsv", "motion.tsv"):
            assert {name for name in tables if name.endswith(ending)} <= found
        series = index[index["modality"] == "roi_series"]
        assert series["atlas"].notna().all()
        assert not index["path"].str.contains("dtseries|ptseries|alff|reho").any()


def test_table_of_series_that_names_no_atlas_is_told_by_its_columns(tmp_path):
    path = tmp_path / "sub-01_task-rest_timeseries.tsv"
    path.write_text("WhiteMatter\tFramewiseDisplacement\n1\tn/a\n")
    assert tell_series_modality(str(path)) == "confounds"
    path.write_text("hippocampus_left\thippocampus_right\n1\t2\n")
    assert tell_series_modality(str(path)) == "roi_series"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep"}]}, "fMRIPrep"),
        ({"PipelineDescription": {"Name": "fmriprep"}}, "fmriprep"),
        ({"DatasetType": "raw", "GeneratedBy": [{"Name": "heudiconv"}]}, "raw"),
        ({"GeneratedBy": "a text"}, "raw"),
        ([], "raw"),
        ({}, "raw"),
    ],
)
def test_pipeline_is_named_by_the_data_set(tmp_path, facts, expected):
    path = tmp_path / "dataset_description.json"
    path.write_text(json.dumps(facts))
    assert read_pipeline_name(path) == expected


def test_description_that_cannot_be_read_names_no_pipeline(tmp_path):
    path = tmp_path / "dataset_description.json"
    path.write_text("{")
    assert read_pipeline_name(path) == "raw"


@pytest.mark.parametrize("session", ["ses-M00", "ses-M000"])
def test_outputs_of_clinica_are_found(tmp_path, session):
    people = make_people(4)
    cropped = write_caps(people, tmp_path, session=session)
    index = index_images(tmp_path)
    counts = {"t1w": 6, "gray_matter": 3, "roi_volumes": 3, "roi_thickness": 3}
    assert index["modality"].value_counts().to_dict() == counts
    assert set(index["session"]) == {session}
    atlases = index.dropna(subset=["atlas"]).groupby("modality")["atlas"].first()
    assert dict(atlases) == {"roi_volumes": "AAL2", "roi_thickness": "desikan"}
    chosen = choose_images(index).query("modality == 't1w'").set_index("subject")["path"]
    assert dict(chosen) == dict(cropped.dropna())


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("sub-ADNI002S0295", "002_S_0295"),
        ("sub-ADNI002S10898", "002_S_10898"),
        ("sub-OAS30001", "OAS30001"),
        ("sub-01", "01"),
        ("002_S_0295", "002_S_0295"),
    ],
)
def test_identifier_of_the_study_comes_back(subject, expected):
    assert spell_as_in_study(subject) == expected


def test_identifiers_can_be_mapped_over_an_index():
    subjects = pd.Series(["sub-ADNI002S0295", "3000"])
    assert list(subjects.map(spell_as_in_study)) == ["002_S_0295", "3000"]


def test_sessions_of_either_spelling_are_one():
    assert spell_session("ses-M06") == spell_session("M006") == "ses-M006"
    assert spell_session("ses-M120") == "ses-M120"
    assert spell_session("ses-pre") == "ses-pre"
    assert spell_session("") == ""


def test_session_says_when_it_was():
    assert parse_session_months("ses-M120") == 120
    assert parse_session_days("ses-d12345") == 12345
    with pytest.raises(InputError, match=r"names the month.*Got 'ses-d0757'"):
        parse_session_months("ses-d0757")
    with pytest.raises(InputError, match=r"names the day.*Got 'ses-M000'"):
        parse_session_days("ses-M000")
