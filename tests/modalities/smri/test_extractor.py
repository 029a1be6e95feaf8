"""SMRIExtractor: an ordinary scikit-learn transformer over T1-weighted volumes."""

import pickle
import sys

import nibabel
import numpy as np
import pandas as pd
import pytest
from nilearn.image import resample_img
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_param_validation,
)

from adestim import ModalityUnion, PoolTokens, SMRIExtractor
from adestim.encoding import Encoding
from adestim.exceptions import (
    AdestimError,
    DataWarning,
    InputError,
    MissingDependencyError,
    SubjectsError,
    VolumeError,
)

SUBJECTS = ["s1", "s2", "s3"]


def column(*cells):
    cells_of = np.empty(len(cells), dtype=object)
    cells_of[:] = cells
    return pd.DataFrame({"t1w": cells_of}, index=SUBJECTS[: len(cells)])


@pytest.fixture
def extractor():
    return SMRIExtractor(resolution=6.0)


@pytest.fixture
def frame(brain_image, head_image):
    return column(brain_image, None, head_image)


def first_tokens(table):
    return table.iloc[0, 0].tokens


def test_volumes_become_one_token_a_region(extractor, frame):
    table = extractor.fit_transform(frame)
    assert isinstance(table.loc["s1", "smri"], Encoding)
    assert table.loc["s1", "smri"].tokens.shape == (108, 7)
    assert table.loc["s2", "smri"] is None
    assert list(table.index) == SUBJECTS
    assert extractor.get_feature_names_out().tolist() == ["smri"]


@pytest.mark.parametrize("cell", [None, np.nan, "", "n/a", pd.NA])
def test_missing_volumes_are_missing_encodings(extractor, brain_image, cell):
    table = extractor.fit_transform(column(brain_image, cell))
    assert table["smri"].isna().tolist() == [False, True]


def test_paths_images_and_arrays_are_read_alike(extractor, brain_image, tmp_path):
    nibabel.save(brain_image, tmp_path / "t1.nii.gz")
    values = brain_image.get_fdata(dtype=np.float32)
    extractor.set_params(affine=brain_image.affine)
    cells = column(str(tmp_path / "t1.nii.gz"), tmp_path / "t1.nii.gz", values)
    expected = first_tokens(extractor.fit_transform(column(brain_image)))
    for encoding in extractor.fit_transform(cells)["smri"]:
        np.testing.assert_allclose(encoding.tokens, expected, rtol=1e-5, atol=1e-5)


def test_series_lists_and_string_columns_are_all_accepted(extractor, brain_image, tmp_path):
    path = str(tmp_path / "t1.nii.gz")
    nibabel.save(brain_image, path)
    expected = first_tokens(extractor.fit_transform(column(brain_image)))
    tables = [pd.Series([path, None]), [[path], [None]], pd.DataFrame({"t1w": [path, None]})]
    for table in tables:
        encoded = clone(extractor).fit_transform(table)["smri"]
        np.testing.assert_allclose(encoded.iloc[0].tokens, expected, rtol=1e-5, atol=1e-5)
        assert encoded.iloc[1] is None


def test_two_columns_are_refused(extractor, frame):
    with pytest.raises(InputError, match="reads one column") as caught:
        extractor.fit(frame.assign(t2w=None))
    assert "ModalityUnion" in caught.value.remedy


def test_array_without_affine_names_subject_and_parameter(extractor, brain_image):
    frame = column(brain_image, brain_image.get_fdata())
    with pytest.raises(VolumeError, match=r"Subject 's2': .*Pass affine= to the extractor"):
        extractor.fit_transform(frame)


def test_affine_of_another_shape_is_refused(extractor):
    with pytest.raises(InputError, match=r"affine of SMRIExtractor must have the shape \(4, 4\)"):
        extractor.set_params(affine=np.eye(3)).fit(column(None))


def absent(path, image):
    """No file."""


def dangling(path, image):
    path.symlink_to(path.parent / "annex")


def empty(path, image):
    path.touch()


def corrupt(path, image):
    path.write_bytes(b"no image at all")


def truncated(path, image):
    nibabel.save(image, path)
    path.write_bytes(path.read_bytes()[:-5000])


def run(path, image):
    nibabel.save(nibabel.concat_images([image, image]), path)


def with_nan(path, image):
    values = image.get_fdata().copy()
    values[20, 20, 20] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, image.affine), path)


