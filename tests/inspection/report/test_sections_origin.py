"""Sections about where a model comes from and what it is not for."""

from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_origin import (
    is_plain_setting,
    write_limits,
    write_provenance,
)
from tests.inspection.reported import compared, reported


def test_backbones_versions_seeds_and_settings_are_told():
    html = write_provenance(gather_material(*reported(), cohort="ADNI"))
    for words in ("cohort seen", "SHA-256", "scikit-learn", "random_state", "n_queries"):
        assert words in html


def test_a_model_that_was_not_judged_says_so():
    assert "No scores of unseen" in write_limits(gather_material(*reported()))
    judged = gather_material(*reported(), comparison=compared())
    assert "No scores of unseen" not in write_limits(judged)


def test_paths_are_no_plain_parameters():
    assert [is_plain_setting(each) for each in ("mean", "a/b.pt", None, ["a", 1], {"a": 1})] == [
        True, False, True, True, False,
    ]  # fmt: skip
