import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_template

from adestim import SMRIExtractor
from adestim.inspection import TokenPlaces
from adestim.modalities.smri.morphometry import Morphometry
from adestim.modalities.smri.places import place_in_regions
from adestim.modalities.smri.template import mni_grid


def named(spec):
    return TokenPlaces("smri", "columns", spec.option("token_names"))


def test_regions_are_those_that_were_measured_in():
    spec = Morphometry(mni_grid(12.0)).spec()
    places = place_in_regions(named(spec), spec)
    assert places.kind == "regions"
    assert np.asarray(places.labels.dataobj).max() == len(places.names)


def test_other_regions_than_those_measured_in_leave_names_alone():
    spec = Morphometry(mni_grid(12.0)).spec()
    other = Morphometry(mni_grid(6.0)).regions()
    assert place_in_regions(named(spec), spec, measured=other).kind == "columns"


def test_an_extractor_knows_where_its_regions_are():
    frame = pd.DataFrame({"t1w": [load_mni152_template(resolution=4)]})
    places = SMRIExtractor(resolution=6.0).fit(frame).token_places()
    assert (places.modality, places.kind) == ("smri", "regions")
    assert "hippocampus_L" in places.names
