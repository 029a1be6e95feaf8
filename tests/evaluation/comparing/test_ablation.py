"""Variants of one fusion."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim import ClinicalExtractor, ModalityUnion
from adestim.evaluation import ablate
from adestim.evaluation.comparing.ablation import (
    VARIANTS,
    get_fusion_params,
    restrict_to_modalities,
)
from adestim.exceptions import InputError
from tests.fusion_tables import encodings_table, numeric_table, quick, with_missing


class Stub(ClassifierMixin, BaseEstimator):
    """Has a fusion's parameters, those to come as well, and fits at once."""

    def __init__(
        self, anchor="all", n_queries=8, cross_modal=True, gate="learned", lora_rank=8, depth=2,
        interaction_depth=0,
    ):  # fmt: skip
        self.anchor = anchor
        self.n_queries = n_queries
        self.cross_modal = cross_modal
        self.gate = gate
        self.lora_rank = lora_rank
        self.depth = depth
        self.interaction_depth = interaction_depth

    def fit(self, X, y):
        self.columns_ = list(X.columns)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        assert list(X.columns) == self.columns_
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def names_of(what, **params):
    X, _ = numeric_table(12)
    return [name for name, _ in VARIANTS[what](Stub(**params), X)]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("queries", ["queries: 0", "queries: 1", "queries: 4", "queries: 16"]),
        ("cross_modal", ["cross-modal path: off"]),
        ("gate", ["gate: open", "gate: closed"]),
        ("lora", ["LoRA: none"]),
        ("depth", ["depth: 1", "depth: output"]),
        ("anchors", ["anchor: mri", "anchor: csf", "anchor: gene"]),
        (
            "modalities",
            [
                "modalities: mri",
                "modalities: csf",
                "modalities: gene",
                "modalities: mri+csf",
                "modalities: mri+gene",
                "modalities: csf+gene",
            ],
        ),
    ],
)
def test_every_variant_differs_in_one_thing_and_is_named_by_it(what, names):
    assert names_of(what) == names


def test_the_value_that_the_fusion_has_is_no_variant():
    assert names_of("lora", lora_rank=0) == []
    assert names_of("cross_modal", cross_modal=False) == ["cross-modal path: on"]
    assert names_of("anchors", anchor="csf") == ["anchor: mri", "anchor: gene", "anchor: all"]
    assert names_of("depth", interaction_depth="output") == ["depth: 0", "depth: 1"]


def test_variants_have_the_parameter_they_are_named_by():
    X, _ = numeric_table(12)
    variants = dict(VARIANTS["queries"](Stub(), X))
    assert variants["queries: 4"].estimator.n_queries == 4
    assert variants["queries: 4"].estimator.anchor == "all"


def test_the_first_is_as_given_and_the_reference():
    X, y = numeric_table(24)
    result = ablate(Stub(), X, y, what=["lora", "gate"], cv=2)
    names = ["as given", "LoRA: none", "gate: open", "gate: closed", "mask only"]
    assert result.estimators == names
    assert result.reference == "as given"
    assert (result.folds["status"] == "ok").all()


def test_everything_is_varied_by_default():
    X, y = numeric_table(24)
    result = ablate(Stub(), X, y, cv=2, controls=False)
    assert len(result.estimators) == 1 + 4 + 1 + 2 + 1 + 2 + 6 + 3


def test_subsets_leave_out_who_has_none_of_them_and_say_so():
    X, y = numeric_table(40)
    result = ablate(Stub(), with_missing(X), y, what=["modalities"], cv=2, controls=False)
    assert result.flow.left_out_by_estimator["modalities: csf"] == 10
    tested = result.folds.groupby("estimator", sort=False)["n_test"].sum()
    assert tested["as given"] == 40
    assert tested["modalities: csf"] == 30
    assert result.differences("accuracy").loc["modalities: csf", "mean"] == 0


def test_subsets_of_encodings_have_their_columns():
    X, _ = numeric_table(12)
    table = encodings_table(X)
    candidate = restrict_to_modalities(Stub(), table, ("mri", "gene"))
    assert candidate.columns == (0, 2)
    assert candidate.modalities == ("mri", "gene")


@pytest.mark.parametrize(
    ("anchor", "within"),
    [("mri", "mri"), ("csf", "all"), (["csf", "mri"], ["mri"]), (["csf"], "all"), ("all", "all")],
)
def test_a_subset_without_the_anchor_is_its_own_anchor(anchor, within):
    X, _ = numeric_table(12)
    candidate = restrict_to_modalities(Stub(anchor=anchor), X, ("mri", "gene"))
    assert candidate.estimator.anchor == within


