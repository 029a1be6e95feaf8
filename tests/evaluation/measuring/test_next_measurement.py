"""Which missing modality is the most worth measuring."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import entr
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression

from adestim.evaluation import next_measurement
from adestim.exceptions import DataWarning, InputError, LeakageError
from tests.evaluation.measuring.patients import (
    MODALITIES,
    fitted,
    keep_only,
    measurements,
    oracle,
)
from tests.fusion_tables import encodings_table, numeric_table, quick, with_missing

N, SEED = 120, 7
COSTS = {"smri": 2.0, "fmri": 4.0, "genetics": 1.0}


def patients(*modalities, n_subjects=N):
    """Patients who have some modalities alone, and which these are."""
    X, _ = measurements(n_subjects, SEED)
    kept = np.tile(np.isin(MODALITIES, modalities), (n_subjects, 1))
    return keep_only(X, kept), kept


def ask(X, **settings):
    model, reference, y_reference = fitted()
    settings = {"X_reference": reference, "y_reference": y_reference} | settings
    return next_measurement(model, X, **settings)


def uncertainty(p):
    return entr(p) + entr(1 - p)


def true_gains(kept):
    """What the ideal reader's entropy falls by with each modality, (n_subjects, n_modalities)."""
    now = uncertainty(oracle(N, SEED, kept))
    gains = np.full(kept.shape, np.nan)
    for place in np.flatnonzero(~kept[0]):
        wider = kept.copy()
        wider[:, place] = True
        gains[:, place] = now - uncertainty(oracle(N, SEED, wider))
    return gains


@pytest.mark.parametrize("gain", ["entropy", "net_benefit", "log_loss"])
@pytest.mark.parametrize("known", [("clinical",), ("clinical", "genetics"), ("fmri", "clinical")])
def test_the_first_choice_gains_more_than_chance_by_the_truth(known, gain):
    """The true gain is that of the generator's own probabilities, which the model does not know."""
    X, kept = patients(*known)
    found = ask(X, gain=gain, threshold=0.4)
    first = found.loc[found["rank"] == 1, "modality"].map(MODALITIES.index).to_numpy()
    true = true_gains(kept)
    ahead = true[np.arange(N), first] - np.nanmean(true[:, ~kept[0]], axis=1)
    assert ahead.mean() / (ahead.std() / np.sqrt(N)) > 4


def test_expected_gains_of_patients_go_with_the_true_ones():
    X, kept = patients("clinical")
    found = ask(X)
    place = found["modality"].map(MODALITIES.index)
    true = true_gains(kept)[np.repeat(np.arange(N), 3), place]
    assert spearmanr(found["gain"], true).statistic > 0.2


def test_every_patient_has_a_row_for_all_that_is_missing():
    X, _ = patients("clinical", n_subjects=3)
    X.iloc[0] = measurements(3, SEED)[0].iloc[0]
    found = ask(X, costs=COSTS)
    assert found["subject"].value_counts().to_dict() == dict.fromkeys(X.index[1:], 3)
    assert found.groupby("subject")["rank"].apply(list).map(tuple).unique().tolist() == [(1, 2, 3)]
    np.testing.assert_allclose(found["gain"], found["expected"] - found["now"])
    np.testing.assert_allclose(found["gain_per_cost"], found["gain"] / found["cost"])
    assert found["cost"].to_list() == found["modality"].map(COSTS).to_list()


def test_what_now_is_worth_is_that_of_the_prediction():
    X, _ = patients("clinical", n_subjects=4)
    p = fitted()[0].predict_proba(X)
    now = ask(X).drop_duplicates("subject")["now"]
    np.testing.assert_allclose(now, -entr(p).sum(axis=1))


def test_a_dear_modality_ranks_lower():
    X, _ = patients("clinical", n_subjects=10)
    assert (ask(X).query("rank == 1")["modality"] == "smri").all()
    dear = ask(X, costs=COSTS | {"smri": 1e9})
    assert not (dear.query("rank == 1")["modality"] == "smri").any()


