"""FMRIExtractor: an ordinary scikit-learn transformer over runs and ROI series."""

import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_param_validation,
)

from adestim import FMRIExtractor, ModalityUnion, PoolTokens
from adestim.encoding import Encoding
from adestim.exceptions import DataWarning, InputError, SubjectsError, TimeSeriesError

SUBJECTS = ["s1", "s2", "s3"]


def roi_series(seed=0, n_volumes=80, n_rois=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_volumes, n_rois)) + rng.normal(size=(n_volumes, 1))


def run_image(seed=0, n_volumes=60, t_r=3.0, origin=(-84, -112, -76)):
    """A coarse run that covers the brain in MNI152 space."""
    values = np.random.default_rng(seed).normal(1000, 20, size=(15, 18, 16, n_volumes))
    affine = np.diag([12.0, 12.0, 12.0, 1.0])
    affine[:3, 3] = origin
    image = nibabel.Nifti1Image(values.astype(np.float32), affine)
    image.header.set_zooms((12, 12, 12, t_r))
    image.header.set_xyzt_units("mm", "sec")
    return image


def column(*cells, name="bold"):
    cells_of = np.empty(len(cells), dtype=object)
    cells_of[:] = cells
    return pd.DataFrame({name: cells_of}, index=SUBJECTS[: len(cells)])


@pytest.fixture
def series_frame():
    return column(roi_series(0), None, roi_series(2))


@pytest.fixture
def extractor():
    return FMRIExtractor(t_r=3.0)


def test_runs_become_tokens_of_the_built_in_regions(tmp_path):
    nibabel.save(run_image(), tmp_path / "run.nii.gz")
    frame = column(str(tmp_path / "run.nii.gz"), np.nan, run_image())
    table = FMRIExtractor().fit_transform(frame)
    first, missing, second = table["fmri"]
    assert missing is None
    assert first.tokens.shape == (300, 18)
    np.testing.assert_allclose(first.tokens, second.tokens, atol=1e-6)
    assert first.mask is None
    assert list(table.index) == SUBJECTS


def test_ready_series_become_rows_of_the_connectome(extractor, series_frame):
    table = extractor.fit_transform(series_frame)
    assert isinstance(table.loc["s1", "fmri"], Encoding)
    assert table.loc["s1", "fmri"].tokens.shape == (5, 5)
    assert table.loc["s2", "fmri"] is None
    assert extractor.get_feature_names_out().tolist() == ["fmri"]


def test_label_image_and_its_names():
    atlas = np.zeros((15, 18, 16), dtype=np.uint8)
    atlas[2:6, 3:9, 3:9], atlas[8:12, 3:9, 3:9] = 4, 8
    image = run_image()
    parcellation = nibabel.Nifti1Image(atlas, image.affine)
    extractor = FMRIExtractor(parcellation=parcellation, labels=["left", "right"])
    encoding = extractor.fit_transform(column(image)).iloc[0, 0]
    assert encoding.tokens.shape == (2, 2)
    assert encoding.backbone.option("token_names") == ("left", "right")
    assert encoding.backbone.option("feature_names") == ("z_left", "z_right")


def test_parcellation_from_a_path(tmp_path):
    image = run_image()
    atlas = np.repeat(np.arange(1, 16, dtype=np.uint8)[:, None, None], 18, axis=1).repeat(16, 2)
    nibabel.save(nibabel.Nifti1Image(atlas, image.affine), tmp_path / "atlas.nii.gz")
    extractor = FMRIExtractor(parcellation=tmp_path / "atlas.nii.gz").fit(column(image))
    assert extractor.layout_.n_rois == 15


def test_confounds_in_a_second_column(extractor, tmp_path):
    confounds = pd.DataFrame({"csf": np.random.default_rng(5).normal(size=80)})
    confounds.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    moved = [roi_series(seed) + 9 * confounds.to_numpy() for seed in range(3)]
    frame = column(*moved)
    with_table = frame.assign(confounds=[str(tmp_path / "c.tsv"), np.nan, np.nan])
    cleaned = clone(extractor).fit_transform(with_table)["fmri"]
    raw = clone(extractor).fit_transform(frame)["fmri"]
    assert cleaned["s1"].tokens.mean() < 0.8 * raw["s1"].tokens.mean()
    np.testing.assert_array_equal(cleaned["s2"].tokens, raw["s2"].tokens)


