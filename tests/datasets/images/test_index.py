import tarfile

import pandas as pd
import pytest

from adestim.datasets import choose_images, index_images
from adestim.datasets.images.index import (
    keep_atlas,
    keep_space,
    keep_task,
    parse_run_number,
    rank_description,
    rank_space,
    sort_by_preference,
    warn_of_mixed_spaces,
)
from adestim.exceptions import DataWarning, InputError
from tests.counting import calls_into
from tests.datasets.writers.bids import make_people, write, write_bids, write_fmriprep

COLUMNS = [
    "subject", "session", "modality", "path", "space", "atlas", "task", "run", "description",
    "acquired", "repetition_time", "pipeline", "image_id", "problem",
]  # fmt: skip


@pytest.fixture(scope="module")
def unpacked(realdata, tmp_path_factory):
    """Return a function that unpacks a skeleton of a real data set."""

    def unpack(name):
        folder = tmp_path_factory.mktemp("real")
        with tarfile.open(realdata / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="fully_trusted")
        return folder / name.rsplit("/", 1)[-1]

    return unpack


def counts_of(index, *columns):
    """Number of files by these columns."""
    return index[list(columns)].fillna("-").value_counts().to_dict()


def test_columns_have_fixed_names_and_types(tmp_path):
    write_bids(make_people(4), tmp_path)
    index = index_images(tmp_path)
    assert list(index) == COLUMNS
    assert index["acquired"].dtype == "datetime64[us]"
    assert index["repetition_time"].dtype == "float64"
    assert all(pd.api.types.is_string_dtype(index[name]) for name in COLUMNS[:9])


def test_order_is_by_subject_session_and_path(tmp_path):
    write_bids(make_people(4), tmp_path, sessions=["ses-M012", "ses-M000"])
    index = index_images(tmp_path)
    pd.testing.assert_frame_equal(
        index, index.sort_values(["subject", "session", "path"], ignore_index=True)
    )


def test_one_file_a_subject_session_and_modality_is_chosen(tmp_path):
    people = make_people(4)
    images = write_fmriprep(people, tmp_path, res="", confounds="desc-confounds_regressors.tsv")
    chosen = choose_images(index_images(tmp_path))
    for modality in images:
        paths = chosen[chosen["modality"] == modality].set_index("subject")["path"]
        assert dict(paths) == dict(images[modality].dropna())
    native = choose_images(index_images(tmp_path), space={"bold": "T1w"})
    runs = native[native["modality"] == "bold"]
    assert set(runs["space"]) == {"T1w"}


def test_series_of_no_atlas_beside_those_of_one_are_chosen_once(tmp_path):
    for name in ("task-rest_desc-mine_timeseries.tsv", "task-rest_atlas-Tian_timeseries.tsv"):
        write(tmp_path / "sub-01" / "func" / f"sub-01_{name}", "left\tright\n")
    chosen = choose_images(index_images(tmp_path))
    assert list(chosen["modality"]) == ["roi_series"]


def test_folder_without_images_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds BIDS.*no image known.*above those of the subject"):
        index_images(tmp_path)
    with pytest.raises(InputError, match=r"folder of images exists\. Got none at"):
        index_images(tmp_path / "nowhere")


def test_links_of_a_real_data_set_dangle(unpacked):
    index = index_images(unpacked("openneuro/ds000245"))
    assert counts_of(index, "modality", "problem") == {
        ("t1w", "dangling link"): 45,
        ("bold", "dangling link"): 45,
    }
    assert set(index.loc[index["modality"] == "bold", "repetition_time"]) == {2.5}


def test_real_outputs_of_fmriprep_are_found(unpacked):
    index = index_images(unpacked("bids_examples/ds000001-fmriprep"))
    assert counts_of(index, "modality", "space") == {
        ("t1w", "-"): 4,
        ("t1w", "MNI152NLin2009cAsym"): 4,
        ("bold", "MNI152NLin2009cAsym"): 12,
        ("bold", "MNI152NLin6Asym"): 12,
        ("confounds", "-"): 12,
    }
    assert set(index["pipeline"]) == {"fMRIPrep"}
    assert set(index["problem"]) == {"empty file"}


def test_real_headers_without_voxels_and_early_confounds_are_told(unpacked):
    index = index_images(unpacked("bids_examples/synthetic"))
    assert counts_of(index, "modality", "pipeline", "problem") == {
        ("t1w", "raw", "header without voxels"): 10,
        ("bold", "raw", "header without voxels"): 30,
        ("bold", "fMRIPrep", "header without voxels"): 60,
        ("confounds", "fMRIPrep", "-"): 30,
    }
    assert index["acquired"].notna().all()
    assert index["acquired"].max() < pd.Timestamp("1925-01-01")


