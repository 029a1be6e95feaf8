import pandas as pd
import pytest

from adestim.datasets import choose_images, index_images
from adestim.datasets.images.ida import guess_modality, parse_place, read_ida_collection
from adestim.exceptions import InputError, TableError
from tests.datasets.writers.ida import (
    make_series,
    series_folder,
    write_ida_collection,
    write_ida_tree,
)

SHARED = ["subject", "description", "acquired", "image_id"]


@pytest.fixture
def series():
    return make_series()


def by_image(table):
    """Rows by image, in one order and type."""
    table = table.set_index("image_id").sort_index()
    return table.astype({"acquired": "datetime64[us]"}).astype({"subject": "str"})


@pytest.mark.parametrize("above", [".", "ADNI", "ADNI_batch_2/ADNI"])
def test_tree_comes_back_as_it_was_written(tmp_path, series, above):
    write_ida_tree(series, tmp_path / above)
    index = index_images(tmp_path)
    wanted = series.dropna(subset=["kind"])
    pd.testing.assert_frame_equal(
        by_image(index[SHARED]), by_image(wanted[SHARED]), check_dtype=False,
        check_index_type=False,
    )  # fmt: skip
    kinds = index.set_index("image_id")["modality"].to_dict()
    assert kinds == wanted.set_index("image_id")["kind"].to_dict()
    assert index["problem"].isna().all()
    assert dict(index.set_index("image_id")["repetition_time"].dropna()) == {"I303": 0.607}


def test_visit_is_the_day_and_a_repeated_scan_comes_second(tmp_path, series):
    write_ida_tree(series, tmp_path)
    chosen = choose_images(index_images(tmp_path))
    first = chosen[(chosen["subject"] == "002_S_0295") & (chosen["modality"] == "t1w")]
    assert list(first["session"]) == ["2012-05-10", "2013-05-11"]
    assert list(first["image_id"]) == ["I301", "I304"]


def test_dicom_is_listed_with_what_is_to_be_done(tmp_path, series):
    write_ida_tree(series, tmp_path, dicom=True)
    index = index_images(tmp_path)
    assert set(index["problem"]) == {"DICOM, to be converted to NIfTI"}
    assert index["path"].iloc[0] == str(series_folder(tmp_path, series.iloc[0]))


def test_folder_in_which_nothing_arrived_is_listed(tmp_path, series):
    series_folder(tmp_path, series.iloc[0]).mkdir(parents=True)
    assert list(index_images(tmp_path)["problem"]) == ["empty folder"]


def test_path_of_another_kind_is_none_of_the_tree(tmp_path):
    assert parse_place(str(tmp_path / "002_S_0295" / "MPRAGE" / "2012-05-10_12_00_01.0")) is None
    assert parse_place(str(tmp_path / "MPRAGE" / "yesterday" / "I301")) is None
    assert parse_place("I301") is None


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("MPR__GradWarp__B1_Correction__N3__Scaled", "t1w"),
        ("MT1__GradWarp__N3m", "t1w"),
        ("Sag_IR-SPGR", "t1w"),
        ("SAG_3D_T1", "t1w"),
        ("MP-RAGE", "t1w"),
        ("Resting_State_fMRI", "bold"),
        ("ep2d_RESTING_STATE", "bold"),
        ("B1-calibration_Head", None),
        ("Field_Mapping", None),
        ("Perfusion_Weighted", None),
        ("Axial_3D_PASL__Eyes_Open_", None),
        ("Sagittal_3D_FLAIR", None),
        ("3_Plane_Localizer", None),
    ],
)
def test_modality_is_guessed_from_the_protocol(protocol, expected):
    assert guess_modality(protocol) == expected


@pytest.mark.parametrize("kind", ["collection", "search", "all_images"])
def test_list_of_images_comes_back_as_it_was_written(tmp_path, series, kind):
    path = tmp_path / "images.csv"
    write_ida_collection(series, path, kind=kind)
    images = read_ida_collection(path)
    wanted = series.assign(acquired=series["acquired"].dt.normalize())
    pd.testing.assert_frame_equal(
        by_image(images[SHARED]), by_image(wanted[SHARED]), check_dtype=False,
        check_index_type=False,
    )  # fmt: skip
    if kind == "collection":
        assert set(images["age"]) == {75.0}


def test_list_without_images_is_refused(tmp_path):
    (tmp_path / "images.csv").write_text("Subject,Image\n002_S_0295,I1\n")
    with pytest.raises(TableError, match=r"has a column 'Image Data ID' or 'Image ID'"):
        read_ida_collection(tmp_path / "images.csv")


def test_tree_without_images_is_refused(tmp_path, series):
    write_ida_tree(series[series["kind"].isna()], tmp_path)
    with pytest.raises(InputError, match=r"no image known by its name"):
        index_images(tmp_path)
