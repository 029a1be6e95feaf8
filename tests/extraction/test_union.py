"""ModalityUnion: several modalities of a table side by side."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from adestim import ClinicalExtractor, ModalityUnion, PoolTokens
from adestim.encoding import Encoding
from adestim.exceptions import DataWarning, InputError


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "age": [71.0, 68.0, 80.0],
            "sex": ["F", "M", "F"],
            "tau": [300.0, np.nan, 200.0],
            "note": ["forgets names", "forgets keys", "sleeps badly"],
        },
        index=["s1", "s2", "s3"],
    )


@pytest.fixture
def union():
    return ModalityUnion(
        [("clinical", ClinicalExtractor(), ["age", "sex"]), ("csf", StandardScaler(), ["tau"])]
    )


def one(columns, transformer=None):
    """Return a union of a single modality."""
    return ModalityUnion([("only", transformer or StandardScaler(), columns)])


def numbers(encodings):
    """Return an encodings table as plain numbers."""
    return PoolTokens().fit_transform(encodings)


# What comes out


def test_every_modality_is_a_column_of_encodings(union, frame):
    encodings = union.fit_transform(frame)
    assert list(encodings.columns) == ["clinical", "csf"]
    assert set(map(str, encodings.dtypes)) == {"object"}
    assert isinstance(encodings.loc["s1", "clinical"], Encoding)
    assert encodings.loc["s2", "csf"] is None


def test_extractor_writes_what_it_writes_alone(union, frame):
    alone = ClinicalExtractor().fit_transform(frame[["age", "sex"]])["clinical"]
    together = union.fit_transform(frame)["clinical"]
    for expected, cell in zip(alone, together, strict=True):
        np.testing.assert_array_equal(cell.tokens, expected.tokens)


def test_column_is_named_after_the_modality_not_the_extractor(frame):
    encodings = one(["age", "sex"], ClinicalExtractor()).fit_transform(frame)
    assert list(encodings.columns) == ["only"]


def test_modalities_are_named(union, frame):
    assert list(union.fit(frame).get_feature_names_out(frame.columns)) == ["clinical", "csf"]


def test_new_subjects_are_encoded_with_what_was_learned(union, frame):
    encodings = union.fit(frame).transform(frame.assign(tau=350.0))
    np.testing.assert_allclose([cell.tokens.item() for cell in encodings["csf"]], 2.0)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_set_output_leaves_encodings_and_index_alone(union, frame, output):
    encodings = union.set_output(transform=output).fit_transform(frame)
    assert list(encodings.index) == ["s1", "s2", "s3"]
    assert isinstance(encodings.loc["s1", "csf"], Encoding)


def test_extractors_given_are_not_fitted_themselves(union, frame):
    union.fit(frame)
    assert not hasattr(union.transformers[1][1], "mean_")
    assert union.transformers_[1][1].mean_ == 250


# Numbers from scikit-learn's transformers


def test_numbers_become_one_token_a_feature(frame):
    cell = one(["age", "tau"]).fit_transform(frame).loc["s2", "only"]
    assert cell.backbone.option("token_names") == ("age", "tau")
    np.testing.assert_array_equal(cell.mask, [True, False])


def test_sparse_output_is_read(frame):
    pooled = numbers(one(["sex"], OneHotEncoder()).fit_transform(frame))
    assert list(pooled.columns) == ["only__sex_F", "only__sex_M"]
    np.testing.assert_array_equal(pooled, [[1, 0], [0, 1], [1, 0]])


def test_output_without_names_is_numbered(frame):
    unnamed = FunctionTransformer(lambda block: block.to_numpy() ** 2)
    assert list(numbers(one(["age"], unnamed).fit_transform(frame))) == ["only__0"]


def test_vectorizer_of_texts_reads_its_one_column(frame):
    pooled = numbers(one("note", TfidfVectorizer()).fit_transform(frame))
    assert pooled.shape == (3, 5)
    assert pooled["only__forgets"].gt(0).tolist() == [True, True, False]


def test_text_that_no_extractor_encoded_is_refused_by_its_column(frame):
    with pytest.raises(InputError, match=r"Column 'sex' must hold .*scikit-learn encoder"):
        one(["sex"], FunctionTransformer()).fit_transform(frame)


def test_numeric_row_of_nan_is_none(frame):
    encodings = one(["tau"]).fit_transform(frame)
    assert list(encodings["only"].isna()) == [False, True, False]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("transformer", [StandardScaler(), FunctionTransformer()])
def test_infinite_number_is_refused(frame, value, transformer):
    frame.loc["s1", "tau"] = value
    with pytest.raises(ValueError, match="infinity"):
        one(["tau"], transformer).fit_transform(frame)


# Columns


@pytest.mark.parametrize(
    "columns",
    [
        "tau",
        ["tau"],
        pd.Index(["tau"]),
        2,
        -2,
        np.int64(2),
        [2],
        slice(2, 3),
        slice(-2, -1),
        slice("tau", "tau"),
        pytest.param(lambda frame: ["tau"], id="callable-labels"),
        pytest.param(lambda frame: frame.columns.get_loc("tau"), id="callable-position"),
    ],
    ids=str,
)
def test_columns_may_be_chosen_in_every_way(frame, columns):
    union = one(columns).fit(frame)
    assert list(union.transformers_[0][1].feature_names_in_) == ["tau"]
    assert list(numbers(union.transform(frame))) == ["only__tau"]


def test_slice_of_labels_includes_its_end(frame):
    extractor = one(slice("age", "tau"), ClinicalExtractor()).fit(frame).transformers_[0][1]
    assert list(extractor.feature_names_in_) == ["age", "sex", "tau"]


def test_columns_chosen_by_type_stay_those_of_fit(frame):
    union = one(make_column_selector(dtype_include="number")).fit(frame)
    as_read = frame.astype({"age": object}).assign(note=1.0)
    assert list(numbers(union.transform(as_read))) == ["only__age", "only__tau"]


def test_array_is_read_by_position():
    X = np.array([[1.0, 5.0], [3.0, np.nan]])
    encodings = one(1, FunctionTransformer()).fit_transform(X)
    assert encodings.loc[0, "only"].tokens.item() == 5
    assert encodings.loc[1, "only"] is None


def test_number_that_is_a_label_is_no_position():
    frame = pd.DataFrame([[1.0, 5.0]], columns=[1, 0])
    assert one(0, FunctionTransformer()).fit_transform(frame).loc[0, "only"].tokens.item() == 5


@pytest.mark.parametrize("columns", ["t1w", ["age", "t1w"], 9, -9, [0, 9], lambda _: "t1w"])
def test_column_that_is_not_there_is_named_with_those_that_are(frame, columns):
    with pytest.raises(InputError, match=r"Modality 'only' reads column.*'age', 'sex', 'tau'"):
        one(columns).fit(frame)


@pytest.mark.parametrize(
    "columns", [[], slice(9, None), lambda _: []], ids=["list", "slice", "callable"]
)
def test_modality_without_a_column_is_refused(frame, columns):
    with pytest.raises(InputError, match="Modality 'only' must read at least one column"):
        one(columns).fit(frame)


def test_column_lost_since_fit_is_named(union, frame):
    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- tau"):
        union.fit(frame).transform(frame.drop(columns="tau"))


# Missing modalities and repeated subjects


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("extractor", [ClinicalExtractor(), StandardScaler()])
def test_modality_missing_for_everybody_is_a_column_of_none(union, frame, extractor, missing):
    union.set_params(csf=extractor)
    encodings = union.fit(frame).transform(frame.assign(tau=missing))
    assert list(encodings["csf"]) == [None] * 3
    assert encodings["clinical"].notna().all()


def test_warning_points_at_the_caller(frame):
    with pytest.warns(DataWarning) as caught:
        one(["age"]).fit(frame.set_axis(["s1", "s2", "s1"]))
    assert caught[0].filename == __file__


def test_repeated_subject_is_warned_of_and_rows_keep_their_order(frame):
    frame.index = ["s1", "s2", "s1"]
    union = one(["age"], FunctionTransformer())
    with pytest.warns(DataWarning, match=r"1 subject label.*'s1'.*pass groups="):
        encodings = union.fit_transform(frame)
    assert list(encodings.index) == ["s1", "s2", "s1"]
    assert [cell.tokens.item() for cell in encodings["only"]] == [71, 68, 80]


# Parameters


def test_nested_parameters_are_found(union):
    params = union.get_params()
    assert params["csf__with_mean"] is True
    assert params["csf"] is union.transformers[1][1]
    assert "csf" not in union.get_params(deep=False)


def test_nested_parameter_is_set(union):
    assert union.set_params(csf__with_mean=False, clinical__errors="missing") is union
    assert union.transformers[1][1].with_mean is False
    assert union.get_params()["clinical__errors"] == "missing"


def test_extractor_is_replaced_by_its_name(union):
    new = StandardScaler(with_std=False)
    union.set_params(csf=new)
    assert union.transformers[1] == ("csf", new, ["tau"])
    assert [name for name, _, _ in union.transformers] == ["clinical", "csf"]


def test_extractor_is_replaced_before_its_parameters_are_set(union):
    union.set_params(csf__with_mean=False, csf=StandardScaler(with_std=False))
    assert union.get_params()["csf__with_mean"] is False
    assert union.get_params()["csf__with_std"] is False


def test_replacing_an_extractor_leaves_the_list_given_alone(union):
    given = list(union.transformers)
    twin = ModalityUnion(union.transformers)
    twin.set_params(csf=StandardScaler(with_std=False))
    assert union.transformers == given


def test_all_transformers_are_set_at_once(union):
    union.set_params(transformers=[("age", StandardScaler(), "age")], age__with_std=False)
    assert union.get_params()["age__with_std"] is False


def test_unknown_parameter_is_refused(union):
    with pytest.raises(ValueError, match="Invalid parameter 'smri' for estimator ModalityUnion"):
        union.set_params(smri__resolution=2)


@pytest.mark.parametrize("transformers", [[], [("csf", StandardScaler())], ["csf"]], ids=str)
def test_list_of_anything_but_triples_is_refused(frame, transformers):
    with pytest.raises(InputError, match=r"must be a list of \(name, transformer, columns\)"):
        ModalityUnion(transformers).fit(frame)


def test_whatever_is_set_is_refused_in_fit_alone(frame):
    union = ModalityUnion([]).set_params(transformers=5)
    with pytest.raises(ValueError, match="'transformers' parameter of ModalityUnion"):
        union.set_params(n_jobs=1).fit(frame)


@pytest.mark.parametrize("transformer", ["drop", None, LogisticRegression()], ids=str)
def test_transformer_that_is_none_is_refused(frame, transformer):
    with pytest.raises(TypeError, match="Modality 'only' of ModalityUnion needs a transformer"):
        ModalityUnion([("only", transformer, "age")]).fit(frame)


@pytest.mark.parametrize("name", ["csf__tau", "n_jobs"])
def test_name_that_would_confuse_parameters_is_refused(frame, name):
    with pytest.raises(ValueError, match=name):
        ModalityUnion([(name, StandardScaler(), "age")]).fit(frame)


def test_two_modalities_of_one_name_are_refused(frame):
    with pytest.raises(ValueError, match="Names provided are not unique"):
        ModalityUnion([("a", StandardScaler(), "age"), ("a", StandardScaler(), "tau")]).fit(frame)


# Copies, workers, display


def test_clone_is_unfitted_and_shares_nothing(union, frame):
    twin = clone(union.fit(frame)).set_params(csf__with_mean=False)
    assert not hasattr(twin, "transformers_")
    assert union.get_params()["csf__with_mean"] is True


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_fitted_union_survives_copy_and_pickle(union, frame, duplicate):
    union.fit(frame)
    pd.testing.assert_frame_equal(
        numbers(duplicate(union).transform(frame)), numbers(union.transform(frame))
    )


def test_encodings_table_survives_pickling(union, frame):
    encodings = union.fit_transform(frame)
    restored = pickle.loads(pickle.dumps(encodings))
    pd.testing.assert_frame_equal(numbers(restored), numbers(encodings))


def test_jobs_change_nothing(union, frame):
    alone = numbers(union.fit_transform(frame))
    together = numbers(clone(union).set_params(n_jobs=2).fit_transform(frame))
    pd.testing.assert_frame_equal(together, alone)


def test_modalities_are_announced_when_verbose(union, frame, capsys):
    union.set_params(verbose=True).fit_transform(frame)
    assert capsys.readouterr().out.splitlines() == [
        "[ModalityUnion] clinical: 3 subjects",
        "[ModalityUnion] csf: 3 subjects",
    ]


@pytest.mark.parametrize("fitted", [False, True])
def test_display_names_modalities_extractors_and_columns(union, frame, fitted):
    html = (union.fit(frame) if fitted else union)._repr_html_()
    for word in ("clinical", "csf", "ClinicalExtractor", "StandardScaler", "tau"):
        assert word in html


def test_display_of_a_union_without_modalities_does_not_fail():
    assert "ModalityUnion" in ModalityUnion([])._repr_html_()


def test_transform_before_fit_is_refused(union, frame):
    with pytest.raises(NotFittedError):
        union.transform(frame)


# In a pipeline


@pytest.fixture
def pipeline(union):
    union.set_params(csf=FunctionTransformer(np.nan_to_num, feature_names_out="one-to-one"))
    return make_pipeline(union, PoolTokens(), LogisticRegression())


def test_search_reaches_the_parameters_of_an_extractor(pipeline, frame):
    fillings = [FunctionTransformer(np.nan_to_num), FunctionTransformer(np.zeros_like)]
    grid = {"modalityunion__csf": fillings, "modalityunion__clinical__errors": ["missing"]}
    big = pd.concat([frame] * 4, ignore_index=True)
    search = GridSearchCV(pipeline, grid, cv=2).fit(big, [0, 1, 0] * 4)
    assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, True]
    assert search.best_estimator_[0].get_params()["clinical__errors"] == "missing"


def test_metadata_pass_a_union_by(pipeline, frame):
    y, weight = [0, 1, 0], [1.0, 2.0, 0.5]
    pipeline[-1].set_params(C=0.1)
    plain = clone(pipeline).fit(frame, y, logisticregression__sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline[-1].set_fit_request(sample_weight=True)
        pipeline.fit(frame, y, sample_weight=weight)
    np.testing.assert_allclose(pipeline.predict_proba(frame), plain.predict_proba(frame))


# Encodings made before


def test_passthrough_hands_on_encodings_made_before(frame):
    encoded = ModalityUnion([("csf", StandardScaler(), ["tau"])]).fit_transform(frame)
    union = ModalityUnion([("csf", "passthrough", "csf"), ("age", StandardScaler(), ["age"])])
    again = union.fit_transform(frame[["age"]].join(encoded))
    assert list(again["csf"]) == list(encoded["csf"])


def test_passthrough_hands_on_numbers_as_they_are(frame):
    packed = ModalityUnion([("csf", "passthrough", ["tau"])]).fit_transform(frame)
    known = [cell.tokens.item() for cell in packed["csf"] if cell is not None]
    np.testing.assert_allclose(known, frame["tau"].dropna())


def test_passthrough_is_a_parameter_like_any_other():
    union = ModalityUnion([("csf", StandardScaler(), ["tau"])]).set_params(csf="passthrough")
    assert clone(union).get_params()["csf"] == "passthrough"