def with_infinity(path, image):
    values = image.get_fdata().copy()
    values[20, 20, 20] = np.inf
    nibabel.save(nibabel.Nifti1Image(values, image.affine), path)


def constant(path, image):
    nibabel.save(nibabel.Nifti1Image(np.ones(image.shape), image.affine), path)


def claims_terabytes(path, image):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 2000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.set_sform(image.affine, code=1)
    path.write_bytes(header.binaryblock + b"\0" * 64)


def elsewhere(path, image):
    affine = image.affine.copy()
    affine[:3, 3] += (40, 60, -30)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(), affine), path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (absent, "no such file"),
        (dangling, "a dangling link"),
        (empty, "an empty file"),
        (corrupt, "readable by nibabel"),
        (truncated, "readable to the end"),
        (run, "a T1w image, not a run"),
        (with_nan, "1 NaN or infinite voxels"),
        (with_infinity, "1 NaN or infinite voxels"),
        (constant, "must not be constant"),
        (claims_terabytes, "must fit 4 GiB"),
        (elsewhere, "must be in MNI152 space"),
    ],
)
def test_bad_volume_names_subject_and_remedy(extractor, brain_image, tmp_path, write, words):
    path = tmp_path / ("t1.nii" if write is claims_terabytes else "t1.nii.gz")
    write(path, brain_image)
    frame = column(brain_image, str(path))
    with pytest.raises(VolumeError, match=f"Subject 's2': .*{words}") as caught:
        extractor.fit(frame).transform(frame)
    assert caught.value.remedy


def test_affine_that_cannot_be_inverted_names_the_subject(extractor, brain_image):
    broken = nibabel.Nifti1Image(brain_image.get_fdata(), None)
    broken._affine = np.diag([4.0, 4.0, 0.0, 1.0])
    with pytest.raises(VolumeError, match=r"Subject 's2': .*finite and invertible"):
        extractor.fit_transform(column(brain_image, broken))


def test_all_failing_subjects_are_told_at_once(extractor, brain_image):
    with pytest.raises(SubjectsError, match=r"2 subject.*'s1'.*'s3'"):
        extractor.fit_transform(column("absent.nii", brain_image, "gone.nii"))


def test_failing_subjects_may_count_as_missing(extractor, brain_image):
    extractor.set_params(errors="missing")
    with pytest.warns(DataWarning, match="Subject 's2'"):
        table = extractor.fit_transform(column(brain_image, "absent.nii"))
    assert table["smri"].isna().tolist() == [False, True]


def test_label_image_and_its_names(extractor, brain_image, tmp_path):
    labels = np.zeros(brain_image.shape, dtype=np.uint8)
    labels[10:25, 20:40, 20:30], labels[25:40, 20:40, 20:30] = 4, 8
    nibabel.save(nibabel.Nifti1Image(labels, brain_image.affine), tmp_path / "atlas.nii.gz")
    extractor.set_params(parcellation=tmp_path / "atlas.nii.gz", labels=["Left-x", "Right-x"])
    encoding = extractor.fit_transform(column(brain_image)).iloc[0, 0]
    assert encoding.tokens.shape == (2, 7)
    assert encoding.backbone.option("token_names") == ("Left-x", "Right-x")


def test_atlas_that_does_not_overlap_is_refused(extractor):
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = 300
    atlas = nibabel.Nifti1Image(np.ones((9, 9, 9), dtype=np.uint8), affine)
    with pytest.raises(VolumeError, match="must overlap the MNI152 brain"):
        extractor.set_params(parcellation=atlas).fit(column(None))


def test_labels_without_parcellation_are_refused(extractor):
    with pytest.raises(InputError, match="labels without parcellation"):
        extractor.set_params(labels=["a"]).fit(column(None))


@pytest.mark.slow
def test_registration_brings_a_volume_to_the_template(extractor, brain_image):
    affine = brain_image.affine.copy()
    affine[:3, 3] += (15, -30, 40)
    native = column(nibabel.Nifti1Image(brain_image.get_fdata(), affine))
    with pytest.raises(VolumeError, match="registration='affine'"):
        clone(extractor).fit_transform(native)
    registered = first_tokens(
        clone(extractor).set_params(registration="affine").fit_transform(native)
    )
    expected = first_tokens(extractor.fit_transform(column(brain_image)))
    assert np.corrcoef(registered[:, 0], expected[:, 0])[0, 1] > 0.99


