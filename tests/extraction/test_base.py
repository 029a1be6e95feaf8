"""The scikit-learn side of an extractor, tried on one that measures words."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_param_validation

from adestim.encoding import BackboneSpec, Encoding, is_missing
from adestim.exceptions import DataWarning, InputError, SubjectsError, TableError
from adestim.extraction import BaseExtractor
from adestim.extraction.prepared import Prepared
from adestim.extraction.subjects import N_FAILURES_SHOWN


class WordExtractor(BaseExtractor):
    """One token a cell: the length of its word, centred on the training rows."""

    _modality = "words"

    def __init__(self, *, memory=None, errors="raise", n_jobs=None, verbose=0):
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn(self, frame):
        self.mean_length_ = float(
            np.mean([len(cell) for cell in frame.to_numpy().ravel() if not is_missing(cell)])
        )

    def _preparation(self):
        return WordLengths(self.mean_length_)

    def _spec(self):
        return BackboneSpec("lengths")


class WordLengths:
    """The preparation of one subject, picklable."""

    def __init__(self, mean):
        self.mean = mean

    def __call__(self, cells):
        known = np.array([not is_missing(cell) for cell in cells])
        lengths = [length_of(cell) - self.mean if not is_missing(cell) else 0 for cell in cells]
        return Prepared(np.array(lengths, dtype=np.float32)[:, None], known)


def length_of(cell):
    """Return the length of a word; digits are no word, and an exclamation is a bug of ours."""
    if cell.isdigit():
        raise TableError("A word has letters", got="digits", remedy="Write a word")
    if cell == "!":
        raise RuntimeError("nobody thought of this")
    return len(cell)


def cells_of(*words):
    """Return a frame of one column, subjects labelled s0, s1, ..."""
    return pd.DataFrame({"word": words}, index=[f"s{number}" for number in range(len(words))])


def tokens_of(frame):
    """Return all tokens, None where the modality is missing."""
    return [None if cell is None else cell.tokens.ravel().tolist() for cell in frame["words"]]


@pytest.fixture
def frame():
    return cells_of("to", "be", None, "or")


# What comes out


def test_every_subject_becomes_an_encoding_of_the_fitted_backbone(frame):
    extractor = WordExtractor().fit(frame)
    encodings = extractor.transform(frame)
    assert list(encodings.columns) == ["words"]
    assert all(isinstance(cell, Encoding) for cell in encodings["words"].dropna())
    assert encodings["words"].iloc[0].backbone is extractor.backbone_


def test_statistics_are_those_of_the_training_rows(frame):
    extractor = WordExtractor().fit(frame)
    assert tokens_of(extractor.transform(cells_of("question"))) == [[6.0]]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", " ", "n/a"])
def test_subject_whose_cells_are_all_missing_has_no_encoding(missing):
    frame = pd.DataFrame({"word": pd.Series(["to", missing, "be"], dtype=object)})
    assert tokens_of(WordExtractor().fit_transform(frame)) == [[0.0], None, [0.0]]


def test_one_cell_is_enough_for_an_encoding():
    frame = pd.DataFrame({"first": ["to", None], "second": ["be", "or"]})
    encodings = WordExtractor().fit_transform(frame)
    np.testing.assert_array_equal(encodings["words"].iloc[1].mask, [False, True])


def test_index_is_kept_duplicates_included(frame):
    frame.index = ["s1", "s1", "s0", "s7"]
    assert list(WordExtractor().fit_transform(frame).index) == ["s1", "s1", "s0", "s7"]


def test_modality_missing_for_everybody_is_a_column_of_none(frame):
    encodings = WordExtractor().fit(frame).transform(cells_of(None, None))
    assert tokens_of(encodings) == [None, None]


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_output_is_a_table_of_objects_whatever_is_set(frame, output):
    encodings = WordExtractor().set_output(transform=output).fit_transform(frame)
    assert encodings["words"].dtype == object
    assert list(encodings.index) == list(frame.index)


def test_output_column_bears_the_name_of_the_modality(frame):
    extractor = WordExtractor().fit(frame)
    assert list(extractor.get_feature_names_out()) == ["words"]
    assert list(extractor.get_feature_names_out(["word"])) == ["words"]


def test_names_that_fit_has_not_seen_are_refused(frame):
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        WordExtractor().fit(frame).get_feature_names_out(["verb"])


# What goes in


@pytest.mark.parametrize(
    "as_given",
    [
        lambda frame: frame["word"],
        lambda frame: frame.to_numpy(dtype=object),
        lambda frame: frame.to_numpy(dtype=object).tolist(),
        lambda frame: [tuple(row) for row in frame.to_numpy(dtype=object)],
    ],
    ids=["series", "array", "lists", "tuples"],
)
def test_column_may_come_in_any_container(frame, as_given):
    given = as_given(frame)
    assert tokens_of(WordExtractor().fit_transform(given)) == [[0.0], [0.0], None, [0.0]]


def test_series_keeps_its_name_and_index(frame):
    extractor = WordExtractor()
    encodings = extractor.fit_transform(frame["word"])
    assert list(extractor.feature_names_in_) == ["word"]
    assert list(encodings.index) == list(frame.index)


class ImageExtractor(WordExtractor):
    """Flattens an image in memory."""

    _modality = "image"

    def _learn(self, frame):
        """Learn nothing."""

    def _preparation(self):
        return flatten


def flatten(cells):
    """Return an image's values as tokens."""
    return Prepared(cells[0].reshape(-1, 1))


