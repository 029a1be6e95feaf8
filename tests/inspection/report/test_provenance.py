"""Where a fitted fusion comes from."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from adestim.encoding import BackboneSpec
from adestim.inspection.report.provenance import (
    describe_backbone,
    describe_backbones,
    digest_splits,
    digest_training,
    list_limits,
    list_seeds,
    list_versions,
    say_training,
)
from tests.inspection.fitted import in_pipeline
from tests.inspection.reported import reported


def test_plain_tables_learned_from_nobody():
    table = describe_backbones(reported()[0], "ADNI")
    assert list(table.index) == ["mri", "csf", "gene"]
    assert (table["pre-trained on"] == "nobody").all()
    assert (table["cohort seen"] == "no").all()


def test_a_foundation_model_brings_licence_cohorts_and_digest():
    row = describe_backbone(
        BackboneSpec("brain-jepa", "ab" * 32, (("architecture", ()),)), "UK Biobank 2"
    )
    assert row["weights"] == "ab" * 32
    assert row["cohort seen"] == "named"
    assert row["licence"] != ""


def test_what_was_done_to_images_before_is_told():
    done = (("brain_extraction", "deepbet 1.0.2"), ("registration", "affine"))
    row = describe_backbone(BackboneSpec("morphometry", options=done), None)
    assert row["done before"] == "brain extraction: deepbet 1.0.2, registration: affine"
    plain = BackboneSpec("morphometry", options=(("registration", None),))
    assert "done before" not in describe_backbone(plain, None)


def test_of_an_unknown_model_nothing_is_claimed():
    row = describe_backbone(BackboneSpec("mine", options=(("architecture", ()),)), "ADNI")
    assert {row[key] for key in ("licence", "commercial", "pre-trained on", "cohort seen")} == {
        "not known"
    }


def test_versions_name_the_library_and_python():
    found = list_versions()
    assert {"Python", "adestim", "torch"} <= set(found.index)


def test_seeds_are_found_at_any_depth():
    assert list_seeds(in_pipeline(reported()[0]).get_params(deep=True)).to_dict() == {
        "anchoredfusionclassifier__random_state": "0"
    }


def test_the_digest_of_weights_changes_with_them():
    fusion = reported()[0]
    other = copy.deepcopy(fusion)
    assert digest_training(other.nets_) == digest_training(fusion.nets_)
    weight = next(p for p in other.nets_["mri"].module_.parameters() if p.requires_grad)
    with torch.no_grad():
        weight.add_(1)
    assert digest_training(other.nets_) != digest_training(fusion.nets_)


def test_the_digest_of_splits_is_that_of_their_test_rows():
    digest = digest_splits([([0], [1, 2]), ([1], [0])])
    assert digest == digest_splits([([0], np.array([2, 1])), ([1], [0])])
    assert digest != digest_splits([([0], [1]), ([1], [2, 0])])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("commercial", "no", "No commercial use: the licence of the backbone of mri"),
        ("pre-trained on", "not known", "pre-training is not known for mri"),
        ("cohort seen", "named", "may have been seen in pre-training by the backbone of mri"),
    ],
)
def test_limits_follow_from_the_backbones(column, value, words):
    facts = {"commercial": "yes", "pre-trained on": "nobody", "cohort seen": "no"}
    table = pd.DataFrame([facts | {column: value}], index=["mri"])
    assert any(words in line for line in list_limits(table, judged=True))
    assert not any(words in line for line in list_limits(pd.DataFrame([facts]), judged=True))


def test_a_model_that_was_not_judged_says_so():
    table = describe_backbones(reported()[0])
    assert any("No scores of unseen" in line for line in list_limits(table, judged=False))


def test_that_no_net_was_kept_is_said_in_words():
    assert say_training({}) == "none, no net was kept"
    nets = reported()[0].nets_
    assert say_training(nets) == digest_training(nets)
