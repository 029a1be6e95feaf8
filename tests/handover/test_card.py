"""Cards of what is no anchored fusion."""

from adestim import ClinicalExtractor
from adestim.handover.card import write_card
from tests.handover.saved import clinic, fitted, small


def test_a_fusion_has_the_whole_card():
    assert "## Backbones" in write_card(fitted()[0])


def test_a_rival_has_a_short_one():
    card = write_card(small()[0])
    assert "* LateFusionClassifier" in card
    assert "pipeline_tag: tabular-classification" in card
    assert "how good it is is not known" in card


def test_an_extractor_predicts_nothing():
    card = write_card(ClinicalExtractor().fit(clinic()[0][["age"]]))
    assert "pipeline_tag" not in card
    assert "predict_proba" not in card


def test_it_names_the_repository():
    assert 'from_pretrained("clinic/memory"' in write_card(small()[0], "clinic/memory")
