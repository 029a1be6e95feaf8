"""The reference backbone of clinical tables."""

import pickle

import numpy as np
import pandas as pd
import pytest

from adestim.modalities.clinical.latent_semantics import learn_latent_semantics
from adestim.modalities.clinical.table import Column
from adestim.modalities.clinical.tabular import TabularBackbone

AGE = Column("age", 1, "numeric")
SEX = Column("sex", 0, "categorical", ("F", "M"))
STAGE = Column("stage", 2, "ordinal", ("none", "mild", "severe"))
NOTE = Column("note", 3, "text")
FRAME = pd.DataFrame(
    {
        "sex": ["M", None],
        "age": [71.0, 65.5],
        "stage": ["severe", "mild"],
        "note": ["tremor of one hand", None],
    }
)


@pytest.fixture
def mixed():
    semantics = learn_latent_semantics(["tremor of one hand", "forgets names"], 2, 0)
    return TabularBackbone((SEX, AGE, STAGE, NOTE), {"note": semantics})


def test_a_table_of_numbers_has_one_feature_a_token():
    backbone = TabularBackbone((Column("age", 0, "numeric"), Column("bmi", 1, "numeric")))
    coded = backbone.code(pd.DataFrame({"age": [70.0], "bmi": [np.nan]}))
    assert backbone.feature_names == ("value",)
    assert coded.tokens.tolist() == [[[70.0], [0.0]]]
    assert coded.mask.tolist() == [[True, False]]
    assert coded.tokens.dtype == np.float32


def test_each_kind_has_its_own_features(mixed):
    coded = mixed.code(FRAME)
    sex, age, stage, note = coded.tokens[0]
    assert mixed.feature_names == ("value", "level_0", "level_1", "text_0", "text_1")
    assert sex.tolist() == [0, 0, 1, 0, 0]
    assert age.tolist() == [71, 0, 0, 0, 0]
    assert stage.tolist() == [1, 0, 0, 0, 0]
    assert note[:3].tolist() == [0, 0, 0]
    assert note[3:].any()
    assert coded.mask.tolist() == [[True] * 4, [False, True, True, False]]


def test_the_column_of_most_categories_sets_the_width():
    site = Column("site", 0, "categorical", tuple("abc"), has_other=True)
    assert TabularBackbone((SEX, site)).n_levels == 4


def test_an_empty_column_is_masked_whatever_it_holds():
    coded = TabularBackbone((Column("gone", 0, "empty"), AGE)).code(FRAME)
    assert not coded.mask[:, 0].any()
    assert not coded.tokens[:, 0].any()


def test_the_first_problem_of_a_row_is_the_one_told():
    frame = pd.DataFrame({"a": [1.0, np.inf], "b": ["1", "word"]})
    backbone = TabularBackbone((Column("a", 0, "numeric"), Column("b", 1, "numeric")))
    assert "'a'" in str(backbone.code(frame).problems[1])


def test_the_spec_tells_meanings_and_survives_pickling(mixed):
    spec = mixed.spec()
    assert spec.option("token_names") == ("sex", "age", "stage", "note")
    assert spec.option("feature_names") == mixed.feature_names
    assert spec.option("columns")[0] == ("sex", "categorical", ("F", "M"), False)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec) == hash(mixed.spec())


def test_other_levels_or_other_texts_give_another_spec(mixed):
    swapped = Column("sex", 0, "categorical", ("M", "F"))
    others = learn_latent_semantics(["other words"], 2, 0)
    assert TabularBackbone((SEX,)).spec() != TabularBackbone((swapped,)).spec()
    assert TabularBackbone(mixed.columns, {"note": others}).spec() != mixed.spec()


def test_only_texts_have_a_digest(mixed):
    assert TabularBackbone((AGE,)).digest() == ""
    assert len(mixed.digest()) == 64
