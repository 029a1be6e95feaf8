"""The skull is taken off by deepbet, or by a mask beside the image."""

import pickle
import subprocess
import sys

import nibabel
import numpy as np
import pandas as pd
import pytest
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_to_img

from adestim import SMRIExtractor
from adestim.exceptions import DataWarning, MissingDependencyError, VolumeError
from adestim.modalities.smri import brain_extraction
from adestim.modalities.smri.brain_extraction import (
    BrainExtraction,
    list_masks,
    settle_extraction,
)
from adestim.modalities.smri.volume import read_volume
from tests.modalities.smri.model_files import SMALL, saved_checkpoint

MASKED = BrainExtraction("mask")


class Nets:
    """Stands in for deepbet's: finds a mask that is given."""

    def __init__(self, mask):
        self.mask = mask

    def run(self, image):
        if not self.mask.get_fdata().any():
            raise AssertionError("Not enough foreground to calculate bounding box")
        return image, self.mask, 0.0


@pytest.fixture
def standing_in(monkeypatch):
    """Make deepbet find a mask."""

    def stand_in(mask):
        monkeypatch.setattr(brain_extraction, "load_deepbet", lambda: Nets(mask))

    return stand_in


@pytest.fixture(scope="session")
def brain_mask(brain_image):
    """The mask of the brain in its head."""
    values = (brain_image.get_fdata() > 100).astype(np.uint8)
    return nibabel.Nifti1Image(values, brain_image.affine)


@pytest.fixture
def head_file(head_image, tmp_path):
    path = tmp_path / "sub-01_T1w.nii.gz"
    nibabel.save(head_image, path)
    return path


def column(*cells):
    return pd.DataFrame({"t1w": pd.Series(cells, dtype=object, index=list("abc")[: len(cells)])})


def brainiac(folder, **params):
    options = {"architecture": SMALL["brainiac"], "field_of_view": "template"}
    weights = saved_checkpoint(folder, "brainiac")
    return SMRIExtractor(
        backbone="brainiac", weights=weights, backbone_params=options, device="cpu", **params
    )


@pytest.mark.slow
def test_deepbet_finds_the_brain_in_its_head(head_image):
    image = read_volume(head_image)
    brain = settle_extraction("deepbet")(image, head_image)
    found = brain.get_fdata() > 0
    template = resample_to_img(
        load_mni152_brain_mask(resolution=2),
        image,
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )
    wanted = template.get_fdata() > 0
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9
    np.testing.assert_array_equal(brain.get_fdata()[found], image.get_fdata()[found])


@pytest.mark.slow
def test_no_window_is_imported():
    script = (
        "import sys; from adestim.modalities.smri.brain_extraction import load_deepbet; "
        "load_deepbet(); print([name for name in sys.modules if 'tkinter' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_without_deepbet_the_extra_is_named_before_a_volume_is_read(monkeypatch):
    monkeypatch.setattr(brain_extraction, "find_spec", lambda name: None)
    extractor = SMRIExtractor(brain_extraction="deepbet")
    with pytest.raises(MissingDependencyError, match=r"adestim\[brain-extraction\]"):
        extractor.fit(column("no such file.nii.gz"))


def test_head_becomes_tokens_of_a_model_that_reads_brains(tmp_path, head_image, brain_mask):
    nibabel.save(head_image, tmp_path / "t1.nii.gz")
    nibabel.save(brain_mask, tmp_path / "t1_bet_mask.nii.gz")
    frame = column(tmp_path / "t1.nii.gz", None)
    with pytest.raises(VolumeError, match="brain_extraction='deepbet'"):
        brainiac(tmp_path).fit_transform(frame)
    extractor = brainiac(tmp_path, brain_extraction="mask")
    first, missing = extractor.fit_transform(frame)["smri"]
    assert missing is None
    values = head_image.get_fdata() * brain_mask.get_fdata()
    stripped = nibabel.Nifti1Image(values.astype(np.float32), head_image.affine)
    wanted = brainiac(tmp_path).fit_transform(column(stripped)).iloc[0, 0]
    np.testing.assert_allclose(first.tokens, wanted.tokens, atol=1e-4)
    assert extractor.backbone_.option("brain_extraction") == "mask"


def test_deepbet_and_its_version_are_on_the_name_tag(head_image, brain_mask, standing_in, tmp_path):
    standing_in(brain_mask)
    for extractor in (brainiac(tmp_path), SMRIExtractor(resolution=6.0)):
        extractor.set_params(brain_extraction="deepbet").fit_transform(column(head_image))
        label = extractor.backbone_.option("brain_extraction")
        assert label.startswith("deepbet 1.")
        assert pickle.loads(pickle.dumps(extractor)).backbone_ == extractor.backbone_


def test_extraction_comes_before_registration(
    head_image, brain_mask, standing_in, monkeypatch, tmp_path
):
    standing_in(brain_mask)
    seen = []

    def register(image):
        seen.append(float(np.mean(image.get_fdata() == 0)))
        return image

    for module in ("extractor", "morphometry"):
        monkeypatch.setattr(f"adestim.modalities.smri.{module}.register_affine", register)
    for extractor in (brainiac(tmp_path), SMRIExtractor(resolution=6.0)):
        extractor.set_params(brain_extraction="deepbet", registration="affine")
        extractor.fit_transform(column(head_image))
    assert len(seen) == 2
    assert min(seen) > 0.5


def test_what_was_extracted_is_kept_until_the_mask_changes(head_file, brain_mask, tmp_path):
    mask = tmp_path / "sub-01_desc-brain_mask.nii.gz"
    nibabel.save(brain_mask, mask)
    extractor = SMRIExtractor(resolution=6.0, brain_extraction="mask", memory=tmp_path / "store")
    first = extractor.fit_transform(column(head_file)).iloc[0, 0].tokens
    smaller = brain_mask.get_fdata().astype(np.uint8)
    smaller[:, :, : smaller.shape[2] // 3] = 0
    nibabel.save(nibabel.Nifti1Image(smaller, brain_mask.affine), mask)
    second = extractor.fit_transform(column(head_file)).iloc[0, 0].tokens
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_T1w_bet_mask.nii.gz",
        "sub-01_T1w.nii.gz_bet_mask.nii.gz",
        "sub-01_T1w_bet.nii.gz",
        "sub-01_T1w_brain_mask.nii",
        "sub-01_T1w_mask.nii.gz",
        "sub-01_desc-brain_mask.nii.gz",
    ],
)
def test_masks_are_found_by_name(head_file, head_image, brain_mask, name):
    nibabel.save(brain_mask, head_file.with_name(name))
    assert list_masks(head_file) == [head_file.with_name(name)]
    brain = MASKED(read_volume(head_image), head_file)
    np.testing.assert_array_equal(brain.get_fdata() > 0, brain_mask.get_fdata() > 0)