def index_of(*rows):
    """An index with the columns that a choice looks at."""
    names = ["modality", "space", "atlas", "task", "run", "description", "problem", "path"]
    full = [{name: row.get(name) for name in names} for row in rows]
    table = pd.DataFrame(full, columns=names).astype("str")
    return table.assign(path=[f"{number}" for number in range(len(table))])


def first(*rows):
    """Number of the row that is preferred."""
    return int(sort_by_preference(index_of(*rows))["path"].iloc[0])


def bold(**facts):
    """A run."""
    return {"modality": "bold", "task": "rest", **facts}


def test_template_goes_before_native_space_and_that_before_others():
    spaces = ["MNI152NLin2009cAsym", "MNI152NLin6Asym", "MNIInfant", None, "T1w"]
    assert [rank_space(space) for space in spaces] == sorted(map(rank_space, spaces))
    assert first(bold(space="T1w"), bold(), bold(space="MNI152NLin6Asym")) == 2


def test_more_made_of_it_goes_before_less():
    names = ["denoised", "Crop", "preproc", None, "denoisedSmoothed", "MPRAGE_REPEAT"]
    assert [rank_description(name) for name in names] == sorted(map(rank_description, names))
    assert first(bold(description="preproc"), bold(description="denoised")) == 1


def test_what_can_be_used_goes_before_what_cannot():
    assert first(bold(description="denoised", problem="empty file"), bold()) == 1


def test_first_run_is_taken_by_number_and_all_together_before_each():
    assert first(bold(run="10"), bold(run="2")) == 1
    assert first(bold(run="1"), bold()) == 1
    assert parse_run_number("002") == 2


def test_runs_of_other_tasks_are_left_out_and_volumes_are_not():
    index = index_of(bold(), bold(task="restingstate"), bold(task="nback"), {"modality": "t1w"})
    assert list(keep_task(index, "rest")["path"]) == ["0", "1", "3"]
    assert len(keep_task(index, None)) == 4


def test_space_is_chosen_for_all_or_by_modality():
    index = index_of(bold(space="MNI"), bold(space="T1w"), {"modality": "t1w"})
    assert list(keep_space(index, {"bold": "T1w"})["path"]) == ["1", "2"]
    with pytest.raises(InputError, match=r"files of 't1w' in the space 'MNI'\. Got only others"):
        keep_space(index, "MNI")


def test_series_of_several_atlases_need_a_choice():
    rows = [{"modality": "roi_series", "atlas": atlas} for atlas in ("Tian", "HCP")]
    index = index_of(*rows, {"modality": "connectivity", "atlas": "HCP"}, {"modality": "t1w"})
    with pytest.raises(InputError, match=r"Got series of 2: 'HCP', 'Tian'.*'atlas' parameter"):
        keep_atlas(index, None)
    assert list(keep_atlas(index, "Tian")["path"]) == ["0", "3"]
    with pytest.raises(InputError, match=r"of the atlas 'AAL'\. Got others: 'HCP', 'Tian'"):
        keep_atlas(index, "AAL")


def test_atlas_is_no_matter_without_series():
    assert len(keep_atlas(index_of({"modality": "t1w"}), "AAL")) == 1


def test_mixture_of_spaces_is_pointed_out():
    with pytest.warns(DataWarning, match=r"'bold' are in several spaces: 'none: native', 'MNI'"):
        warn_of_mixed_spaces(index_of(bold(), bold(space="MNI")))
    warn_of_mixed_spaces(index_of(bold(), bold(), {"modality": "t1w", "space": "MNI"}))


def work_of_an_index(folder, n_files):
    """How many functions, the package's and pandas', an index of so many runs calls."""
    runs = folder / "sub-01" / "func"
    runs.mkdir(parents=True)
    for number in range(n_files):
        (runs / f"sub-01_task-rest_run-{number}_bold.nii.gz").write_bytes(b"x")

    def index():
        assert len(index_images(folder)) == n_files

    return [calls_into(package, index) for package in ("adestim", "pandas")]


def test_the_work_grows_with_the_number_of_files_and_no_faster(tmp_path):
    (own, pandas), (own_of_more, pandas_of_more) = (
        work_of_an_index(tmp_path / str(n), n) for n in (50, 500)
    )
    assert own_of_more < 10.5 * own
    assert pandas_of_more < pandas + 2 * 450