def test_registration_without_dipy_names_the_extra(extractor, brain_image, monkeypatch):
    monkeypatch.setitem(sys.modules, "dipy.align", None)
    extractor.set_params(registration="affine")
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[registration\]'"):
        extractor.fit_transform(column(brain_image))


def test_workers_give_what_one_process_gives(extractor, frame):
    extractor.fit(frame)
    alone = extractor.transform(frame)["smri"]
    together = extractor.set_params(n_jobs=2).transform(frame)["smri"]
    for subject in ("s1", "s3"):
        np.testing.assert_array_equal(alone[subject].tokens, together[subject].tokens)
    assert together["s2"] is None


def test_progress_is_shown_when_verbose(extractor, frame, terminal):
    extractor.set_params(verbose=True).fit_transform(frame)
    assert "smri" in terminal.getvalue()


def test_fitted_extractor_pickles_small_and_clones(extractor, frame):
    expected = first_tokens(extractor.fit_transform(frame))
    payload = pickle.dumps(extractor)
    assert len(payload) < 20_000
    np.testing.assert_array_equal(first_tokens(pickle.loads(payload).transform(frame)), expected)
    with pytest.raises(NotFittedError):
        clone(extractor).transform(frame)


def test_fit_leaves_parameters_alone(extractor, frame):
    before = extractor.get_params()
    own = set(vars(extractor))
    after = extractor.fit(frame).get_params()
    assert all(after[name] is before[name] for name in before)
    learned = set(vars(extractor)) - own
    assert all(name.startswith("_") or name.endswith("_") for name in learned)


def test_modality_missing_for_all_training_rows(extractor, frame):
    extractor.fit(column(None, np.nan))
    assert extractor.transform(frame)["smri"].isna().tolist() == [False, True, False]


def test_output_can_be_configured(extractor, frame):
    table = extractor.set_output(transform="pandas").fit_transform(frame)
    assert list(table.columns) == ["smri"]
    assert list(table.index) == SUBJECTS


def test_stands_in_a_union_and_is_pooled(extractor, frame):
    union = ModalityUnion([("mri", extractor, "t1w")]).set_params(mri__resolution=8.0)
    pooled = PoolTokens().fit_transform(union.fit_transform(frame))
    assert "mri__hippocampus_L__volume" in pooled.columns
    assert pooled.loc["s1"].notna().all()
    assert pooled.loc["s2"].isna().all()


def test_parameters_are_validated():
    check_param_validation("SMRIExtractor", SMRIExtractor())
    with pytest.raises(ValueError, match="The 'resolution' parameter of SMRIExtractor"):
        SMRIExtractor(resolution=0.5).fit(column(None))


def test_real_files_that_are_no_volumes_name_the_subject(realdata, extractor, brain_image):
    frame = column(brain_image, str(realdata / "nitime_fmri" / "fmri1.nii.gz"))
    with pytest.raises(AdestimError, match="Subject 's2'"):
        extractor.fit_transform(frame)


def without_codes(image):
    """The image as a file whose header does not state its orientation."""
    content = bytearray(image.to_bytes())
    content[252:256] = bytes(4)
    return nibabel.Nifti1Image.from_bytes(bytes(content))


@pytest.fixture
def unstated(brain_image):
    """The brain as a scanner of unknown orientation left it, which happens to be right."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((55, 65, 55))
    header["pixdim"][1:4] = 4
    placed = resample_img(brain_image, header.get_base_affine(), header.get_data_shape())
    return without_codes(placed)


@pytest.mark.parametrize("memory", [False, True])
def test_orientation_that_nobody_states_is_told_by_subject(unstated, brain_image, tmp_path, memory):
    extractor = SMRIExtractor(resolution=6.0, memory=tmp_path / "store" if memory else None)
    frame = column(unstated, brain_image, unstated)
    for _ in range(2):
        with pytest.warns(DataWarning, match="^2 subjects, 's1', 's3': .*orientation") as caught:
            extractor.fit_transform(frame)
        assert len(caught) == 1


def test_parcellation_of_unstated_orientation_is_told(unstated, brain_image):
    labels = (unstated.get_fdata() > 60).astype(np.int16)
    atlas = without_codes(nibabel.Nifti1Image(labels, unstated.affine))
    with pytest.warns(DataWarning, match="^parcellation: .*orientation"):
        SMRIExtractor(parcellation=atlas).fit(column(brain_image))