def variants_of(what, **params):
    X, _ = numeric_table(12)
    return {name: each.estimator for name, each in VARIANTS[what](quick(**params), X)}


def test_the_mixture_is_taken_apart():
    found = variants_of("mixture")
    assert list(found) == ["members only", "nets only"]
    assert (found["members only"].max_epochs, found["members only"].members) == (0, "all")
    assert (found["nets only"].max_epochs, found["nets only"].members) == (2, ())
    assert list(variants_of("mixture", max_epochs=0)) == ["nets only"]


def test_nets_start_from_what_phase_one_misses_unless_they_do_already():
    found = variants_of("start", start="average")
    assert found["residual start"].start == "stacked"
    assert found["own start"].start == "anchor"
    assert list(variants_of("start", start="stacked")) == ["own start"]
    assert list(variants_of("start", start="anchor")) == ["residual start"]


def test_the_paper_has_neither_members_nor_shares():
    fusion = variants_of("paper", start="stacked")["as in the paper"]
    said = fusion.members, fusion.aggregate, fusion.n_queries, fusion.start
    assert said == ((), "mean", 16, "anchor")
    again = {"members": (), "aggregate": "mean", "n_queries": 16, "start": "anchor"}
    assert variants_of("paper", **again) == {}


def test_all_variants_of_the_mixture_are_compared():
    X, y = numeric_table(40)
    what = ["mixture", "start", "paper"]
    result = ablate(quick(start="anchor"), X, y, what=what, cv=2, controls=False)
    names = ["as given", "members only", "nets only", "residual start", "as in the paper"]
    assert result.estimators == names
    assert (result.folds["status"] == "ok").all()


def test_the_real_fusion_is_ablated():
    X, y = numeric_table(40)
    X = X[["mri__a", "mri__b", "gene__a"]]
    model = quick(anchor="mri", max_epochs=0)
    result = ablate(model, X, y, what=["modalities"], cv=2, controls=False)
    assert (result.folds["status"] == "ok").all()
    auc = result.summary(n_resamples=0, scores=["roc_auc"])["roc_auc", "estimate"]
    assert auc["modalities: gene"] < auc["modalities: mri"]
    assert not hasattr(model, "classes_")


def test_what_the_fusion_has_no_parameter_for_is_passed_over():
    X, y = numeric_table(24)
    model = make_pipeline(LogisticRegression()).steps[0][1]
    assert list(VARIANTS["gate"](model, X)) == []
    lacking = [name for name in ("gate",) if name not in get_fusion_params(quick())]
    for name in lacking:
        with pytest.raises(InputError, match=r"needs something to vary"):
            ablate(quick(), X, y, what=[name])


def test_a_pipeline_is_varied_at_its_end():
    X, y = numeric_table(24)
    model = make_pipeline(FunctionTransformer(), Stub())
    result = ablate(model, X, y, what=["lora", "modalities"], cv=2, controls=False)
    assert "LoRA: none" in result.estimators
    assert (result.folds["status"] == "ok").all()


def test_a_union_within_a_pipeline_loses_its_extractors():
    X, _ = numeric_table(12)
    union = ModalityUnion(
        [
            ("who", ClinicalExtractor(), ["mri__a"]),
            ("mood", ClinicalExtractor(), ["csf__a"]),
        ]
    )
    model = make_pipeline(union, Stub())
    candidate = restrict_to_modalities(model, X, ("mood",))
    assert candidate.columns is None
    assert [name for name, _, _ in candidate.estimator[0].transformers] == ["mood"]
    assert [name for name, _, _ in union.transformers] == ["who", "mood"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            ["tokens"],
            "'what' is a list of ablations. Got 'tokens'. Choose from queries, cross_modal",
        ),
        ("queries", "Got 'queries'"),
        ([], "An ablation needs something to vary"),
    ],
)
def test_unknown_ablations_are_refused(what, message):
    X, y = numeric_table(24)
    with pytest.raises(InputError, match=message):
        ablate(Stub(), X, y, what=what)


def test_what_is_no_fusion_is_refused():
    X, y = numeric_table(24)
    with pytest.raises(InputError, match=r"an anchored fusion.* Got LogisticRegression"):
        ablate(LogisticRegression(), X, y)
