"""Centiloids: published equations, and for what they hold."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import PETExtractor
from adestim.exceptions import DataWarning, InputError
from tests.modalities.pet.phantom import AFFINE, VALUES, atlas, scan, uptake


@pytest.fixture
def standard(tmp_path):
    """Masks under the names of the standard volumes of interest."""
    for name, value in (("voi_ctx_2mm.nii", 1), ("voi_WhlCbl_2mm.nii", 7)):
        mask = (value == VALUES).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(mask, AFFINE), tmp_path / name)
    return {
        "parcellation": tmp_path / "voi_ctx_2mm.nii",
        "reference": tmp_path / "voi_WhlCbl_2mm.nii",
    }


def encode(ratio=1.0, **params):
    frame = pd.DataFrame({"pet": [scan(uptake(frontal=2 * ratio))]}, index=["s1"])
    extractor = PETExtractor(centiloid=True, labels=["cortex"], **params)
    return extractor.fit_transform(frame).loc["s1", "pet"]


@pytest.mark.parametrize(
    ("tracer", "ratio", "centiloids"),
    [
        ("PiB", 1.009, 0), ("PiB", 2.076, 100), ("AV45", 1.5, 175.4 * 1.5 - 182.3),
        ("florbetaben", 1.5, 153.4 * 1.5 - 154.9), ("Flutemetamol", 1.5, 121.42 * 1.5 - 121.16),
        ("NAV4694", 1.028, 0), ("[18F]NAV4694", 2.202, 100),
    ],
)  # fmt: skip
def test_ratios_become_centiloids_by_the_published_equation(standard, tracer, ratio, centiloids):
    encoding = encode(ratio, tracer=tracer, **standard)
    assert encoding.tokens.item() == pytest.approx(centiloids, abs=1e-3)
    assert encoding.backbone.option("feature_names") == ("centiloid",)


@pytest.mark.parametrize("tracer", [None, "fdg", "flortaucipir"])
def test_a_tracer_without_an_equation_is_refused(standard, tracer):
    with pytest.raises(InputError, match=r"whose equation is published.*'florbetapir'"):
        encode(tracer=tracer, **standard)


def test_an_unknown_tracer_is_refused(standard):
    with pytest.raises(InputError, match=r"'tracer'.*must be one of.*Got 'sugar'"):
        encode(tracer="sugar", **standard)


def test_regions_of_an_atlas_have_no_centiloids(standard):
    frame = pd.DataFrame({"pet": [scan()]})
    for params in (
        {"parcellation": atlas(), "reference": "label7"},
        {"parcellation": atlas(), "reference": standard["reference"]},
    ):
        with pytest.raises(InputError, match=r"cortical volume of interest alone.*voi_ctx_2mm"):
            PETExtractor(centiloid=True, tracer="pib", **params).fit(frame)


def test_files_of_other_names_are_warned_of(standard, tmp_path):
    other = tmp_path / "cerebellum.nii"
    standard["reference"].rename(other)
    with pytest.warns(DataWarning, match=r"reference of PETExtractor are not called"):
        encode(tracer="pib", parcellation=standard["parcellation"], reference=other)