def test_mask_of_preprocessed_images_is_found(tmp_path, head_image, brain_mask):
    path = tmp_path / "sub-01_space-MNI152NLin6Asym_desc-preproc_T1w.nii.gz"
    nibabel.save(brain_mask, tmp_path / "sub-01_space-MNI152NLin6Asym_desc-brain_mask.nii.gz")
    assert len(list_masks(path)) == 1


def test_brain_of_hd_bet_1_is_not_taken_for_a_mask(head_file, brain_image, brain_mask):
    nibabel.save(brain_image, head_file.with_name("sub-01_T1w_bet.nii.gz"))
    image = read_volume(head_file)
    with pytest.raises(VolumeError, match=r"T1w_bet\.nii\.gz being no mask"):
        MASKED(image, head_file)
    nibabel.save(brain_mask, head_file.with_name("sub-01_T1w_mask.nii.gz"))
    assert np.count_nonzero(MASKED(image, head_file).get_fdata()) > 0


def test_mask_in_another_orientation_is_turned(head_file, head_image, brain_mask):
    turned = brain_mask.as_reoriented([[0, -1], [1, -1], [2, 1]])
    nibabel.save(turned, head_file.with_name("sub-01_T1w_bet_mask.nii.gz"))
    brain = MASKED(read_volume(head_image), head_file)
    np.testing.assert_array_equal(brain.get_fdata() > 0, brain_mask.get_fdata() > 0)


def moved(mask):
    affine = mask.affine.copy()
    affine[0, 3] += 4
    return nibabel.Nifti1Image(mask.get_fdata().astype(np.uint8), affine)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda mask: mask.slicer[2:], "must lie on the grid of its image.*shape"),
        (moved, "with another affine"),
        (
            lambda mask: nibabel.Nifti1Image(
                np.pad(np.ones((3, 3, 3), np.uint8), [(0, n - 3) for n in mask.shape]), mask.affine
            ),
            "300 to 2800 mL.*Got 2 mL",
        ),
    ],
)
def test_masks_that_do_not_fit_are_refused(head_file, head_image, brain_mask, change, words):
    nibabel.save(change(brain_mask), head_file.with_name("sub-01_T1w_bet_mask.nii.gz"))
    with pytest.raises(VolumeError, match=words):
        MASKED(read_volume(head_image), head_file)


def test_absent_mask_names_the_subject_and_the_names(head_file, head_image):
    extractor = SMRIExtractor(resolution=6.0, brain_extraction="mask")
    with pytest.raises(VolumeError, match=r"Subject 'a': .*none beside sub-01_T1w.*_bet_mask"):
        extractor.fit_transform(column(head_file))
    with pytest.raises(VolumeError, match="of type Nifti1Image"):
        extractor.fit_transform(column(head_image))


def filled(mask, value):
    """A mask that is everywhere, or nowhere."""
    return nibabel.Nifti1Image(np.full(mask.shape, value, dtype=np.uint8), mask.affine)


def test_volume_without_a_brain_is_refused(head_image, brain_mask, standing_in):
    standing_in(filled(brain_mask, 0))
    extraction = BrainExtraction("deepbet")
    with pytest.raises(VolumeError, match=r"must find a brain.*Not enough foreground"):
        extraction(read_volume(head_image), head_image)
    standing_in(filled(brain_mask, 1))
    with pytest.raises(VolumeError, match="300 to 2800 mL"):
        extraction(read_volume(head_image), head_image)


def test_failures_may_be_missing_instead(head_image, brain_mask, standing_in):
    standing_in(filled(brain_mask, 0))
    extractor = SMRIExtractor(resolution=6.0, brain_extraction="deepbet", errors="missing")
    with pytest.warns(DataWarning, match="treated as missing"):
        assert extractor.fit_transform(column(head_image)).iloc[0, 0] is None
