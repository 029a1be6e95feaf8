"""The section about whom the predictions hold for."""

from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_groups import write_groups
from tests.inspection.reported import compared, grouped, reported


def test_groups_that_were_not_given_are_said_to_be_so():
    assert "does not say for whom" in write_groups(gather_material(*reported()))


def test_scores_and_gaps_are_shown():
    settings = {"comparison": compared(), "group_scores": grouped(), "n_resamples": 20}
    html = write_groups(gather_material(*reported(), **settings))
    for words in ("sex: F", "site: north", "Largest gaps", "site: west was not scored"):
        assert words in html
