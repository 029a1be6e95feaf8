"""SMRIExtractor with a foundation model: volumes in, its tokens out."""

import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from adestim import ModalityUnion, PoolTokens, SMRIExtractor
from adestim.exceptions import CheckpointError, DataWarning, InputError, VolumeError
from adestim.modalities.smri.volume import read_volume
from tests.modalities.smri.model_files import SMALL, class_of, random_model, saved_checkpoint
from tests.modalities.smri.phantom import ORIENTATIONS, phantom

TOKENS = {"brainmvp": (6, 48), "sam-med3d": (64, 24), "brainiac": (24, 24)}
OPTIONS = {
    "brainmvp": {"resolution": 8.0},
    "sam-med3d": {},
    "brainiac": {"field_of_view": "template"},
}


def column(*cells):
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    return pd.DataFrame(
        {"t1w": values}, index=[f"s{number}" for number in range(1, len(cells) + 1)]
    )


def extractor_of(name, folder, **options):
    params = {"architecture": SMALL[name], **OPTIONS[name], **options}
    weights = saved_checkpoint(folder, name)
    return SMRIExtractor(backbone=name, weights=weights, backbone_params=params, device="cpu")


@pytest.fixture
def brainmvp(tmp_path):
    return extractor_of("brainmvp", tmp_path)


@pytest.fixture
def scan():
    return phantom(ORIENTATIONS["sagittal"] * 2)


@pytest.mark.parametrize("name", ["brainmvp", "brainiac"])
def test_volumes_become_the_models_tokens(name, tmp_path, scan):
    extractor = extractor_of(name, tmp_path)
    table = extractor.fit_transform(column(scan, None, phantom()))
    assert table["smri"].isna().tolist() == [False, True, False]
    encoding = table.loc["s1", "smri"]
    assert encoding.tokens.shape == TOKENS[name]
    assert encoding.backbone.name == name
    assert encoding.backbone == extractor.backbone_
    prepared = class_of(name).prepare(
        read_volume(scan),
        **class_of(name).learn([], **class_of(name).input_size(**SMALL[name]), **OPTIONS[name]),
    )
    np.testing.assert_array_equal(encoding.inputs, prepared)
    with torch.no_grad():
        tokens = (model := random_model(name)).embed(torch.from_numpy(prepared)[None])
        wanted = model.encode(tokens, None, tokens.shape[1])[0]
    np.testing.assert_allclose(encoding.tokens, wanted, atol=1e-4)


def test_brain_that_does_not_fit_the_small_cube_is_told(tmp_path, scan):
    extractor = extractor_of("sam-med3d", tmp_path)
    with pytest.raises(VolumeError, match=r"Subject 's1': The brain must fit .* 48 x 48 x 48 mm"):
        extractor.fit_transform(column(scan))


def test_cube_around_a_head_is_encoded(tmp_path, head_image):
    table = extractor_of("sam-med3d", tmp_path).fit_transform(column(head_image))
    assert table.iloc[0, 0].tokens.shape == TOKENS["sam-med3d"]


def test_one_option_sets_the_shape_of_preparation_and_network(brainmvp, scan):
    brainmvp.backbone_params["architecture"] = {**SMALL["brainmvp"], "volume_shape": (32, 32, 32)}
    encoding = brainmvp.fit_transform(column(scan)).iloc[0, 0]
    assert encoding.inputs.shape == (1, 32, 32, 32)
    assert encoding.tokens.shape == (8, 48)
    assert dict(encoding.backbone.option("architecture"))["volume_shape"] == (32, 32, 32)


def test_orientation_of_the_file_makes_no_difference(brainmvp):
    scans = [phantom(2 * ORIENTATIONS[orientation]) for orientation in ("ras", "lps", "sagittal")]
    first, *others = brainmvp.fit_transform(column(*scans))["smri"]
    for other in others:
        np.testing.assert_allclose(other.tokens, first.tokens, atol=1e-3)