def test_confounds_without_a_run_are_a_missing_modality(extractor):
    frame = column(roi_series(), None).assign(confounds=[None, "c.tsv"])
    assert extractor.fit_transform(frame).loc["s2", "fmri"] is None


def test_three_columns_are_refused(extractor, series_frame):
    with pytest.raises(InputError, match="reads one column"):
        extractor.fit(series_frame.assign(b=None, c=None))


@pytest.mark.parametrize("names", [True, False])
def test_networks_of_named_regions_are_used(extractor, names):
    labels = ["LH_Vis_1", "LH_Default_1", "LH_Default_2", "RH_Vis_1", "RH_Cont_1"]
    series = pd.DataFrame(roi_series(), columns=labels) if names else roi_series()
    extractor = extractor.set_params(labels=None if names else labels)
    encoding = extractor.fit_transform(column(series)).iloc[0, 0]
    assert encoding.backbone.option("feature_names")[:3] == ("z_Cont", "z_Default", "z_Vis")
    assert encoding.tokens.shape == (5, 7)


def test_profile_of_networks_needs_networks(extractor, series_frame):
    with pytest.raises(InputError, match="needs regions whose networks are known"):
        extractor.set_params(profile="networks").fit(series_frame)


def test_other_number_of_regions_names_the_subject(extractor, series_frame):
    extractor.fit(series_frame)
    with pytest.raises(TimeSeriesError, match=r"Subject 's2': .*the 5 regions.*Got 4 regions"):
        extractor.transform(column(roi_series(), roi_series(n_rois=4)))


def test_regions_without_a_signal_are_masked_tokens(extractor):
    series = roi_series()
    series[:, 3] = np.nan
    encoding = extractor.fit_transform(column(series)).iloc[0, 0]
    np.testing.assert_array_equal(encoding.mask, [True, True, True, False, True])
    pooled = PoolTokens().fit_transform(pd.DataFrame({"fmri": [encoding]}))
    assert pooled.filter(like="roi003__").isna().all(axis=None)


def corrupt(path):
    path.write_bytes(b"no image at all")


def truncated(path):
    nibabel.save(run_image(n_volumes=40), path)
    path.write_bytes(path.read_bytes()[:-20000])


def volume(path):
    nibabel.save(run_image().slicer[..., 0], path)


def full_of_nan(path):
    image = run_image(n_volumes=40)
    nibabel.save(nibabel.Nifti1Image(np.full(image.shape, np.nan), image.affine), path)


def in_milliseconds(path):
    nibabel.save(run_image(t_r=3000), path)


def short(path):
    nibabel.save(run_image(n_volumes=20), path)


def elsewhere(path):
    nibabel.save(run_image(origin=(900, 0, 0)), path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.touch(), "an empty file"),
        (corrupt, "readable by nibabel"),
        (truncated, "readable to the end"),
        (volume, "4-D run"),
        (full_of_nan, "need a finite signal"),
        (in_milliseconds, "looks like milliseconds"),
        (short, "must last at least min_duration=100 s"),
        (elsewhere, "must overlap"),
    ],
)
def test_bad_run_names_subject_and_remedy(tmp_path, write, words):
    path = tmp_path / "run.nii.gz"
    write(path)
    frame = column(run_image(), str(path))
    extractor = FMRIExtractor(t_r=3.0 if write is full_of_nan else None).fit(frame)
    with pytest.raises(TimeSeriesError, match=f"Subject 's2': .*{words}") as caught:
        extractor.transform(frame)
    assert caught.value.remedy


def test_all_failing_subjects_are_told_at_once(extractor, series_frame):
    extractor.fit(series_frame)
    with pytest.raises(SubjectsError, match="2 subject"):
        extractor.transform(column(roi_series(n_volumes=9), "absent.tsv", roi_series()))


def test_failing_subjects_may_count_as_missing(extractor, series_frame):
    extractor.set_params(errors="missing").fit(series_frame)
    with pytest.warns(DataWarning, match="Subject 's2'"):
        table = extractor.transform(column(roi_series(), "absent.tsv"))
    assert table["fmri"].isna().tolist() == [False, True]


def test_regions_are_learned_from_the_first_readable_row(extractor, tmp_path):
    frame = column(tmp_path / "absent.tsv", roi_series())
    with pytest.raises(TimeSeriesError, match="Subject 's1'"):
        extractor.fit(frame)
    assert extractor.set_params(errors="missing").fit(frame).layout_.n_rois == 5


