"""One encoding of several visits."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import (
    AnchoredFusionClassifier,
    ClinicalExtractor,
    ModalityUnion,
    PoolTokens,
    VisitSummary,
    load,
    save,
)
from adestim.datasets import Visits
from adestim.exceptions import InputError

# Standardised columns: what is measured here is in standard deviations of all visits.
WEIGHTS = {
    "s1": {-2.0: 70.0, -1.0: 68.0, 0.0: 66.0},
    "s2": {-1.0: 80.0, 0.0: 81.0},
    "s3": {0: 75.0},
}


def gather(weights):
    """A table with a cell of visits a subject."""
    cells = {
        subject: None
        if not known
        else Visits(list(known), pd.DataFrame({"weight": list(known.values())}))
        for subject, known in weights.items()
    }
    column = np.empty(len(cells), dtype=object)
    column[:] = list(cells.values())
    return pd.DataFrame({"visits": pd.Series(column, index=list(cells), dtype=object)})


def clinical_of(weights):
    """The extractor fitted on every visit, as the summary has it."""
    rows = [value for known in weights.values() for value in known.values()]
    return ClinicalExtractor().fit(pd.DataFrame({"weight": rows}))


def tokens_at(weights, value):
    """The token of one visit."""
    return clinical_of(weights).transform(pd.DataFrame({"weight": [value]})).iloc[0, 0].tokens[0]


def summarise(weights, **options):
    """Encodings by subject."""
    return VisitSummary(ClinicalExtractor(), **options).fit_transform(gather(weights))["clinical"]


def test_slope_is_the_change_of_every_token_per_year():
    expected = (tokens_at(WEIGHTS, 66.0) - tokens_at(WEIGHTS, 70.0)) / 2
    np.testing.assert_allclose(summarise(WEIGHTS)["s1"].tokens[0], expected, rtol=1e-5)


def test_slope_is_by_least_squares_and_not_from_end_to_end():
    weights = {"s1": {-3.0: 60.0, -2.0: 63.0, -0.5: 60.0, 0.0: 62.0}, "s2": {0.0: 61.0, -1: 59.0}}
    weights["s2"] = dict(sorted(weights["s2"].items()))
    years, values = list(weights["s1"]), list(weights["s1"].values())
    rows = np.stack([tokens_at(weights, value) for value in values])
    expected = [np.polyfit(years, column, 1)[0] for column in rows.T]
    np.testing.assert_allclose(summarise(weights)["s1"].tokens[0], expected, atol=1e-5)


def test_who_was_seen_once_has_no_slope():
    assert summarise(WEIGHTS)["s3"] is None


@pytest.mark.parametrize(("min_years", "missing"), [(0.5, True), (0.25, False), (0, False)])
def test_visits_close_to_each_other_have_no_slope(min_years, missing):
    weights = {**WEIGHTS, "s4": {-0.3: 70.0, 0.0: 74.0}}
    assert (summarise(weights, min_years=min_years)["s4"] is None) == missing


def test_token_known_at_one_visit_alone_is_masked():
    rows = pd.DataFrame({"weight": [70.0, 66.0], "gds": [np.nan, 3.0]})
    cells = gather(WEIGHTS)
    cells.at["s1", "visits"] = Visits([-1, 0], rows)
    for subject in ("s2", "s3"):
        cell = cells.at[subject, "visits"]
        cells.at[subject, "visits"] = Visits(cell.years, cell.rows.assign(gds=4.0))
    encoding = VisitSummary(ClinicalExtractor()).fit_transform(cells)["clinical"]["s1"]
    known = dict(zip(encoding.backbone.option("token_names"), encoding.mask, strict=True))
    assert known == {"weight per year": True, "gds per year": False}


def test_last_is_each_token_from_the_last_visit_that_has_it():
    weights = {**WEIGHTS, "s1": {-2.0: 70.0, -1.0: 68.0, 0.0: np.nan}}
    encodings = summarise(weights, how="last")
    np.testing.assert_allclose(encodings["s1"].tokens[0], tokens_at(weights, 68.0), rtol=1e-5)
    np.testing.assert_allclose(encodings["s3"].tokens[0], tokens_at(weights, 75.0), rtol=1e-5)
    assert encodings["s1"].backbone.option("token_names") == ("weight",)


def test_stack_has_the_last_visits_with_the_years_before_the_index():
    encodings = summarise(WEIGHTS, how="stack", n_visits=2)
    assert encodings["s1"].tokens[:, -1].tolist() == [0, 1]
    np.testing.assert_allclose(encodings["s1"].tokens[1, :-1], tokens_at(WEIGHTS, 68.0), rtol=1e-5)
    assert encodings["s3"].mask.tolist() == [True, False]
    names = encodings["s1"].backbone.option("token_names")
    assert names == ("weight", "weight, 1 visit before")
    table = PoolTokens().fit_transform(encodings.to_frame())
    assert "clinical__weight, 1 visit before__years before" in table


def test_without_any_visit_the_modality_is_missing():
    fitted = VisitSummary(ClinicalExtractor(), how="last").fit(gather(WEIGHTS))
    assert fitted.transform(gather({"s8": {}, "s9": {0: 70.0}})).isna()["clinical"].tolist() == [
        True,
        False,
    ]
    assert fitted.transform(gather({"s8": {}})).isna().all(axis=None)


def test_nothing_is_learned_from_those_who_are_encoded():
    fitted = VisitSummary(ClinicalExtractor()).fit(gather(WEIGHTS))
    alone = fitted.transform(gather({"s1": WEIGHTS["s1"]}))["clinical"]["s1"]
    others = {"s1": WEIGHTS["s1"], "s9": {-3.0: 500.0, 0.0: 10.0}}
    beside = fitted.transform(gather(others))["clinical"]["s1"]
    np.testing.assert_array_equal(alone.tokens, beside.tokens)


def test_visit_after_the_index_is_refused_by_name():
    cells = gather({**WEIGHTS, "s4": {-1.0: 70.0, 0.5: 71.0}})
    with pytest.raises(InputError, match=r"No visit after the index visit.*1 of subject 's4'"):
        VisitSummary(ClinicalExtractor()).fit(cells)
    fitted = VisitSummary(ClinicalExtractor()).fit(gather(WEIGHTS))
    with pytest.raises(InputError, match="'s4'"):
        fitted.transform(cells)


def test_columns_are_chosen():
    cells = gather(WEIGHTS)
    for subject in cells.index:
        cell = cells.at[subject, "visits"]
        cells.at[subject, "visits"] = Visits(cell.years, cell.rows.assign(mmse=29.0))
    fitted = VisitSummary(ClinicalExtractor(), "weight").fit(cells)
    assert fitted.backbone_.option("token_names") == ("weight per year",)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda cells: cells.assign(visits=3.0),
            "are Visits, or missing. Got float64 for subject 's1'",
        ),
        (lambda cells: cells.assign(more=cells["visits"]), "reads one column.*2 columns"),
        (lambda cells: cells.assign(visits=None), "Some training subject has a visit"),
    ],
)
def test_bad_cells_are_refused(change, match):
    with pytest.raises(InputError, match=match):
        VisitSummary(ClinicalExtractor()).fit(change(gather(WEIGHTS)))


def test_column_that_is_not_there_is_named_with_the_subject():
    with pytest.raises(InputError, match="no 'faq' for subject 's1'"):
        VisitSummary(ClinicalExtractor(), ["faq"]).fit(gather(WEIGHTS))


def test_extractor_without_names_of_tokens_is_refused():
    with pytest.raises(
        InputError, match=r"built-in model, whose tokens have names. Got StandardSca"
    ):
        VisitSummary(StandardScaler()).fit(gather(WEIGHTS))


@pytest.mark.parametrize("options", [{"how": "mean"}, {"n_visits": 0}, {"min_years": -1}])
def test_parameters_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"'{next(iter(options))}' parameter of VisitSummary"):
        VisitSummary(ClinicalExtractor(), **options).fit(gather(WEIGHTS))


def make_cohort(n_subjects=24):
    """People whose weight falls where the class is 1; every fourth has no earlier visit."""
    rng = np.random.default_rng(0)
    target = np.arange(n_subjects) % 2
    weights = {}
    for place in range(n_subjects):
        start = 70 + rng.normal(0, 5)
        slope = -2.0 * target[place] + rng.normal(0, 0.2)
        years = [0.0] if place % 8 > 5 else [-2.0, -1.0, 0.0]
        weights[f"s{place}"] = {year: start + slope * (year + 2) for year in years}
    frame = gather(weights)
    frame["weight"] = [list(known.values())[-1] for known in weights.values()]
    return frame, target


def make_union():
    """The index visit, and what changed before it."""
    return ModalityUnion(
        [
            ("clinical", ClinicalExtractor(), ["weight"]),
            ("change", VisitSummary(ClinicalExtractor(), ["weight"]), "visits"),
        ]
    )


def test_change_is_a_modality_of_the_union_missing_where_there_is_no_past():
    frame, _ = make_cohort()
    table = make_union().fit_transform(frame)
    assert list(table) == ["clinical", "change"]
    assert table["change"].isna().sum() == 6


def test_change_that_decides_is_found_in_cross_validation():
    frame, target = make_cohort()
    model = make_pipeline(
        make_union(),
        PoolTokens(),
        SimpleImputer(),
        StandardScaler(),
        LogisticRegression(),
    )
    known = frame["visits"].map(lambda cell: len(cell.years) > 1).to_numpy()
    predicted = cross_val_predict(model, frame, target, cv=4)
    assert (predicted == target)[known].all()


def test_fusion_reads_it_and_does_without(tmp_path):
    frame, target = make_cohort()
    model = make_pipeline(
        make_union(),
        AnchoredFusionClassifier(
            anchor="all", width=8, n_queries=2, n_trees=0, max_epochs=1, random_state=0
        ),
    )
    model.fit(frame, target)
    later = frame.iloc[:8].copy()
    probabilities = model.predict_proba(later)
    assert np.isfinite(probabilities).all()
    save(model, tmp_path / "model")
    np.testing.assert_allclose(
        load(tmp_path / "model").predict_proba(later), probabilities, atol=1e-6
    )


def test_fit_leaves_parameters_alone():
    extractor = ClinicalExtractor()
    summary = VisitSummary(extractor, ["weight"])
    before = summary.get_params()
    summary.fit(gather(WEIGHTS))
    assert summary.get_params() == before
    assert not hasattr(extractor, "backbone_")


def test_it_is_cloned_and_pickled():
    summary = clone(VisitSummary(ClinicalExtractor(), "weight", how="last"))
    fitted = summary.fit(gather(WEIGHTS))
    again = pickle.loads(pickle.dumps(fitted)).transform(gather(WEIGHTS))
    before = fitted.transform(gather(WEIGHTS))
    np.testing.assert_array_equal(again["clinical"]["s1"].tokens, before["clinical"]["s1"].tokens)
    assert summary.get_params()["extractor__n_jobs"] is None