def test_cells_of_a_list_may_be_arrays():
    images = [[np.zeros((2, 2))], [np.ones((2, 2))], [None]]
    encodings = ImageExtractor().fit_transform(images)
    np.testing.assert_array_equal(encodings["image"].iloc[1].tokens, np.ones((4, 1)))
    assert encodings["image"].iloc[2] is None


@pytest.mark.parametrize("cells", [["to", "be"], np.array(["to", "be"])], ids=["list", "array"])
def test_flat_list_is_refused_with_the_remedy(cells):
    with pytest.raises(InputError, match=r"Got 1D array.*a Series, or a list of one-cell rows"):
        WordExtractor().fit(cells)


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"Row 1 must have as many cells as row 0.*Got 1\. Write"):
        WordExtractor().fit([["to", "be"], ["or"]])


@pytest.mark.parametrize(
    ("table", "counted"),
    [(pd.DataFrame({"word": []}), "sample"), (pd.DataFrame([[]]), "feature"), ([], "sample")],
    ids=["no subject", "no column", "nothing"],
)
def test_empty_table_is_refused(table, counted):
    with pytest.raises(InputError, match=rf"0 {counted}\(s\).*at least one subject"):
        WordExtractor().fit(table)


def test_columns_of_one_name_are_refused():
    frame = pd.DataFrame([["to", "be"]], columns=["word", "word"])
    with pytest.raises(TableError, match="'word' more than once"):
        WordExtractor().fit(frame)


def test_sparse_table_is_refused():
    with pytest.raises(InputError, match=r"Sparse input.*dense table"):
        WordExtractor().fit(csr_array(np.eye(2)))


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_complex_numbers_are_refused(container):
    with pytest.raises(InputError, match="Complex data not supported by WordExtractor"):
        WordExtractor().fit(container(np.ones((2, 1), dtype=complex)))


def test_other_columns_than_in_fit_are_refused(frame):
    extractor = WordExtractor().fit(frame)
    with pytest.raises(ValueError, match="yet now missing:\n- word"):
        extractor.transform(frame.rename(columns={"word": "verb"}))


def test_other_number_of_columns_than_in_fit_is_refused(frame):
    extractor = WordExtractor().fit(frame.to_numpy(dtype=object))
    with pytest.raises(ValueError, match="X has 2 features, but WordExtractor is expecting 1"):
        extractor.transform([["to", "be"]])


# Failing subjects


def test_failing_subject_is_named_with_the_remedy(frame):
    extractor = WordExtractor().fit(frame)
    with pytest.raises(TableError) as caught:
        extractor.transform(cells_of("to", "42"))
    assert str(caught.value) == "Subject 's1': A word has letters. Got digits. Write a word."


def test_several_failing_subjects_are_reported_together(frame):
    extractor = WordExtractor().fit(frame)
    with pytest.raises(SubjectsError, match=r"2 subject\(s\).*'s0'.*'s2'.*errors='missing'"):
        extractor.transform(cells_of("1", "be", "3"))


