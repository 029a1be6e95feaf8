"""The head of a card, as the hub reads it."""

import pytest
import yaml
from huggingface_hub import ModelCard

from adestim.inspection import model_card
from adestim.inspection.report.front_matter import quote_yaml, write_front_matter
from tests.inspection.reported import compared, reported

ODD = 'a: "b" \\ \x00 \u2028 \U0001f9e0 é\n---\n# <b>'


def read_head(**settings):
    """The head, read as YAML."""
    usual = {"title": "Model card", "licence": None, "tags": [], "classifies": True}
    return yaml.safe_load(write_front_matter(**usual | settings).strip("-"))


def test_the_library_and_the_task_are_told():
    head = read_head(tags=["mri"])
    assert head["library_name"] == "adestim"
    assert head["tags"] == ["adestim", "scikit-learn", "mri"]
    assert head["pipeline_tag"] == "tabular-classification"
    assert read_head(classifies=False)["pipeline_tag"] == "tabular-regression"


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        (None, {"license": "unknown"}),
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("ADNI data use", {"license": "other", "license_name": "adni-data-use"}),
        (ODD, {"license": "other", "license_name": "a-b-b"}),
    ],
)
def test_a_licence_is_told_by_the_hubs_name(licence, told):
    head = read_head(licence=licence)
    assert {name: head[name] for name in head if name.startswith("license")} == told


def test_whatever_is_in_a_text_it_is_one_value():
    assert yaml.safe_load(quote_yaml(ODD)) == ODD
    assert len(quote_yaml(ODD).splitlines()) == 1
    assert "<" not in quote_yaml(ODD)


def test_the_hub_reads_the_scores_of_a_comparison():
    comparison = compared()
    card = ModelCard(
        model_card(reported()[0], comparison=comparison, cohort="ADNI", n_resamples=20),
        ignore_metadata_errors=False,
    )
    results = {result.metric_type: result for result in card.data.eval_results}
    estimate = comparison.summary(n_resamples=0).loc["fusion", ("roc_auc", "estimate")]
    assert results["roc_auc"].metric_value == pytest.approx(estimate)
    assert results["roc_auc"].metric_name == "ROC AUC"
    assert results["roc_auc"].dataset_name == "ADNI"
    assert card.data.model_name == "Model card"


def test_without_a_comparison_no_score_is_claimed():
    assert "model-index" not in read_head()
