"""FMRIExtractor with a foundation model: from runs and ROI series to encodings."""

import pickle
import shutil

import nibabel
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from adestim import FMRIExtractor
from adestim._support.digests import digest_file
from adestim.backbone import loading
from adestim.exceptions import (
    CheckpointError,
    DataWarning,
    InputError,
    SubjectsError,
    TimeSeriesError,
)
from tests.modalities.fmri.model_files import (
    JEPA_TINY,
    SMALL_TINY,
    VIT_TINY,
    arrays,
    baselines,
    coordinates_file,
    flat_file,
    jepa_file,
    table_file,
)

T_R = 3.0


def column(*cells):
    cells_of = np.empty(len(cells), dtype=object)
    cells_of[:] = cells
    return pd.DataFrame({"bold": cells_of}, index=[f"s{n}" for n in range(len(cells))])


def places(n, folder):
    xyz = np.random.default_rng(0).integers(-70, 70, size=(n, 3))
    return coordinates_file(folder / "A424_Coordinates.dat", xyz)


@pytest.fixture(scope="module")
def jepa(parity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jepa")
    gradients = arrays(parity / "brainjepa")["gradient"]
    return {
        "backbone": "brain-jepa",
        "weights": jepa_file(parity / "brainjepa", folder / "jepa-ep300.pth.tar"),
        "backbone_params": {
            "gradients": table_file(folder / "g.csv", gradients),
            "architecture": JEPA_TINY,
        },
        "device": "cpu",
    }


@pytest.fixture(scope="module")
def vit(parity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    coordinates = places(30, folder)
    return {
        "backbone": "brainlm-111m",
        "weights": flat_file(parity / "brainlm", folder / "pytorch_model.bin"),
        "backbone_params": {
            "coordinates": coordinates,
            "architecture": VIT_TINY | {"n_parcels": 30, "n_frames": 40},
        },
        "device": "cpu",
    }


@pytest.fixture(scope="module")
def small(parity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return {
        "backbone": "brainlm-13m",
        "weights": flat_file(parity / "brainlm13m", folder / "pytorch_model.bin"),
        "backbone_params": {"coordinates": places(30, folder), "architecture": SMALL_TINY},
        "device": "cpu",
    }


def tables(n_rois, n=3):
    series = [baselines(seed, 60, n_rois) for seed in range(n)]
    return column(*series, None)


@pytest.mark.parametrize(
    ("params", "n_rois", "inputs", "tokens", "n_readable"),
    [
        ("jepa", 20, (20, 40), (200, 32), 200),
        ("vit", 30, (30, 40), None, None),
        ("small", 30, (30, 43), (121, 32), 121),
    ],
)
def test_series_become_encodings(request, params, n_rois, inputs, tokens, n_readable):
    extractor = FMRIExtractor(t_r=T_R, **request.getfixturevalue(params))
    table = extractor.fit_transform(tables(n_rois))
    first, second, _, missing = table["fmri"]
    assert missing is None
    assert first.inputs.shape == inputs
    assert first.backbone == extractor.backbone_
    assert first.backbone.source("home").startswith("adestim.modalities.fmri.")
    assert not np.allclose(first.tokens, second.tokens)
    if tokens is not None:
        assert first.tokens.shape == tokens
        assert first.mask is None
    else:
        assert first.tokens.shape[1] == 32
        assert 1 < first.mask.sum() < len(first.mask)


@pytest.mark.parametrize("params", ["jepa", "vit", "small"])
def test_clones_and_pickles_encode_alike_and_bring_no_weights(request, params):
    extractor = FMRIExtractor(t_r=T_R, **request.getfixturevalue(params))
    frame = tables(20 if params == "jepa" else 30)
    expected = extractor.fit(frame).transform(frame).iloc[0, 0].tokens
    payload = pickle.dumps(extractor)
    assert len(payload) < 50_000
    for other in (pickle.loads(payload), clone(extractor).fit(frame)):
        np.testing.assert_array_equal(other.transform(frame).iloc[0, 0].tokens, expected)


def test_low_rank_adapters_change_the_tokens_and_travel_with_the_extractor(small):
    series = [baselines(seed, 60, 30) for seed in range(12)]
    for ill in series[1::2]:
        ill += 60 * np.sin(np.arange(60) / 4)[:, None]
    frame, labels = column(*series), [0, 1] * 6
    extractor = FMRIExtractor(t_r=T_R, random_state=0, **small)
    frozen = extractor.fit_transform(frame).iloc[0, 0].tokens
    extractor.set_params(adapt="lora", adapt_params={"max_epochs": 4})
    adapted = extractor.fit(frame, labels).transform(frame).iloc[0, 0].tokens
    assert adapted.shape == frozen.shape
    assert not np.allclose(adapted, frozen)
    again = pickle.loads(pickle.dumps(extractor)).transform(frame).iloc[0, 0].tokens
    np.testing.assert_array_equal(again, adapted)


def run_of(seed=0):
    """A run of 20 slabs, and the atlas of the slabs."""
    series = baselines(seed, 60, 20).T[:, None, None]
    values = np.broadcast_to(series, (20, 2, 2, 60)).astype(np.float32)
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header.set_zooms((1, 1, 1, T_R))
    image.header.set_xyzt_units("mm", "sec")
    return image


def slabs():
    labels = np.broadcast_to(np.arange(1, 21, dtype=np.uint8)[:, None, None], (20, 2, 2))
    return nibabel.Nifti1Image(np.ascontiguousarray(labels), np.eye(4))


def test_runs_are_averaged_over_the_parcellation_and_equal_their_series(jepa, tmp_path):
    nibabel.save(run_of(), tmp_path / "run.nii.gz")
    from_run = FMRIExtractor(parcellation=slabs(), **jepa)
    encoding = from_run.fit_transform(column(str(tmp_path / "run.nii.gz"))).iloc[0, 0]
    frame = column(baselines(0, 60, 20))
    series = FMRIExtractor(t_r=T_R, **jepa).fit_transform(frame).iloc[0, 0]
    np.testing.assert_allclose(encoding.inputs, series.inputs, atol=1e-3)
    np.testing.assert_allclose(encoding.tokens, series.tokens, atol=1e-2)


def test_series_keep_their_mean_unless_a_filter_is_named(jepa):
    jepa = {**jepa, "backbone_params": {**jepa["backbone_params"], "normalization": None}}
    frame = column(baselines(0, 200, 20))
    raw = FMRIExtractor(t_r=2.2, **jepa).fit_transform(frame).iloc[0, 0].inputs
    np.testing.assert_allclose(raw, frame.iloc[0, 0][80:120].T, rtol=1e-6)
    filtered = FMRIExtractor(t_r=2.2, low_pass=0.1, **jepa).fit_transform(frame).iloc[0, 0].inputs
    np.testing.assert_allclose(filtered.mean(axis=1), raw.mean(axis=1), rtol=0.02)
    assert filtered.std(axis=1).mean() < 0.9 * raw.std(axis=1).mean()


def test_band_of_the_connectome_is_unchanged():
    frame = column(baselines(0, 200, 5))
    usual = FMRIExtractor(t_r=2.0).fit_transform(frame).iloc[0, 0].tokens
    named = FMRIExtractor(t_r=2.0, high_pass=0.01, low_pass=0.1).fit_transform(frame).iloc[0, 0]
    np.testing.assert_array_equal(usual, named.tokens)


def test_fast_and_slow_runs_of_one_brain_look_alike(jepa):
    def sampled(t_r):
        times = np.arange(0, 200, t_r)
        tones = np.linspace(0.01, 0.05, 20)
        return 100 * np.arange(1, 21) + np.sin(2 * np.pi * times[:, None] * tones)

    inputs = [
        FMRIExtractor(t_r=t_r, **jepa).fit_transform(column(sampled(t_r))).iloc[0, 0].inputs
        for t_r in (0.8, 2.0)
    ]
    np.testing.assert_allclose(*inputs, atol=0.01)


def test_statistics_come_from_the_training_rows_alone(small):
    extractor = FMRIExtractor(t_r=T_R, **small).fit(tables(30))
    before = extractor.backbone_
    other = column(*(10 * baselines(seed, 60, 30) for seed in range(5, 8)))
    tokens = extractor.transform(other).iloc[0, 0]
    assert tokens.backbone == before
    assert clone(extractor).fit(other).backbone_ != before


def test_another_table_of_gradients_is_another_backbone(jepa, tmp_path):
    frame = tables(20)
    params = dict(jepa["backbone_params"])
    values = np.random.default_rng(1).normal(size=(20, 6))
    params["gradients"] = table_file(tmp_path / "other.csv", values)
    first = FMRIExtractor(t_r=T_R, **jepa).fit(frame).backbone_
    second = FMRIExtractor(t_r=T_R, **{**jepa, "backbone_params": params}).fit(frame).backbone_
    assert first != second
    assert second.source("gradients").endswith("other.csv")


@pytest.mark.parametrize("params", ["jepa", "vit", "small"])
def test_modality_missing_for_all_training_rows(request, params):
    params = request.getfixturevalue(params)
    extractor = FMRIExtractor(labels=["a", "b"], **params).fit(column(None, np.nan))
    assert extractor.transform(column(None, "")).isna().all(axis=None)


def test_parcellation_is_checked_even_where_no_training_row_has_a_run(small):
    with pytest.raises(TimeSeriesError, match=r"reads 30 regions.*Got 20 regions"):
        FMRIExtractor(parcellation=slabs(), **small).fit(column(None))


def test_released_size_asks_for_names(jepa, tmp_path):
    params = {"gradients": tmp_path / "g.csv", "gradients_sha256": None}
    values = np.random.default_rng(1).normal(size=(450, 30))
    table_file(tmp_path / "g.csv", values)
    frame = column(baselines(0, 60, 450))
    unvouched = FMRIExtractor(t_r=T_R, **{**jepa, "backbone_params": params})
    with pytest.raises(InputError, match="SHA-256 c9bc667e"):
        unvouched.fit(frame)
    params = {**params, "gradients_sha256": digest_file(tmp_path / "g.csv")}
    vouched = FMRIExtractor(t_r=T_R, **{**jepa, "backbone_params": params})
    with pytest.raises(TimeSeriesError, match="must know the regions by name"):
        vouched.fit(frame)
    with pytest.raises(TimeSeriesError, match="'Region 0' where 'HIP-head-m-rh' belongs"):
        vouched.set_params(labels=[f"Region {number}" for number in range(450)]).fit(frame)


@pytest.mark.parametrize("params", ["jepa", "vit", "small"])
@pytest.mark.parametrize("cell", ["no such file.nii.gz", "no such table.tsv"])
def test_weights_of_another_model_are_refused_before_a_run_is_read(request, params, cell):
    given = request.getfixturevalue(params)
    other = request.getfixturevalue("small" if params != "small" else "vit")
    extractor = FMRIExtractor(t_r=T_R, **{**given, "weights": other["weights"]})
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        extractor.fit(column(cell))
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        extractor.fit(tables(20 if params == "jepa" else 30))


@pytest.mark.parametrize("cut", ["centred", "standardised"])
@pytest.mark.parametrize("normalization", ["scan", None])
def test_series_without_their_mean_are_told_of_where_it_counts(jepa, cut, normalization):
    series = baselines(0, 60, 20)
    series -= series.mean(axis=0)
    if cut == "standardised":
        series /= series.std(axis=0)
    params = {**jepa["backbone_params"], "normalization": normalization}
    extractor = FMRIExtractor(t_r=T_R, **{**jepa, "backbone_params": params})
    frame = column(None, baselines(1, 60, 20), series)
    if normalization is None:
        extractor.fit_transform(frame)
        return
    with pytest.warns(DataWarning, match=r"Subject 's2': .*without their mean.*'scan'"):
        extractor.fit_transform(frame)


@pytest.mark.parametrize("how", ["set_params", "search path", "nowhere"])
def test_weights_and_table_that_moved_are_found(jepa, tmp_path, monkeypatch, how):
    old = tmp_path / "old"
    shutil.copytree(jepa["weights"].parent, old)
    params = {**jepa["backbone_params"], "gradients": old / "g.csv"}
    settings = {**jepa, "weights": old / jepa["weights"].name, "backbone_params": params}
    extractor = FMRIExtractor(t_r=T_R, **settings).fit(tables(20))
    expected = extractor.transform(tables(20)).iloc[0, 0].tokens
    new = old.rename(tmp_path / "new")
    monkeypatch.setattr(loading, "_LOADED", {})
    extractor = pickle.loads(pickle.dumps(extractor))
    if how == "nowhere":
        extractor.set_params(weights=new / settings["weights"].name)
        with pytest.raises(
            CheckpointError, match=r"table of gradients .* must be the file that fit"
        ):
            extractor.transform(tables(20))
        return
    if how == "search path":
        monkeypatch.setenv("ADESTIM_WEIGHTS", str(tmp_path))
    else:
        now = {**params, "gradients": new / "g.csv"}
        extractor.set_params(weights=new / settings["weights"].name, backbone_params=now)
    tokens = extractor.transform(tables(20)).iloc[0, 0].tokens
    np.testing.assert_array_equal(tokens, expected)


def with_nan(series):
    series[:, :3] = np.nan
    return series


@pytest.mark.parametrize(
    ("cell", "t_r", "words"),
    [
        (baselines(1, 60, 20), None, r"repetition time must be known.*Pass t_r= in seconds\.$"),
        (baselines(1, 30, 20), T_R, r"must last at least min_duration=100 s.*90 s"),
        (baselines(1, 60, 19), T_R, "must have the 20 regions"),
        (with_nan(baselines(1, 60, 20)), T_R, "At most 10% of the 20 regions.*Got 3"),
        (np.full((60, 20), np.nan), T_R, "need a finite signal"),
    ],
)
def test_bad_series_name_subject_and_remedy(jepa, cell, t_r, words):
    extractor = FMRIExtractor(t_r=t_r, **jepa).fit(column(baselines(0, 60, 20)))
    with pytest.raises(TimeSeriesError, match=f"Subject 's0': .*{words}") as caught:
        extractor.transform(column(cell))
    assert caught.value.remedy


def test_wrong_number_of_regions_is_refused_for_the_model(jepa):
    extractor = FMRIExtractor(t_r=T_R, **jepa)
    with pytest.raises(TimeSeriesError, match=r"brain-jepa reads 20 regions\. Got 5"):
        extractor.fit_transform(column(baselines(0, 60, 5)))


def test_training_rows_that_fail_are_told_at_once(small):
    frame = column(baselines(0, 60, 30), "absent.tsv", "absent.csv")
    with pytest.raises(SubjectsError, match="2 subject"):
        FMRIExtractor(t_r=T_R, **small).fit(frame)
    lenient = FMRIExtractor(t_r=T_R, errors="missing", **small).fit(frame)
    assert lenient.layout_.n_rois == 30


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"backbone": "brain-jeppa"}, InputError, "must name a backbone.*brain-jepa.*brainlm-13m"),
        ({"weights": "absent.tar"}, CheckpointError, "must be an existing file"),
        ({"backbone_params": None}, InputError, "must name the table of gradients"),
    ],
)
def test_wrong_parameters_are_refused(jepa, change, error, words):
    with pytest.raises(error, match=words):
        FMRIExtractor(t_r=T_R, **{**jepa, **change}).fit(tables(20))


def test_training_rows_with_too_few_regions_are_named_or_missing(vit):
    bad = baselines(0, 60, 30)
    bad[:, :5] = np.nan
    frame = column(bad, baselines(1, 60, 30), baselines(2, 60, 30))
    with pytest.raises(TimeSeriesError, match="Subject 's0': At most 10%"):
        FMRIExtractor(**vit, t_r=T_R).fit(frame)
    with pytest.warns(DataWarning, match="1 subject.*'s0'"):
        encodings = FMRIExtractor(**vit, t_r=T_R, errors="missing").fit_transform(frame)
    assert encodings["fmri"].isna().tolist() == [True, False, False]