def test_what_has_no_cost_is_not_proposed():
    X, _ = patients("clinical", n_subjects=2)
    assert set(ask(X, costs={"genetics": 3})["modality"]) == {"genetics"}


def test_raw_cells_are_told_by_their_columns():
    model, reference, _ = fitted()
    blocks = {name: [c for c in reference if c.startswith(name)] for name in MODALITIES}
    X, _ = patients("clinical", n_subjects=2)
    pd.testing.assert_frame_equal(
        next_measurement(model, X, X_reference=reference, modalities=blocks), ask(X)
    )


def test_a_fusion_is_asked_of_encodings():
    X, y = numeric_table(60)
    table = encodings_table(with_missing(X))
    table.index = [f"r{place}" for place in range(60)]
    lacking = encodings_table(X).iloc[:3].assign(csf=None)
    model = quick(max_epochs=1).fit(table, y)
    found = next_measurement(model, lacking, X_reference=table, n_alike=4)
    assert found["modality"].tolist() == ["csf"] * 3
    assert found["gain"].notna().all()


def test_a_modality_that_nobody_has_beside_is_warned_of():
    model, reference, _ = fitted()
    apart = reference.copy()
    both = apart["smri__hippocampus"].notna() & apart["clinical__age"].notna()
    apart = apart[~both]
    X, _ = patients("clinical", n_subjects=2)
    with pytest.warns(DataWarning, match="2 patient.*'smri' is not known"):
        found = next_measurement(model, X, X_reference=apart)
    assert found.loc[found["modality"] == "smri", "gain"].isna().all()
    assert found.groupby("subject")["modality"].last().unique().tolist() == ["smri"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"costs": {"smri": 0}}, "A cost is a number above 0.*0 of 'smri'"),
        ({"costs": {"smri": -1.0}}, "A cost is a number above 0"),
        ({"costs": {"smri": np.inf}}, "A cost is a number above 0"),
        ({"costs": {"pet": 1.0}}, "of modalities of the table.*'pet'.*'smri'"),
        ({"costs": {}}, "numbers by modality"),
        ({"gain": "accuracy"}, "'gain' is one of"),
        ({"gain": "net_benefit"}, "threshold between 0 and 1"),
        ({"gain": "log_loss", "y_reference": None}, "whose class is known"),
        ({"n_alike": 0}, "'n_alike' is a whole number from 1"),
        ({"y_reference": ["AD"]}, "1 labels for 500 rows"),
        ({"gain": "net_benefit", "threshold": 0.5, "positive": "PD"}, "'positive' is one"),
    ],
)
def test_other_settings_are_refused(settings, words):
    with pytest.raises(InputError, match=f"(?s){words}"):
        ask(patients("clinical", n_subjects=2)[0], **settings)


def test_people_who_lack_nothing_are_refused():
    with pytest.raises(InputError, match="asked of people who lack a modality that has a cost"):
        ask(patients(*MODALITIES, n_subjects=2)[0])


def test_a_reference_of_one_person_is_refused():
    model, reference, _ = fitted()
    with pytest.raises(InputError, match="compared with several people"):
        next_measurement(model, patients("clinical")[0], X_reference=reference.iloc[:1])


def test_a_single_modality_is_refused():
    model, reference, _ = fitted()
    alone = reference[["smri__hippocampus"]]
    with pytest.raises(InputError, match="two modalities or more"):
        next_measurement(model, alone, X_reference=alone)


def test_absent_columns_are_named():
    X, _ = patients("clinical", n_subjects=2)
    with pytest.raises(InputError, match="none named 'smri__hippocampus'"):
        ask(X.drop(columns="smri__hippocampus"))


def test_patients_of_the_reference_are_refused():
    reference = fitted()[1]
    with pytest.raises(LeakageError, match="others than those of 'X'"):
        ask(reference.iloc[:2])


def test_arrays_and_regressors_are_refused():
    reference = fitted()[1]
    with pytest.raises(InputError, match="'X' is a frame"):
        ask(np.zeros((2, 3)))
    numbers = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(InputError, match="a classifier with predict_proba"):
        next_measurement(numbers, reference, X_reference=reference)
