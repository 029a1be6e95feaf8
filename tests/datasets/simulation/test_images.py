"""The image columns: one subject at a time, in memory or as files."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim.datasets.simulation.images import (
    Examination,
    Grid,
    hold_images,
    list_examinations,
    make_images,
    write_images,
)
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.write_bids import SubjectFiles

COARSE = Grid(t1w=12.0, bold=12.0, with_bold=True)
SERIES_ONLY = Grid(t1w=12.0, bold=12.0, with_bold=False)


def visit(**changes):
    """The examination of an average control."""
    usual = {
        "measures": np.zeros(10), "site": 1, "volumes": 5, "t_r": 3.0,
        "has_smri": True, "has_fmri": True, "seed": 0, "number": 1,
    }  # fmt: skip
    return Examination(**{**usual, **changes})


def voxels(image):
    return np.asarray(image.dataobj)


@pytest.fixture
def files(tmp_path):
    return SubjectFiles(tmp_path, "sub-0001")


def test_examinations_follow_the_tables():
    tables = draw_tables(20, "nc_ad", "adni", seed=0)
    made = list_examinations(tables)
    assert [each.number for each in made] == list(range(1, 21))
    assert [each.has_fmri for each in made] == tables.present.fmri.tolist()
    assert [each.volumes for each in made] == tables.acquisition.volumes.tolist()


@pytest.mark.parametrize(
    ("has_smri", "has_fmri", "there"),
    [
        (True, False, {"t1w"}),
        (False, True, {"bold", "confounds", "roi_series"}),
        (False, False, set()),
    ],
)
def test_cells_are_none_where_nothing_was_examined(files, has_smri, has_fmri, there):
    subject = visit(has_smri=has_smri, has_fmri=has_fmri)
    for cells in (hold_images(subject, COARSE), write_images(subject, COARSE, files)):
        assert {name for name, cell in cells.items() if cell is not None} == there


def test_anatomy_does_not_depend_on_whether_there_is_a_run():
    alone = hold_images(visit(has_fmri=False), COARSE)["t1w"]
    np.testing.assert_array_equal(voxels(alone), voxels(hold_images(visit(), COARSE)["t1w"]))


def test_subjects_have_random_streams_of_their_own():
    first, second = (hold_images(visit(number=number), COARSE) for number in (1, 2))
    assert (voxels(first["t1w"]) != voxels(second["t1w"])).any()
    assert (first["roi_series"] != second["roi_series"]).any(axis=None)


def test_files_hold_the_images_of_memory(files):
    paths, cells = write_images(visit(), COARSE, files), hold_images(visit(), COARSE)
    for name in ("t1w", "bold"):
        np.testing.assert_array_equal(voxels(nibabel.load(paths[name])), voxels(cells[name]))


def test_files_that_are_there_are_not_written_again(files):
    first = write_images(visit(), COARSE, files)
    before = {path: path.stat().st_mtime_ns for path in files.root.rglob("*.*")}
    assert write_images(visit(), COARSE, files) == first
    assert {path: path.stat().st_mtime_ns for path in files.root.rglob("*.*")} == before


@pytest.mark.parametrize(("grid", "last"), [(COARSE, "bold"), (SERIES_ONLY, "series_sidecar")])
def test_run_that_was_not_finished_is_written_again(files, grid, last):
    write_images(visit(), grid, files)
    getattr(files, last).unlink()
    files.series.write_text("half")
    write_images(visit(), grid, files)
    assert getattr(files, last).is_file()
    assert len(pd.read_csv(files.series, sep="\t")) == 5


def test_column_of_runs_is_there_only_if_they_are_made():
    tables = draw_tables(4, "nc_pd", 0.5, seed=0)
    images = make_images(tables, SERIES_ONLY, None, n_jobs=None, verbose=0)
    assert list(images) == ["t1w", "confounds", "roi_series"]
    np.testing.assert_array_equal(images["t1w"].notna(), tables.present.smri)
    np.testing.assert_array_equal(images["roi_series"].notna(), tables.present.fmri)
