"""Attention and attribution by word, and by the column that words speak of."""

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import InputError
from adestim.inspection import query_attention, token_attribution
from adestim.inspection.tokens import attribution as attribution_module
from adestim.inspection.tokens.words import average_by_column, average_by_word
from tests.inspection.fitted import fitted


@pytest.fixture(scope="module")
def found(reader):
    return token_attribution(*reader, target="AD", n_steps=8)


def test_words_stand_in_the_order_of_the_record(found):
    table = found.words("subject")
    own = table[table["subject"] == "sub-001"]
    assert own["place"].tolist() == list(range(1, len(own) + 1))
    assert list(own["column"].unique()) == ["age", "note"]
    assert own[own["column"] == "note"]["word"].tolist()[-4:-1] == ["forgets", "names", "is"]


def test_words_sum_to_the_tokens_that_are_text(found):
    table = found.words("subject").groupby("subject")["attribution"].sum()
    texts, values = found.texts["clinical"], found.values["clinical"]
    for row, label in enumerate(found.subjects):
        places = [place for word in texts.words[row] for place in word.tokens]
        np.testing.assert_allclose(table.get(label, 0), np.nansum(values[row, places]), atol=1e-6)


def test_who_has_no_record_has_no_words(found):
    assert "sub-004" not in set(found.words("subject")["subject"])


def test_columns_sum_up_their_words(found):
    words, columns = found.words(), found.words("column").set_index("column")
    np.testing.assert_allclose(
        words.groupby("column")["mean"].sum(), columns["mean"].sort_index(), atol=1e-6
    )
    assert columns["n_subjects"].tolist() == [23, 23]


def test_words_of_few_records_can_be_left_out(found):
    everything, common = found.words(), found.words(min_subjects=13)
    assert "forgets" in set(everything["word"]) - set(common["word"])
    assert (common["n_subjects"] >= 13).all()


def test_attention_is_given_by_word(bert_folder, reader):
    pipeline, X = reader
    if pipeline[-1].anchors_ == ["clinical"]:
        with pytest.raises(InputError, match="language model reads"):
            query_attention(pipeline, X).words()
        return
    attention = query_attention(pipeline, X)
    words = attention.words()
    assert set(words["path"]) == {"own queries", "cross-modal"}
    own = words[words["path"] == "own queries"]["weight"].sum()
    frame = attention.frame()
    texts = frame[(frame["path"] == "own queries") & (frame["token"] != "score of its own model")]
    # The first and the last token, [CLS] and [SEP], are no words.
    assert 0 < own < texts["weight"].sum()
    assert set(attention.words("subject").columns) == {
        "path", "subject", "modality", "place", "column", "word", "weight",
    }  # fmt: skip


@pytest.mark.parametrize("baseline", ["missing", "mean"])
def test_batches_of_shorter_records_give_the_same(reader, monkeypatch, baseline):
    settings = {"target": "AD", "n_steps": 4, "baseline": baseline}
    whole = token_attribution(*reader, **settings)
    monkeypatch.setattr(attribution_module, "BATCH", 3)
    parts = token_attribution(*reader, **settings)
    np.testing.assert_allclose(parts.values["clinical"], whole.values["clinical"], atol=1e-4)


def test_sum_holds_through_texts(reader):
    found = token_attribution(*reader, target="AD", n_steps=64)
    assert found.completeness()["gap"].abs().max() < 0.02


def test_other_modalities_have_no_words():
    with pytest.raises(InputError, match="encode the records by"):
        token_attribution(*fitted(), n_steps=2).words()


def test_there_is_no_other_level(found):
    with pytest.raises(InputError, match="Choose from"):
        found.words("token")


def test_means_are_of_all_who_have_the_modality():
    table = pd.DataFrame(
        {
            "row": [0, 0, 1],
            "modality": "clinical",
            "column": ["note", "note", "note"],
            "word": ["lost", "lost", "way"],
            "value": [1.0, 2.0, -4.0],
        }
    )
    words = average_by_word(table, {"clinical": 4}).set_index("word")
    assert words.loc["lost"].drop(["modality", "column"]).tolist() == pytest.approx(
        [0.75, 0.75, np.std([3, 0, 0, 0]), 1]
    )
    column = average_by_column(table, {"clinical": 4}).iloc[0]
    assert column[["mean", "mean_absolute", "n_subjects"]].tolist() == [-0.25, 1.75, 2]
