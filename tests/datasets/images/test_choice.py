import pandas as pd
import pytest

from adestim.datasets.images.choice import (
    check_atlas,
    description_rank,
    in_order_of_preference,
    of_space,
    of_task,
    run_number,
    space_rank,
    warn_of_mixed_spaces,
)
from adestim.exceptions import DataWarning, InputError


def index_of(*rows):
    """An index with the columns that a choice looks at."""
    names = ["modality", "space", "atlas", "task", "run", "description", "problem", "path"]
    full = [{name: row.get(name) for name in names} for row in rows]
    table = pd.DataFrame(full, columns=names).astype("str")
    return table.assign(path=[f"{number}" for number in range(len(table))])


def first(*rows):
    """Number of the row that is preferred."""
    return int(in_order_of_preference(index_of(*rows))["path"].iloc[0])


def bold(**facts):
    """A run."""
    return {"modality": "bold", "task": "rest", **facts}


def test_template_goes_before_native_space_and_that_before_others():
    spaces = ["MNI152NLin2009cAsym", "MNI152NLin6Asym", "MNIInfant", None, "T1w"]
    assert [space_rank(space) for space in spaces] == sorted(map(space_rank, spaces))
    assert first(bold(space="T1w"), bold(), bold(space="MNI152NLin6Asym")) == 2


def test_more_made_of_it_goes_before_less():
    names = ["denoised", "Crop", "preproc", None, "denoisedSmoothed", "MPRAGE_REPEAT"]
    assert [description_rank(name) for name in names] == sorted(map(description_rank, names))
    assert first(bold(description="preproc"), bold(description="denoised")) == 1


def test_what_can_be_used_goes_before_what_cannot():
    assert first(bold(description="denoised", problem="empty file"), bold()) == 1


def test_first_run_is_taken_by_number_and_all_together_before_each():
    assert first(bold(run="10"), bold(run="2")) == 1
    assert first(bold(run="1"), bold()) == 1
    assert run_number("002") == 2


def test_runs_of_other_tasks_are_left_out_and_volumes_are_not():
    index = index_of(bold(), bold(task="restingstate"), bold(task="nback"), {"modality": "t1w"})
    assert list(of_task(index, "rest")["path"]) == ["0", "1", "3"]
    assert len(of_task(index, None)) == 4


def test_space_is_chosen_for_all_or_by_modality():
    index = index_of(bold(space="MNI"), bold(space="T1w"), {"modality": "t1w"})
    assert list(of_space(index, {"bold": "T1w"})["path"]) == ["1", "2"]
    with pytest.raises(InputError, match=r"files of 't1w' in the space 'MNI'\. Got only others"):
        of_space(index, "MNI")


def test_series_of_several_atlases_need_a_choice():
    rows = [{"modality": "roi_series", "atlas": atlas} for atlas in ("Tian", "HCP")]
    index = index_of(*rows, {"modality": "connectivity", "atlas": "HCP"}, {"modality": "t1w"})
    with pytest.raises(InputError, match=r"Got series of 2: 'HCP', 'Tian'.*'atlas' parameter"):
        check_atlas(index, None)
    assert list(check_atlas(index, "Tian")["path"]) == ["0", "3"]
    with pytest.raises(InputError, match=r"of the atlas 'AAL'\. Got others: 'HCP', 'Tian'"):
        check_atlas(index, "AAL")


def test_atlas_is_no_matter_without_series():
    assert len(check_atlas(index_of({"modality": "t1w"}), "AAL")) == 1


def test_mixture_of_spaces_is_pointed_out():
    with pytest.warns(DataWarning, match=r"'bold' are in several spaces: 'none: native', 'MNI'"):
        warn_of_mixed_spaces(index_of(bold(), bold(space="MNI")))
    warn_of_mixed_spaces(index_of(bold(), bold(), {"modality": "t1w", "space": "MNI"}))
