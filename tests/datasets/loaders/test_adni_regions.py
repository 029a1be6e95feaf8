"""Names of ADNI's numbered regions."""

import pytest

from adestim.datasets.loaders.adni_regions import name_freesurfer_measure


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("ST29SV", "Left-Hippocampus"),
        ("ST88SV", "Right-Hippocampus"),
        ("ST120SV", "Right-Thalamus"),
        ("ST24TA", "lh_entorhinal_thickness"),
        ("ST121CV", "rh_transversetemporal_volume"),
        ("ST130SA", "rh_insula_area"),
        ("ST10CV", "eTIV"),
        ("ST149SV", None),
        ("ST24TS", None),
        ("RID", None),
    ],
)
def test_numbers_are_freesurfer_regions(column, name):
    assert name_freesurfer_measure(column) == name