def test_only_the_first_failures_are_told_in_full(frame):
    extractor = WordExtractor().fit(frame)
    with pytest.raises(SubjectsError, match="and 2 more") as caught:
        extractor.transform(cells_of(*map(str, range(N_FAILURES_SHOWN + 2))))
    assert str(caught.value).count("Subject '") == N_FAILURES_SHOWN


@pytest.mark.parametrize("n_failing", [1, 2])
def test_failing_subjects_may_count_as_missing(frame, n_failing):
    extractor = WordExtractor(errors="missing").fit(frame)
    cells = cells_of("to", *["4"] * n_failing)
    with pytest.warns(DataWarning, match=rf"{n_failing} subject\(s\).*'s1'.*treated as missing"):
        encodings = extractor.transform(cells)
    assert tokens_of(encodings) == [[0.0]] + [None] * n_failing


def test_warning_points_at_the_caller(frame):
    extractor = WordExtractor(errors="missing").fit(frame)
    with pytest.warns(DataWarning) as caught:
        extractor.transform(cells_of("4"))
    assert caught[0].filename == __file__


def test_missing_subject_is_no_failure(frame):
    assert WordExtractor(errors="missing").fit_transform(frame).isna().sum().item() == 1


def test_errors_of_our_own_making_are_told_with_their_place(frame):
    with pytest.raises(InputError, match=r"'s1'.*RuntimeError in extraction/test_base\.py"):
        WordExtractor().fit(frame).transform(cells_of("word", "!"))
    extractor = WordExtractor(errors="missing").fit(frame)
    with pytest.warns(DataWarning, match=r"'s1'.*RuntimeError in extraction/test_base\.py"):
        assert extractor.transform(cells_of("word", "!"))["words"].isna().tolist() == [False, True]


# Workers


def test_workers_change_nothing(frame):
    alone = WordExtractor().fit_transform(frame)
    together = WordExtractor(n_jobs=2).fit_transform(frame)
    assert tokens_of(together) == tokens_of(alone)
    assert list(together.index) == list(alone.index)


def test_failures_in_workers_are_told_as_well(frame):
    extractor = WordExtractor(n_jobs=2).fit(frame)
    with pytest.raises(SubjectsError, match=r"'s0': A word has letters.*'s1'"):
        extractor.transform(cells_of("1", "2", "or"))


def test_progress_is_shown_when_verbose(frame, terminal):
    WordExtractor(verbose=1).fit_transform(frame)
    assert "words: 100%" in terminal.getvalue()


def test_nothing_is_shown_by_default(frame, capsys):
    WordExtractor().fit_transform(frame)
    assert capsys.readouterr() == ("", "")


# An estimator like any other


def test_transform_before_fit_is_refused(frame):
    with pytest.raises(NotFittedError, match="WordExtractor"):
        WordExtractor().transform(frame)


def test_parameters_are_validated():
    check_param_validation("WordExtractor", WordExtractor())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_fitted_extractor_survives_copy_and_pickle(frame, duplicate):
    extractor = WordExtractor().fit(frame)
    assert tokens_of(duplicate(extractor).transform(frame)) == tokens_of(extractor.transform(frame))


def test_clone_forgets_what_was_learned(frame):
    extractor = clone(WordExtractor(errors="missing").fit(frame))
    assert extractor.errors == "missing"
    assert not hasattr(extractor, "backbone_")


@pytest.mark.parametrize("method", ["_preparation", "_spec"])
def test_base_leaves_the_modality_to_its_children(method):
    with pytest.raises(NotImplementedError):
        getattr(BaseExtractor(), method)()


# What tokens stand for


def test_tokens_without_names_have_no_places_until_their_number_is_known():
    extractor = WordExtractor().fit(pd.DataFrame({"word": ["fig", "apple"]}))
    assert extractor.token_places() is None
    places = extractor.token_places(n_tokens=2)
    assert (places.modality, places.kind) == ("words", "columns")
    assert places.names == ("token 1", "token 2")


def test_tokens_stand_for_no_text_unless_the_extractor_says_so():
    frame = pd.DataFrame({"word": ["fig", "apple"]})
    assert WordExtractor().fit(frame).token_texts(frame) == []


@pytest.mark.parametrize("ask", [lambda e: e.token_places(), lambda e: e.token_texts([["fig"]])])
def test_what_tokens_stand_for_is_known_after_fit(ask):
    with pytest.raises(NotFittedError):
        ask(WordExtractor())
