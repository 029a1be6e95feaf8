import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from adestim.exceptions import InputError
from adestim.inspection.tokens.view import find_extractor_in, view_of
from tests.fusion_tables import numeric_table, quick
from tests.inspection.fitted import fitted


def test_view_holds_the_subjects_of_the_table():
    fusion, X = fitted()
    view = view_of(fusion, X.iloc[:7])
    assert list(view.index) == list(X.index[:7])
    assert view.anchor is None
    assert list(view.nets) == ["mri"]


def test_an_anchor_without_a_net_is_viewed_without_one():
    fusion, X = fitted(anchor="all")
    [lost] = set(fusion.anchors_) - set(fusion.nets_)
    view = view_of(fusion, X, lost)
    assert (view.anchor, view.nets) == (lost, {})
    assert not view.data.tokens


def test_batches_cover_every_row_once():
    fusion, X = fitted()
    rows = np.concatenate([rows for rows, _ in view_of(fusion, X).batches(9)])
    np.testing.assert_array_equal(rows, np.arange(len(X)))


def test_other_estimators_are_refused():
    X, y = numeric_table(20)
    with pytest.raises(InputError, match=r"anchored fusion.*LogisticRegression"):
        view_of(LogisticRegression().fit(X, y), X)


def test_unfitted_fusions_are_refused():
    with pytest.raises(NotFittedError):
        view_of(quick(), numeric_table(20)[0])


def test_unknown_anchor_is_told_with_the_choice():
    fusion, X = fitted()
    with pytest.raises(InputError, match=r"'anchor' must be one.*Got 'csf'.*'mri'"):
        view_of(fusion, X, anchor="csf")


def test_table_without_a_modality_of_fit_is_refused():
    fusion, X = fitted()
    with pytest.raises(ValueError, match="feature names"):
        view_of(fusion, X.drop(columns="gene__a"))


def test_fusion_alone_has_no_extractor():
    assert find_extractor_in(fitted()[0], "mri") is None
