import tarfile

import pandas as pd
import pytest

from adestim.datasets.images.index import choose_images, index_images
from adestim.exceptions import InputError
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
