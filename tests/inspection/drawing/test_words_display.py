"""Displays of words."""

import pandas as pd
import pytest

from adestim.exceptions import InputError
from adestim.inspection import (
    AttributionDisplay,
    FusionReport,
    QueryAttentionDisplay,
    TokenMapDisplay,
    WordsDisplay,
    query_attention,
    token_attribution,
)
from adestim.inspection.drawing.words_display import N_CHARACTERS, lay_out_words
from adestim.inspection.report import sections_explanation
from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_explanation import write_subjects
from tests.inspection.fitted import records_table


@pytest.fixture(scope="module")
def found(reader):
    return token_attribution(*reader, target="AD", n_steps=8)


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_words_that_differ_most_come_first(found):
    ax = WordsDisplay(found).plot(n_top=3).ax_
    largest = found.words().nlargest(3, "spread")
    assert labels(ax)[::-1] == [f"{row.word} ({row.column})" for row in largest.itertuples()]
    assert "log-odds of AD" in ax.get_xlabel()


def test_a_record_is_written_with_its_columns(reader, found):
    display = WordsDisplay(found).plot(subject="sub-001")
    written = [text.get_text() for text in display.ax_.texts]
    assert {"age", "note", "forgets", "names"} <= set(written)
    assert display.figure_ is display.ax_.figure
    one = WordsDisplay.from_estimator(reader[0], reader[1].iloc[:3], subject="sub-001", n_steps=2)
    assert [text.get_text() for text in one.ax_.texts] == written


def test_words_that_take_away_are_hatched(found):
    words = found.words("subject")
    least = words.loc[words["attribution"].idxmin(), "subject"]
    ax = WordsDisplay(found).plot(subject=least).ax_
    assert any(bar.get_hatch() for bar in ax.patches)


@pytest.mark.parametrize("subject", ["nobody", "sub-004"])
def test_who_has_no_record_is_told(found, subject):
    with pytest.raises(InputError, match="has a record"):
        WordsDisplay(found).plot(subject=subject)


def test_another_modality_is_told(found):
    with pytest.raises(InputError, match="clinical"):
        WordsDisplay(found, "csf").plot()


def test_long_records_are_broken_into_lines():
    table = pd.DataFrame({"column": "note", "word": ["word"] * 30, "attribution": 1.0})
    placed = list(lay_out_words(table))
    assert max(word.line for word in placed) == 2
    assert all(word.place + len(word.text) <= N_CHARACTERS + 16 for word in placed)


def test_bars_show_records_by_column(reader, found):
    names = labels(AttributionDisplay(found).plot().ax_)
    assert {"clinical: age", "clinical: note", "csf: tau"} <= set(names)
    assert not any("token" in name for name in names)
    assert "clinical: note" in labels(AttributionDisplay(found).plot(subject="sub-001").ax_)


def test_bars_show_attention_by_column(reader):
    pipeline, X = reader
    names = labels(QueryAttentionDisplay(query_attention(pipeline, X)).plot().ax_)
    assert ("clinical: note" in names) == (pipeline[-1].anchors_ == ["csf"])


def test_tokens_keep_numbers_where_the_tokenizer_is_gone(found, monkeypatch, tmp_path):
    texts = found.texts["clinical"]
    gone = type(texts.spec)(
        texts.spec.name, options=texts.spec.options, sources=(("weights", str(tmp_path)),)
    )
    monkeypatch.setitem(found.texts, "clinical", type(texts)(gone, texts.inputs))
    assert any("token" in name for name in labels(AttributionDisplay(found).plot().ax_))


@pytest.mark.parametrize("of", ["attribution", "attention"])
def test_maps_of_records_are_bars_by_column(reader, of):
    pipeline, X = reader
    if of == "attention" and pipeline[-1].anchors_ == ["clinical"]:
        with pytest.raises(InputError, match="auxiliary modalities"):
            TokenMapDisplay.from_estimator(pipeline, X, "clinical", of=of)
        return
    settings = {"n_steps": 2} if of == "attribution" else {}
    ax = TokenMapDisplay.from_estimator(pipeline, X, "clinical", of=of, **settings).ax_
    assert set(labels(ax)) == {"age", "note"}


@pytest.fixture
def told(reader, monkeypatch):
    """A pipeline, its table with a note that one subject alone has, and labels; all words shown."""
    monkeypatch.setattr(sections_explanation, "N_TOP", 100)
    pipeline, X = reader
    X = X.copy()
    X.loc["sub-003", "note"] = "systolic blood pressure"
    return pipeline, X, records_table()[1]


def test_reports_tell_common_words_and_no_subjects_record(told):
    page = FusionReport(*told, subjects=["sub-003"], n_resamples=20).to_html()
    assert "Words of clinical that stand in 5 records or more" in page
    assert "The record of clinical" not in page
    assert "systolic" not in page
    assert ">forgets<" in page


def test_reports_draw_a_subjects_record_where_asked(told):
    # No other section reads show_ids.
    html = write_subjects(gather_material(*told, subjects=["sub-003"], show_ids=True))
    assert "The record of clinical" in html
    assert "systolic" not in html