def test_head_names_the_subject_and_the_remedy(brainmvp, scan, head_image):
    with pytest.raises(VolumeError, match=r"Subject 's2': BrainMVP reads skull-stripped.*Strip"):
        brainmvp.fit_transform(column(scan, head_image))
    with pytest.warns(DataWarning, match="Subject 's2'"):
        table = brainmvp.set_params(errors="missing").fit_transform(column(scan, head_image))
    assert table["smri"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"resolution": 2.0}, "resolution of SMRIExtractor must be left out"),
        ({"labels": ["a"], "parcellation": "atlas.nii"}, "parcellation and labels of SMRI"),
        ({"backbone": "morphometry"}, "weights and backbone_params of SMRIExtractor"),
        ({"backbone": "brain-mvp"}, "must name a backbone of its modality"),
        ({"weights": "absent.pt"}, "must be an existing"),
        ({"backbone_params": {"spacing": 2}}, "must be options that it has"),
        ({"backbone_params": {"architecture": {"volume_shape": (90, 96, 96)}}}, "multiples of 16"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_in_fit(brainmvp, params, words):
    with pytest.raises(InputError, match=words):
        brainmvp.set_params(**params).fit(column(None))


def test_weights_of_another_model_are_refused(brainmvp, tmp_path, scan):
    brainmvp.set_params(weights=saved_checkpoint(tmp_path, "brainiac"))
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        brainmvp.fit_transform(column(scan))


@pytest.mark.parametrize("name", ["brainmvp", "sam-med3d", "brainiac"])
def test_weights_of_another_model_are_refused_before_a_volume_is_read(name, tmp_path):
    other = "brainiac" if name != "brainiac" else "brainmvp"
    extractor = extractor_of(name, tmp_path)
    extractor.set_params(weights=saved_checkpoint(tmp_path, other))
    with pytest.raises(CheckpointError, match=rf"of {name!r} must hold exactly that model's"):
        extractor.fit(column("no such file.nii.gz"))


def test_registration_is_done_before_and_told_by_the_name_tag(brainmvp, scan, monkeypatch):
    seen = []
    doubled = nibabel.Nifti1Image(scan.get_fdata(), np.diag([1.1, 1.1, 1.1, 1]) @ scan.affine)
    monkeypatch.setattr("adestim.modalities.smri.extractor.register_affine", lambda image: doubled)
    monkeypatch.setattr(
        "adestim.modalities.smri.extractor.require_mni",
        lambda volume, template, remedy: seen.append(remedy),
    )
    native = clone(brainmvp).fit_transform(column(scan)).iloc[0, 0]
    registered = brainmvp.set_params(registration="affine").fit_transform(column(scan)).iloc[0, 0]
    assert len(seen) == 1
    assert registered.backbone.option("registration") == "affine"
    assert registered.backbone != native.backbone
    assert np.count_nonzero(registered.inputs) > np.count_nonzero(native.inputs)


def test_arrays_are_read_by_the_affine_parameter(brainmvp, scan):
    wanted = clone(brainmvp).fit_transform(column(scan)).iloc[0, 0]
    brainmvp.set_params(affine=scan.affine)
    found = brainmvp.fit_transform(column(scan.get_fdata(dtype=np.float32))).iloc[0, 0]
    np.testing.assert_array_equal(found.inputs, wanted.inputs)


def test_fitted_extractor_pickles_small(brainmvp, scan):
    wanted = brainmvp.fit_transform(column(scan)).iloc[0, 0].tokens
    payload = pickle.dumps(brainmvp)
    assert len(payload) < 20_000
    np.testing.assert_array_equal(
        pickle.loads(payload).transform(column(scan)).iloc[0, 0].tokens, wanted
    )


def test_stands_in_a_union_and_is_pooled(brainmvp, scan):
    union = ModalityUnion([("mri", brainmvp, "t1w")])
    pooled = PoolTokens().fit_transform(union.fit_transform(column(scan, None, phantom())))
    assert len(pooled) == 3
    assert pooled.loc["s2"].isna().all()
    assert pooled.loc[["s1", "s3"]].notna().all(axis=None)


def test_fields_of_view_that_differ_are_told_of(tmp_path, scan):
    extractor = extractor_of("brainiac", tmp_path, field_of_view=None)
    smaller = scan.slicer[5:-5]
    with pytest.warns(DataWarning) as caught:
        extractor.fit_transform(column(scan, None, smaller, smaller))
    rows, subjects, others = sorted(str(warning.message) for warning in caught)[::-1]
    assert "training rows differ, from 200 x" in rows or "training rows differ, from" in rows
    assert {subjects.split(":")[0], others.split(":")[0]} == {
        "Subject 's1'",
        "2 subjects, 's3', 's4'",
    }
    assert "field_of_view" in subjects


def test_equal_fields_of_view_are_told_of_once_and_where_they_are_cut_never(tmp_path, scan):
    with pytest.warns(DataWarning, match=r"2 subjects.*200 x 200 x 200 mm") as caught:
        extractor_of("brainiac", tmp_path, field_of_view=None).fit_transform(column(scan, scan))
    assert len(caught) == 1
    extractor_of("brainiac", tmp_path).fit_transform(column(scan, scan.slicer[5:-5]))


def test_a_fine_resolution_of_brainmvp_brings_its_own_shape(tmp_path, scan):
    architecture = {
        key: SMALL["brainmvp"][key] for key in SMALL["brainmvp"] if key != "volume_shape"
    }
    extractor = extractor_of("brainmvp", tmp_path, resolution=1.0, architecture=architecture)
    extractor.fit(column(None))
    assert dict(extractor.backbone_.option("architecture"))["volume_shape"] == (160, 192, 160)
    extractor.backbone_params["architecture"]["volume_shape"] = (64, 64, 64)
    extractor.fit(column(None))
    assert dict(extractor.backbone_.option("architecture"))["volume_shape"] == (64, 64, 64)
