"""Words of the free text that the built-in clinical model reads."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion
from adestim.exceptions import InputError
from adestim.inspection import FusionReport, WordsDisplay, token_attribution
from adestim.inspection.tokens.free_text import read_free_texts, share_by_part

N_SUBJECTS = 32
SAID = ("gets lost on the way home", "walks and reads every single day")


def table():
    rng = np.random.default_rng(0)
    ill = np.arange(N_SUBJECTS) % 2 == 1
    names = [
        ("forgets names of friends", "forgets where the keys are")[k // 2 % 2] for k in range(99)
    ]
    note = [f"{SAID[0] if sick else SAID[1]} {names[k]}" for k, sick in enumerate(ill)]
    X = pd.DataFrame({"age": rng.integers(60, 90, N_SUBJECTS), "note": note})
    X["tau"] = rng.normal(size=N_SUBJECTS)
    X.loc[2, "note"] = None
    X.loc[3, "note"] = "? !"
    return X, np.where(ill, "AD", "CN")


@pytest.fixture(scope="module")
def pipeline():
    clinical = ClinicalExtractor(text=["note"], text_width=4, random_state=0)
    union = ModalityUnion(
        [("clinical", clinical, ["age", "note"]), ("csf", "passthrough", ["tau"])]
    )
    fusion = AnchoredFusionClassifier(
        anchor="csf", width=8, n_queries=2, n_trees=0, max_epochs=2, random_state=0
    )
    return make_pipeline(union, fusion).fit(*table())


@pytest.fixture(scope="module")
def found(pipeline):
    return token_attribution(pipeline, table()[0], target="AD", n_steps=8)


def test_words_sum_to_what_the_text_adds(found):
    words = found.words("subject").groupby("subject")["attribution"].sum()
    note = found.tokens["clinical"].index("note")
    wordy = [label for label in found.subjects if label not in (2, 3)]
    own = found.values["clinical"][wordy, note]
    np.testing.assert_allclose(words.loc[wordy], own, atol=1e-4)


def test_words_sum_to_what_the_text_adds_with_a_forest_too():
    X, y = table()
    clinical = ClinicalExtractor(text=["note"], text_width=4, random_state=0)
    columns = [("clinical", clinical, ["age", "note"]), ("csf", "passthrough", ["tau"])]
    fusion = AnchoredFusionClassifier(anchor="csf", n_trees=30, max_epochs=0, random_state=0)
    found = token_attribution(make_pipeline(ModalityUnion(columns), fusion).fit(X, y), X)
    words = found.words("subject").groupby("subject")["attribution"]
    note = found.values["clinical"][:, found.tokens["clinical"].index("note")]
    wordy = [label for label in found.subjects if label not in (2, 3)]
    np.testing.assert_allclose(words.sum().loc[wordy], note[wordy], atol=1e-4)
    assert words.apply(lambda own: own.abs().max()).max() < 2 * np.abs(note).max()


def test_words_that_tell_the_classes_apart_come_first(found):
    words = found.words().set_index("word")
    telling = words.loc[["lost", "home", "walks", "reads"], "spread"].min()
    assert telling > words.loc[["keys", "names", "forgets"], "spread"].max()
    assert (words["column"] == "note").all()


def test_who_has_no_text_has_no_words(found):
    assert not {2, 3} & set(found.words("subject")["subject"])


def test_they_are_drawn(found):
    ax = WordsDisplay(found).plot(subject=1).ax_
    assert {"note", "lost", "home"} <= {text.get_text() for text in ax.texts}


def test_the_fusion_alone_does_not_see_the_text(pipeline):
    X = pipeline[:-1].transform(table()[0])
    with pytest.raises(InputError, match="Pass the whole pipeline"):
        token_attribution(pipeline[-1], X, n_steps=2).words()


def test_steps_before_the_union_are_gone_through(pipeline):
    first = FunctionTransformer(lambda X: X.assign(note=X["note"].str.upper()))
    whole = make_pipeline(first, *(step for _, step in pipeline.steps))
    (column,) = read_free_texts(whole, table()[0])["clinical"]
    assert column.texts[1].startswith("GETS LOST")
    assert column.texts[2] is None


def test_coordinates_at_the_training_mean_have_nothing_to_share():
    parts = np.array([[1.0, 1.0], [-1.0, 3.0]])
    np.testing.assert_allclose(share_by_part(np.array([5.0, 2.0]), parts), [0.5, 1.5])


@pytest.mark.parametrize("show_ids", [False, True])
def test_reports_tell_common_words_and_a_subjects_own_only_where_asked(pipeline, show_ids):
    X, y = table()
    X.loc[5, "note"] = "widow of a lighthouse keeper"
    report = FusionReport(pipeline, X, y, subjects=[5], show_ids=show_ids, n_resamples=0)
    page = report.to_html()
    assert "Words of clinical that stand in 5 records or more" in page
    assert 'th scope="row">lost</th>' in page
    assert "lighthouse" not in page
    assert ("The record of clinical" in page) == show_ids
    assert "Not shown" not in page


def test_reports_of_encodings_have_no_words(pipeline):
    X, y = table()
    page = FusionReport(pipeline[-1], pipeline[:-1].transform(X), y, n_resamples=0).to_html()
    assert "Words of clinical" not in page
    assert "Columns and words: clinical" in page