def test_modality_missing_for_all_training_rows():
    extractor = FMRIExtractor().fit(column(None, np.nan))
    assert extractor.layout_.n_rois == 300
    assert extractor.transform(column(None, "")).isna().all(axis=None)


@pytest.mark.parametrize(("high", "low"), [(0.1, 0.01), (0.1, 0.1)])
def test_band_without_width_is_refused(series_frame, high, low):
    with pytest.raises(InputError, match="high_pass of FMRIExtractor must be lower"):
        FMRIExtractor(high_pass=high, low_pass=low).fit(series_frame)


def test_impossible_repetition_time_is_refused(series_frame):
    extractor = FMRIExtractor(t_r=3000).fit(series_frame.iloc[:1])
    with pytest.raises(TimeSeriesError, match="looks like milliseconds"):
        extractor.transform(series_frame.iloc[:1])


def test_windows_make_fast_and_slow_runs_comparable():
    t_rs = (0.6, 3.0)
    times = [np.arange(0, 480, t_r) for t_r in t_rs]
    waves = [np.sin(2 * np.pi * np.outer(time, [0.02, 0.02, 0.05])) for time in times]
    encodings = [
        FMRIExtractor(t_r=t_r, window=300.0).fit_transform(column(wave)).iloc[0, 0]
        for t_r, wave in zip(t_rs, waves, strict=True)
    ]
    # Shrinkage depends on the number of volumes; what goes with what does not.
    assert all(encoding.tokens[0, 1] > 1.5 for encoding in encodings)
    assert all(abs(encoding.tokens[0, 2]) < 0.1 for encoding in encodings)


def test_workers_give_what_one_process_gives(extractor, series_frame):
    extractor.fit(series_frame)
    alone = extractor.transform(series_frame)["fmri"]
    together = extractor.set_params(n_jobs=2).transform(series_frame)["fmri"]
    np.testing.assert_array_equal(alone["s3"].tokens, together["s3"].tokens)
    assert together["s2"] is None


def test_progress_is_shown_when_verbose(extractor, series_frame, terminal):
    extractor.set_params(verbose=True).fit_transform(series_frame)
    assert "fmri" in terminal.getvalue()


def test_fitted_extractor_pickles_small_and_clones():
    extractor = FMRIExtractor().fit(column(None))
    payload = pickle.dumps(extractor)
    assert len(payload) < 100_000
    frame = column(run_image())
    np.testing.assert_array_equal(
        pickle.loads(payload).transform(frame).iloc[0, 0].tokens,
        extractor.transform(frame).iloc[0, 0].tokens,
    )
    with pytest.raises(NotFittedError):
        clone(extractor).transform(frame)


def test_series_lists_and_frames_are_all_accepted(extractor, series_frame):
    expected = extractor.fit_transform(series_frame)["fmri"]["s1"].tokens
    for cells in (series_frame["bold"], [[cell] for cell in series_frame["bold"]]):
        table = clone(extractor).fit_transform(cells)
        np.testing.assert_array_equal(table.iloc[0, 0].tokens, expected)


def test_column_of_paths_in_pandas_string_type(extractor, tmp_path):
    pd.DataFrame(roi_series()).to_csv(tmp_path / "a.csv", index=False)
    paths = pd.DataFrame({"bold": [str(tmp_path / "a.csv"), None]}, index=["s1", "s2"])
    assert extractor.fit_transform(paths)["fmri"].isna().tolist() == [False, True]


def test_stands_in_a_union(series_frame):
    union = ModalityUnion([("rest", FMRIExtractor(t_r=3.0), "bold")])
    union.set_params(rest__low_pass=0.08)
    table = union.fit_transform(series_frame)
    assert list(table.columns) == ["rest"]
    assert table["rest"].isna().tolist() == [False, True, False]


def test_real_series(realdata):
    frame = column(realdata / "nitime_fmri" / "fmri_timeseries.csv", None)
    encoding = FMRIExtractor(t_r=1.35).fit_transform(frame).loc["s1", "fmri"]
    names = encoding.backbone.option("token_names")
    pooled = PoolTokens().fit_transform(pd.DataFrame({"fmri": [encoding]}))
    assert encoding.tokens.shape == (31, 31)
    np.testing.assert_allclose(encoding.tokens, encoding.tokens.T, atol=1e-6)
    for region in ("Put", "Thal", "PCC"):
        partner = names[int(encoding.tokens[names.index(f"L{region}")].argmax())]
        assert partner == f"R{region}"
    assert pooled["fmri__LPut__z_RPut"].item() > 0.5


