"""Images and genotypes beside the index visit."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import index_images
from adestim.datasets.loaders.adni_forms import PATTERN
from adestim.datasets.loaders.attach import attach_genotypes, attach_images, extract_numbers
from adestim.exceptions import DataWarning, InputError

PEOPLE = pd.DataFrame(
    {"number": ["31", "10898"], "origin": pd.to_datetime(["2010-01-01", "2023-01-01"])},
    index=pd.Index(["023_S_0031", "002_S_10898"], name="subject", dtype="str"),
)
DAYS = pd.Series([0.0, 0.0], index=PEOPLE.index)


def attach(images, window=183):
    return attach_images(images, PEOPLE, DAYS, PEOPLE["number"], PATTERN, window)


def touch(root, *names, content=b"image"):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


@pytest.mark.parametrize(
    ("label", "number"),
    [
        ("023_S_0031", "31"),
        ("sub-ADNI023S0031", "31"),
        ("sub-023S0031", "31"),
        ("31", "31"),
        ("002_S_10898", "10898"),
        ("sub-ADNI002S10898", "10898"),
        ("sub-OAS30001", None),
        ("phantom", None),
    ],
)
def test_the_roster_number_is_found_in_any_spelling(label, number):
    found = extract_numbers(pd.Series([label]), PATTERN)[0]
    assert pd.isna(found) if number is None else found == number


def test_the_nearest_session_is_taken(tmp_path):
    label = "sub-ADNI023S0031"
    sessions = ("M006", "M000", "M012")
    touch(tmp_path, *[f"{label}/ses-{s}/anat/{label}_ses-{s}_T1w.nii.gz" for s in sessions])
    found = attach(tmp_path)
    assert found.cells["t1w"].notna().tolist() == [True, False]
    assert found.rows["session"].tolist() == ["ses-M000"]
    assert found.rows["days_apart"].tolist() == [0]


def test_confounds_are_of_the_session_of_the_run(tmp_path):
    label = "sub-ADNI023S0031"
    touch(
        tmp_path,
        f"{label}/ses-M000/func/{label}_ses-M000_task-rest_desc-confounds_timeseries.tsv",
        f"{label}/ses-M006/func/{label}_ses-M006_task-rest_desc-confounds_timeseries.tsv",
        f"{label}/ses-M006/func/{label}_ses-M006_task-rest_desc-preproc_bold.nii.gz",
    )
    cells = attach(tmp_path).cells
    assert "ses-M006" in cells.loc["023_S_0031", "bold"]
    assert "ses-M006" in cells.loc["023_S_0031", "confounds"]


def test_images_without_a_time_need_no_window(tmp_path):
    touch(tmp_path, "sub-ADNI023S0031/anat/sub-ADNI023S0031_T1w.nii.gz")
    with pytest.warns(DataWarning, match="1 images of '023_S_0031' have no date"):
        assert attach(tmp_path).rows.empty
    found = attach(tmp_path, window=None)
    assert found.cells["t1w"].notna().tolist() == [True, False]
    assert found.rows["days_apart"].isna().all()


def test_images_that_cannot_be_used_count_as_missing(tmp_path):
    label = "sub-ADNI023S0031"
    touch(tmp_path, f"{label}/ses-M000/anat/{label}_ses-M000_T1w.nii.gz", content=b"")
    touch(tmp_path, f"{label}/ses-M003/anat/{label}_ses-M003_T1w.nii.gz")
    with pytest.warns(DataWarning, match="1 images of '023_S_0031' cannot be used"):
        found = attach(tmp_path)
    assert "ses-M003" in found.cells.loc["023_S_0031", "t1w"]


def test_series_of_two_atlases_are_refused_until_one_is_chosen(tmp_path):
    label = "sub-ADNI023S0031"
    folder = f"{label}/ses-M000/func/{label}_ses-M000_task-rest_space-MNI152NLin2009cAsym"
    names = [f"{folder}_seg-{a}_stat-mean_timeseries.tsv" for a in ("Gordon", "Glasser")]
    touch(tmp_path, *names)
    with pytest.raises(InputError, match="atlas"):
        attach(tmp_path)
    index = index_images(tmp_path)
    cells = attach(index[index["atlas"] == "Gordon"]).cells
    assert "Gordon" in cells.loc["023_S_0031", "roi_series"]


def test_nothing_is_attached_without_a_folder():
    found = attach(None)
    assert list(found.cells.columns) == []
    assert found.rows.empty


def test_who_is_in_two_file_sets_is_taken_from_the_first(tmp_path):
    marker = "19\trs7412\t0\t45412079\tT\tC\n"
    for name, samples in (("a", ["023_S_0031"]), ("b", ["31", "002_S_10898"])):
        (tmp_path / f"{name}.bim").write_text(marker)
        (tmp_path / f"{name}.bed").touch()
        lines = [f"{s} {s} 0 0 1 -9\n" for s in samples]
        (tmp_path / f"{name}.fam").write_text("".join(lines))
    prefixes = [tmp_path / "a", tmp_path / "b"]
    found = attach_genotypes(prefixes, PEOPLE["number"], PATTERN)
    assert found.cells["genotypes"].tolist() == ["023_S_0031", "002_S_10898"]
    assert found.builds == {str(prefix): "hg19" for prefix in prefixes}


def test_file_set_of_another_study_is_warned_of(tmp_path):
    (tmp_path / "a.bim").write_text("19\trs7412\t0\t45412079\tT\tC\n")
    (tmp_path / "a.bed").touch()
    (tmp_path / "a.fam").write_text("PPMI_SI_3000 PPMI_SI_3000 0 0 1 -9\n")
    with pytest.warns(DataWarning, match="None of 1 samples .* is of anybody in the cohort"):
        attach_genotypes([tmp_path / "a"], PEOPLE["number"], PATTERN)


def test_without_file_sets_there_are_no_genotypes():
    found = attach_genotypes(None, PEOPLE["number"], PATTERN)
    assert (found.cells.shape, found.files) == ((2, 0), [])
    assert np.array_equal(found.cells.index, PEOPLE.index)


def test_images_of_the_excluded_alone_are_no_mistake(tmp_path):
    label = "sub-ADNI005S0099"
    touch(tmp_path, f"{label}/ses-M000/anat/{label}_ses-M000_T1w.nii.gz")
    everybody = pd.Series(["31", "10898", "99"])
    found = attach_images(tmp_path, PEOPLE, DAYS, everybody, PATTERN, 183)
    assert found.rows.empty
    assert list(found.cells.columns) == []
