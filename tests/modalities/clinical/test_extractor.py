"""From columns of a clinical table to one encoding a subject."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from adestim import ModalityUnion, PoolTokens
from adestim.encoding import Encoding
from adestim.exceptions import (
    CellTypeError,
    DataWarning,
    InputError,
    LeakageWarning,
    SubjectsError,
    TableError,
)
from adestim.modalities.clinical import ClinicalExtractor
from tests.counting import calls_into

NOTES = ["forgets names of friends", "tremor of the right hand", "sleeps badly since last year"]


def pooled(**params):
    return make_pipeline(ClinicalExtractor(**params), PoolTokens())


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "age": [71.5, 68.0, np.nan],
            "sex": ["F", "M", "F"],
            "stage": pd.Categorical(["none", "mild", None], ["none", "mild"], ordered=True),
            "note": NOTES,
        },
        index=["s1", "s2", "s3"],
    )


def test_every_kind_of_column_becomes_a_token(frame):
    extractor = ClinicalExtractor(text_width=2)
    encodings = extractor.fit_transform(frame)
    assert [column.kind for column in extractor.columns_] == [
        "numeric", "categorical", "ordinal", "text",
    ]  # fmt: skip
    assert list(encodings.columns) == ["clinical"]
    assert encodings.index.tolist() == ["s1", "s2", "s3"]
    encoding = encodings.loc["s2", "clinical"]
    assert encoding.tokens.dtype == np.float32
    assert encoding.tokens[:3].tolist() == [[68, 0, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert encoding.tokens[3, 3:].any()
    assert encoding.backbone.option("feature_names") == (
        "value", "level_0", "level_1", "text_0", "text_1",
    )  # fmt: skip


def test_missing_cells_are_masked(frame):
    encoding = ClinicalExtractor().fit_transform(frame).loc["s3", "clinical"]
    assert encoding.mask.tolist() == [False, True, False, True]
    assert not encoding.tokens[[0, 2]].any()


def test_a_subject_without_a_single_cell_is_none(frame):
    frame.loc["s2"] = None
    column = ClinicalExtractor().fit_transform(frame)["clinical"]
    assert column.isna().tolist() == [False, True, False]


def test_repeated_subjects_are_kept_by_position():
    frame = pd.DataFrame({"age": [70.0, 71.0, 72.0]}, index=["s1", "s1", "s2"])
    encodings = ClinicalExtractor().fit_transform(frame)
    assert encodings.index.tolist() == ["s1", "s1", "s2"]
    assert [cell.tokens.item() for cell in encodings["clinical"]] == [70, 71, 72]


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_a_word_where_a_number_is_due_names_subject_and_column_but_not_the_value(method):
    good = pd.DataFrame({"age": [70.0, 71.0, 72.0]}, index=["s1", "s2", "s3"], dtype=object)
    bad = good.copy()
    bad.loc["s2", "age"] = "secret"
    extractor = ClinicalExtractor().fit(good)
    with pytest.raises(TableError, match=r"Subject 's2': Column 'age' is numeric.*Correct") as info:
        getattr(extractor, method)(bad)
    assert "secret" not in str(info.value)


def test_all_failing_subjects_are_counted():
    frame = pd.DataFrame({"age": ["70", "x", "71", "y", "72"]}, index=list("abcde"))
    with pytest.raises(SubjectsError, match=r"2 subject\(s\).*'b'.*'d'"):
        ClinicalExtractor().fit(frame)


def test_failing_subjects_count_as_missing_when_asked_for():
    frame = pd.DataFrame({"age": ["70", "x", "71"]}, index=list("abc"))
    extractor = ClinicalExtractor(errors="missing").fit(frame)
    with pytest.warns(DataWarning, match=r"1 subject.*'b'.*treated as missing"):
        column = extractor.transform(frame)["clinical"]
    assert column.isna().tolist() == [False, True, False]


def test_written_numbers_and_limits_of_detection_are_used():
    frame = pd.DataFrame({"ABETA": ["27", ">1700", "<80"]})
    with pytest.warns(DataWarning, match="'ABETA' holds limits of detection for 2 subject"):
        column = ClinicalExtractor().fit_transform(frame)["clinical"]
    assert [cell.tokens.item() for cell in column] == [27, 1700, 80]


@pytest.mark.parametrize(
    ("cells", "values", "said"),
    [
        (["23,5", "1,234"], [23.5, 1.234], "decimal commas"),
        (["1,234.5", "1,234"], [1234.5, 1234], "',' between thousands"),
        (["45 %", "50%"], [45, 50], "the unit '%'"),
        (["72 kg", "80.5 kg"], [72, 80.5], "the unit 'kg'"),
    ],
)
def test_numbers_of_another_spelling_are_read_with_a_warning(cells, values, said):
    extractor = ClinicalExtractor()
    for method in (extractor.fit_transform, extractor.transform):
        with pytest.warns(DataWarning, match=f"Column 'tau' is written with {said}"):
            column = method(pd.DataFrame({"tau": cells}))["clinical"]
        np.testing.assert_allclose([cell.tokens.item() for cell in column], values)


def test_number_that_may_be_two_names_the_subject_where_training_did_not_tell():
    extractor = ClinicalExtractor().fit(pd.DataFrame({"tau": ["0.5", "1.25"]}))
    with pytest.raises(TableError, match="Subject 's1': Column 'tau' is numeric"):
        extractor.transform(pd.DataFrame({"tau": ["1,234"]}, index=["s1"]))


@pytest.mark.parametrize("name", ["Unnamed: 0", "index", "RID", "id", "row"])
def test_row_numbers_are_warned_of_unless_declared(name):
    frame = pd.DataFrame({name: [3, 1, 2, 4], "age": [70.0, 71.0, 65.0, 80.0]})
    with pytest.warns(DataWarning, match=f"Column '{name}' has the name of an identifier"):
        ClinicalExtractor().fit(frame)
    ClinicalExtractor(numeric=[name]).fit(frame)


def test_codes_for_missing_are_warned_of_in_fit():
    with pytest.warns(DataWarning, match="Column 'education' holds -4, 999 in 2 cell"):
        ClinicalExtractor().fit(pd.DataFrame({"education": [12, 16, 999, 8, -4]}))


@pytest.mark.parametrize("word", ["NA", "nan", "None", "<NA>", ".", "n/a", " ", "-"])
@pytest.mark.parametrize("cells", [["F", "M", "F"], ["1.5", "2.5", "3.5"]])
def test_words_for_missing_are_masked_in_columns_of_objects(word, cells):
    extractor = ClinicalExtractor().fit(pd.DataFrame({"x": [*cells, word]}, dtype=object))
    frame = pd.DataFrame({"x": [word, cells[0]], "y": [1.0, 2.0]})
    assert "clinical" in ClinicalExtractor().fit_transform(frame)
    assert extractor.transform(frame[["x"]])["clinical"].isna().tolist() == [True, False]


def test_declared_level_counts_though_its_word_is_that_of_a_missing_one():
    frame = pd.DataFrame({"drug": ["None", "low", "high"]})
    extractor = ClinicalExtractor(ordinal={"drug": ["None", "low", "high"]})
    column = extractor.fit_transform(frame)["clinical"]
    assert [cell.tokens.item() for cell in column] == [0, 0.5, 1]


def test_an_unseen_category_is_masked_with_a_warning(frame):
    extractor = ClinicalExtractor().fit(frame)
    with pytest.warns(DataWarning, match="Column 'sex' holds a category not seen in fit for 1"):
        encoding = extractor.transform(frame.assign(sex="secret").iloc[:1])["clinical"].iloc[0]
    assert encoding.mask.tolist() == [True, False, True, True]


def test_a_subject_with_unseen_categories_alone_is_none():
    extractor = ClinicalExtractor().fit(pd.DataFrame({"sex": ["F", "M"]}))
    with pytest.warns(DataWarning, match="not seen in fit"):
        assert extractor.transform(pd.DataFrame({"sex": ["X"]}))["clinical"].tolist() == [None]


def test_more_categories_than_slots_share_the_last_one():
    frame = pd.DataFrame({"site": list("aabbcd")})
    column = ClinicalExtractor(max_levels=3).fit_transform(frame)["clinical"]
    assert column.iloc[-1].tokens.tolist() == [[0, 0, 0, 1]]
    assert column.iloc[0].tokens.tolist() == [[0, 1, 0, 0]]


def test_identifiers_are_warned_of():
    frame = pd.DataFrame({"patient": [f"p{number}" for number in range(4)]})
    with pytest.warns(DataWarning, match="'patient' has another category for every"):
        ClinicalExtractor(max_levels=3).fit(frame)


def test_a_column_missing_in_training_is_masked_for_ever_with_a_warning():
    extractor = ClinicalExtractor()
    with pytest.warns(DataWarning, match="'tau' is missing for every training subject"):
        extractor.fit(pd.DataFrame({"age": [70.0, 71.0], "tau": [np.nan, np.nan]}))
    encoding = extractor.transform(pd.DataFrame({"age": [70.0], "tau": [3.0]})).iloc[0, 0]
    assert encoding.mask.tolist() == [True, False]


def test_declarations_come_before_dtypes():
    frame = pd.DataFrame(
        {"site": [1, 2, 1], "stage": ["b", "a", "b"], "code": ["1", "2", "3"], "word": list("xyz")}
    )
    extractor = ClinicalExtractor(
        categorical=["site"], ordinal={"stage": ["a", "b"]}, numeric=["code"], text=["word"]
    ).fit(frame)
    assert [column.kind for column in extractor.columns_] == [
        "categorical", "ordinal", "numeric", "text",
    ]  # fmt: skip


def test_age_bands_are_ranks():
    bands = pd.DataFrame({"age": pd.cut(pd.Series([61, 72, 85]), [60, 70, 80, 90])})
    column = ClinicalExtractor().fit_transform(bands)["clinical"]
    assert [cell.tokens.item() for cell in column] == [0, 0.5, 1]


def test_a_declared_column_must_exist():
    with pytest.raises(TableError, match="'weight', absent from it"):
        ClinicalExtractor(numeric=["weight"]).fit(pd.DataFrame({"height": [1.7]}))


def test_dates_are_refused_with_the_remedy():
    frame = pd.DataFrame({"visit": pd.to_datetime(["2011-03-04"])})
    with pytest.raises(TableError, match=r"'visit' holds dates.*an age or a duration in years"):
        ClinicalExtractor().fit(frame)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(TableError, match="'age' more than once"):
        ClinicalExtractor().fit(pd.DataFrame([[1, 2]], columns=["age", "age"]))


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "int8", object])
def test_numeric_dtypes_are_read_alike(dtype):
    frame = pd.DataFrame({"age": pd.Series([70, 71], dtype=dtype)})
    assert ClinicalExtractor().fit_transform(frame).iloc[1, 0].tokens.item() == 71


@pytest.mark.parametrize("dtype", ["boolean", "string", "category", object])
def test_categorical_dtypes_are_read_alike(dtype):
    cells = [True, None, False] if dtype == "boolean" else ["M", None, "F"]
    frame = pd.DataFrame({"age": [1, 2, 3], "sex": pd.Series(cells, dtype=dtype)})
    first, second, third = ClinicalExtractor().fit_transform(frame)["clinical"]
    assert first.tokens[1].tolist() == [0, 0, 1]
    assert third.tokens[1].tolist() == [0, 1, 0]
    assert second.mask.tolist() == [True, False]


def test_an_array_of_numbers_is_read_as_numbered_columns():
    values = np.array([[1.0, np.nan], [3.0, 4.0]])
    encoding = ClinicalExtractor().fit_transform(values).iloc[0, 0]
    assert encoding.backbone.option("token_names") == ("x0", "x1")
    assert encoding.tokens.tolist() == [[1], [0]]
    assert encoding.mask.tolist() == [True, False]


def test_a_list_of_mixed_rows_is_read():
    extractor = ClinicalExtractor().fit([[71.0, "F"], [68.5, "M"]])
    assert [column.kind for column in extractor.columns_] == ["numeric", "categorical"]


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_infinite_numbers_are_refused(method, value):
    good = pd.DataFrame({"tau": [1.0, 2.0]}, index=["s1", "s2"])
    extractor = ClinicalExtractor().fit(good)
    bad = good.replace(2.0, value)
    with pytest.raises(TableError, match="Subject 's2': Column 'tau' must hold finite numbers"):
        getattr(extractor, method)(bad)


def test_objects_in_cells_are_type_errors():
    frame = pd.DataFrame({"age": [1.0, 2.0, {"a": 1}]}, dtype=object)
    with pytest.raises(CellTypeError, match="must be a string or a number"):
        ClinicalExtractor().fit(frame)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (csr_array(np.eye(3)), "Sparse input is not supported by ClinicalExtractor"),
        (np.ones((2, 2), dtype=complex), "Complex data not supported by ClinicalExtractor"),
        (pd.DataFrame({"a": [1j]}), "Complex data not supported by ClinicalExtractor"),
        (np.empty((3, 0)), re.escape("0 feature(s) (shape=(3, 0)) while a minimum of 1 is")),
        (np.empty((0, 3)), re.escape("0 sample(s) (shape=(0, 3))")),
        (np.ones(3), "expects 2D input"),
    ],
    ids=["sparse", "complex array", "complex column", "no column", "no row", "1-D"],
)
def test_containers_that_hold_no_table_are_refused(X, message):
    with pytest.raises(InputError, match=message):
        ClinicalExtractor().fit(X)


def test_diagnostic_columns_are_warned_of_in_fit_alone():
    frame = pd.DataFrame({"age": [70.0], "MMSE": [29.0]})
    extractor = ClinicalExtractor()
    with pytest.warns(LeakageWarning, match=r"ClinicalExtractor reads 1 column.*'MMSE'"):
        extractor.fit(frame)
    assert list(extractor.diagnostic_columns_) == ["MMSE"]
    assert extractor.transform(frame).iloc[0, 0].n_tokens == 2


def test_the_leakage_warning_points_at_the_caller():
    with pytest.warns(LeakageWarning) as caught:
        ClinicalExtractor().fit(pd.DataFrame({"MMSE": [29.0]}))
    assert caught[0].filename == __file__


def test_diagnostic_columns_are_used_silently_when_allowed():
    extractor = ClinicalExtractor(diagnostic="allow").fit(pd.DataFrame({"MMSE": [29.0]}))
    assert [column.name for column in extractor.columns_] == ["MMSE"]


def test_diagnostic_columns_are_dropped_when_excluded():
    frame = pd.DataFrame({"CDRSB": [0.0, 4.0], "age": [70.0, None]})
    column = ClinicalExtractor(diagnostic="exclude").fit_transform(frame)["clinical"]
    assert column.iloc[0].tokens.tolist() == [[70]]
    assert column.iloc[1] is None


def test_excluding_every_column_is_refused():
    with pytest.raises(TableError, match="must leave at least one column"):
        ClinicalExtractor(diagnostic="exclude").fit(pd.DataFrame({"MMSE": [29.0]}))


def test_encodings_of_one_fit_share_one_name_tag(frame):
    extractor = ClinicalExtractor().fit(frame)
    for cell in extractor.transform(frame.iloc[:2])["clinical"]:
        assert isinstance(cell, Encoding)
        assert cell.backbone is extractor.backbone_
        assert cell.inputs is cell.tokens


def test_a_fitted_extractor_survives_pickling(frame):
    extractor = ClinicalExtractor().fit(frame)
    again = pickle.loads(pickle.dumps(extractor))
    for old, new in zip(
        extractor.transform(frame)["clinical"], again.transform(frame)["clinical"], strict=True
    ):
        np.testing.assert_array_equal(old.tokens, new.tokens)
        assert old.backbone == new.backbone


def test_the_same_seed_gives_the_same_text_tokens(frame):
    one, two = (
        ClinicalExtractor(random_state=seed).fit_transform(frame)["clinical"].iloc[0].tokens
        for seed in (3, 3)
    )
    np.testing.assert_array_equal(one, two)


def test_the_global_generator_is_left_as_found(frame):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ClinicalExtractor(random_state=None).fit(frame)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_it_stands_in_a_union_and_cross_validates(frame):
    table = pd.concat([frame] * 6, ignore_index=True)
    y = np.tile([0, 1, 0], 6)
    union = ModalityUnion([("clinical", clone(ClinicalExtractor()), ["age", "sex", "stage"])])
    model = make_pipeline(union, PoolTokens(), HistGradientBoostingClassifier(min_samples_leaf=2))
    assert cross_val_predict(model, table, y, cv=3).shape == (18,)


def calls_of_a_fit(n_subjects, kind):
    """How many functions of pandas are called for ten columns of numbers, or of codes."""
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(n_subjects, 10))
    cells = cells if kind == "numbers" else rng.choice(["a", "b", "c"], cells.shape)
    table = pd.DataFrame(cells).add_prefix("column_")
    return calls_into("pandas", lambda: ClinicalExtractor().fit_transform(table))


@pytest.mark.parametrize(("kind", "looks_at_a_cell"), [("numbers", 1), ("codes", 0)])
def test_a_table_is_coded_by_column_however_many_subjects_there_are(kind, looks_at_a_cell):
    few, many = (calls_of_a_fit(n_subjects, kind) for n_subjects in (100, 1000))
    calls_of_isna = 2
    assert many - few <= 900 * 10 * looks_at_a_cell * calls_of_isna + 100


def test_a_real_table_comes_back_from_its_tokens(realdata):
    table = pd.read_csv(realdata / "modeldata_ad" / "ad_data.csv.gz").drop(columns="Class")
    numbers = table.drop(columns="Genotype")
    back = pooled().fit_transform(numbers)
    np.testing.assert_allclose(back.to_numpy(), numbers.to_numpy(), rtol=1e-6)
    genotype = ClinicalExtractor().fit(table[["Genotype"]]).columns_[0]
    assert genotype.kind == "categorical"
    assert set(genotype.levels) == set(table["Genotype"])
