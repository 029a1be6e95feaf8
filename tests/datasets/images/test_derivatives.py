import json

import pytest

from adestim.datasets.images.derivatives import pipeline_name, series_modality
from adestim.datasets.images.index import index_images
from tests.datasets.writers.bids import ATLAS, SPACE, T_R, XCPD_NAMES, make_people, write_xcpd


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
    assert series_modality(str(path)) == "confounds"
    path.write_text("hippocampus_left\thippocampus_right\n1\t2\n")
    assert series_modality(str(path)) == "roi_series"


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
    assert pipeline_name(path) == expected


def test_description_that_cannot_be_read_names_no_pipeline(tmp_path):
    path = tmp_path / "dataset_description.json"
    path.write_text("{")
    assert pipeline_name(path) == "raw"
