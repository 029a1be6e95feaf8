import pandas as pd

from adestim import GeneticsExtractor
from adestim.inspection import TokenPlaces
from adestim.modalities.genetics.places import place_variants


def test_variants_know_places_by_the_extractor():
    variants = pd.DataFrame({"id": ["rs1"], "counted": ["A"], "chromosome": ["7"], "position": [5]})
    told = place_variants(TokenPlaces("snp", "columns", ("rs1",)), variants)
    assert told.positions.values.tolist() == [["7", 5]]


def test_names_tell_places_that_the_extractor_does_not():
    variants = pd.DataFrame({"id": ["19:7"], "counted": ["A"], "chromosome": [""], "position": [0]})
    told = place_variants(TokenPlaces("snp", "columns", ("19:7",)), variants)
    assert told.positions.values.tolist() == [["19", 7]]


def test_an_extractor_knows_where_its_variants_are():
    frame = pd.DataFrame({"19:44908822_T": [0, 1, 2], "rs1_A": [2, 1, 0]})
    places = GeneticsExtractor().fit(frame).token_places()
    assert places.kind == "variants"
    assert places.frame([1.0, 2.0])["position"].tolist()[0] == 44908822