def test_parameters_are_validated():
    check_param_validation("FMRIExtractor", FMRIExtractor())


def test_output_can_be_configured(extractor, series_frame):
    polished = extractor.set_output(transform="pandas").fit_transform(series_frame)
    assert list(polished.columns) == ["fmri"]
    assert list(polished.index) == SUBJECTS


def test_fit_leaves_parameters_alone(extractor, series_frame):
    before = extractor.get_params()
    own = set(vars(extractor))
    after = extractor.fit(series_frame).get_params()
    assert all(after[name] is before[name] for name in before)
    learned = set(vars(extractor)) - own
    assert all(name.startswith("_") or name.endswith("_") for name in learned)


def test_contradicting_times_are_told_by_subject(tmp_path):
    nibabel.save(run_image(t_r=1.0), tmp_path / "s1_bold.nii.gz")
    (tmp_path / "s1_bold.json").write_text('{"RepetitionTime": 3.0}', encoding="utf-8")
    frame = column(str(tmp_path / "s1_bold.nii.gz"), run_image(t_r=3.0))
    with pytest.warns(DataWarning, match="^Subject 's1': .*1 s in the image.* and 3 s") as caught:
        table = FMRIExtractor(low_pass=0.15).fit_transform(frame)
    assert len(caught) == 1
    clean = FMRIExtractor(low_pass=0.15, t_r=3.0).fit_transform(frame)
    np.testing.assert_array_equal(table.iloc[0, 0].tokens, clean.iloc[0, 0].tokens)


@pytest.mark.parametrize(
    "content",
    [
        '{"InstitutionName": "Hôpital", "RepetitionTime": 3.0}'.encode("latin-1"),
        '{"InstitutionName": "Hôpital", "RepetitionTime": 3.0}'.encode(),
        b'\xef\xbb\xbf{"RepetitionTime": 3.0}',
        '{"RepetitionTime": 3.0}'.encode("utf-16"),
        '{"RepetitionTime": 3.0}'.encode("utf-16-le"),
        '{"RepetitionTime": 3.0}'.encode("utf-32"),
        b'{"RepetitionTime": null}',
        b'{"EchoTime": 0.03, "RepetitionTime": "3.0"}',
        b"[]",
        b"{}",
    ],
)
def test_sidecar_of_any_encoding(tmp_path, content):
    nibabel.save(run_image(t_r=3.0), tmp_path / "s1_bold.nii.gz")
    (tmp_path / "s1_bold.json").write_bytes(content)
    frame = column(str(tmp_path / "s1_bold.nii.gz"))
    assert FMRIExtractor().fit_transform(frame).notna().all(axis=None)


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"RepetitionTime": "soon"}', b"", b"\xff\xfe"]
)
def test_sidecar_that_says_nothing_is_the_subjects_failure(tmp_path, content):
    nibabel.save(run_image(t_r=3.0), tmp_path / "s1_bold.nii.gz")
    (tmp_path / "s1_bold.json").write_bytes(content)
    with pytest.raises(TimeSeriesError, match="Subject 's1'"):
        FMRIExtractor().fit_transform(column(str(tmp_path / "s1_bold.nii.gz")))


def test_region_without_a_number_is_named():
    frames = [pd.DataFrame(roi_series(seed), columns=list("abcde")) for seed in range(2)]
    frames[1]["c"] = np.nan
    with pytest.warns(DataWarning, match="^Subject 's2': 1 region.* masked: 'c'"):
        table = FMRIExtractor(t_r=3.0).fit_transform(column(*frames))
    assert table.iloc[1, 0].mask.tolist() == [True, True, False, True, True]


def test_subjects_are_matched_by_labels_in_the_header(tmp_path):
    labels = [2001, 2002, 2101, 2102, 2201]
    frame = pd.DataFrame(roi_series(0), columns=labels)
    paths = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    frame.to_csv(paths[0], sep="\t", index=False)
    frame[labels[::-1]].to_csv(paths[1], sep="\t", index=False)
    table = FMRIExtractor(t_r=3.0).fit_transform(column(*map(str, paths)))
    np.testing.assert_allclose(table.iloc[0, 0].tokens, table.iloc[1, 0].tokens)
