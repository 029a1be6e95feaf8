import pandas as pd

from adestim import ClinicalExtractor
from adestim.modalities.clinical.free_text import read_free_text

TABLE = pd.DataFrame(
    {"age": [70, 71, 72], "note": ["gets lost on the way", None, "walks and reads every day"]}
)


def test_texts_know_their_token_and_features():
    extractor = ClinicalExtractor(text=["note"], text_width=2).fit(TABLE)
    (text,) = read_free_text(extractor.tabular_, TABLE)
    assert (text.column, text.token, text.features) == ("note", 1, slice(1, 3))
    assert text.texts == ("gets lost on the way", None, "walks and reads every day")
    assert [row for row, _, _ in text.parts] == [0, 2]


def test_the_extractor_says_which_texts_its_tokens_are_of():
    extractor = ClinicalExtractor(text=["note"], text_width=2).fit(TABLE)
    assert [text.column for text in extractor.token_texts(TABLE)] == ["note"]


def test_tables_of_numbers_have_no_texts():
    assert ClinicalExtractor().fit(TABLE[["age"]]).token_texts(TABLE[["age"]]) == []
