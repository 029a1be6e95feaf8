"""The page as a whole."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim._support.words import escape_markdown
from adestim.evaluation import compare
from adestim.exceptions import InputError
from adestim.inspection import FusionReport, model_card
from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.page import make_axes, render_figure
from adestim.inspection.report.sections_performance import write_comparison
from tests.fusion_tables import quick
from tests.inspection.fitted import fitted_regressor
from tests.inspection.reported import compared, reported
from tests.kept_nets import fit_kept

VOID = {"meta", "img"}
LOADING = {"script", "link", "iframe", "object", "embed", "audio", "video", "form", "base"}


class Page(HTMLParser):
    """Tags of a page, its addresses, and whether all that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def made_page():
    """The page of a compared fusion, some of whose subjects are drawn to be explained."""
    settings = {
        "comparison": compared(),
        "n_resamples": 20,
        "cohort": "ADNI",
        "subjects": ["sub-003"],
        "random_state": 3,
    }
    return FusionReport(*reported(), max_subjects=12, title="A <report>", **settings).to_html()


page = cache(made_page)


def test_all_that_is_opened_is_closed():
    assert Page(page()).open == []


def test_the_page_loads_and_runs_nothing():
    found = Page(page())
    assert LOADING.isdisjoint(found.tags)
    for _, attributes in found.attributes:
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in page()
    assert "@import" not in page()


def test_every_image_says_what_is_seen():
    images = [attributes for tag, attributes in Page(page()).attributes if tag == "img"]
    assert len(images) > 10
    assert all(len(image["alt"]) > 20 for image in images)


def test_headings_descend_by_one():
    levels = [int(tag[1]) for tag in Page(page()).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1


def test_names_within_the_page_are_unique_and_found():
    attributes = [attributes for _, attributes in Page(page()).attributes]
    names = [each["id"] for each in attributes if "id" in each]
    links = [each["href"].removeprefix("#") for each in attributes if "href" in each]
    assert len(names) == len(set(names))
    assert set(links) <= set(names)


def test_no_subject_is_named_unless_asked_for():
    assert "sub-" not in "".join(Page(page()).text)


def test_what_the_page_says():
    text = " ".join(Page(page()).text)
    for words in ("SHA-256", "licence", "random_state", "It is no medical device", "A <report>"):
        assert words in text


def test_one_seed_makes_one_page_and_leaves_the_global_generator_as_found():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert made_page() == page()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_the_page_is_saved(tmp_path):
    fusion, X = fitted_regressor()
    report = FusionReport(fusion, X, np.linspace(80, 120, 80), max_subjects=5)
    path = report.save_html(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_figures_are_saved_one_by_one(tmp_path, monkeypatch):
    def draw_two(report):
        for caption in ("Missing modalities", "ROC curve"):
            render_figure(make_axes((1, 1)), "a", caption)

    monkeypatch.setattr(FusionReport, "to_html", draw_two)
    paths = FusionReport(None, None, None).save_figures(tmp_path / "figures")
    assert [path.name for path in paths] == ["01-missing-modalities.pdf", "02-roc-curve.pdf"]
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths)


def test_another_form_of_figures_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'form' is one of 'pdf', 'svg'.*\. Got 'jpg'"):
        FusionReport(None, None, None).save_figures(tmp_path, "jpg")


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(monkeypatch):
    monkeypatch.setattr(FusionReport, "to_html", lambda self: '<p class="a">x</p>')
    html = FusionReport(None, None, None, title="t")._repr_html_()
    assert 'srcdoc="&lt;p class=&quot;a&quot;&gt;x&lt;/p&gt;"' in html
    assert " sandbox " in html


def test_three_classes_make_a_page():
    page = FusionReport(*reported(3), max_subjects=6).to_html()
    assert "log-odds of MCI" in page
    assert "Not shown" not in page


def test_an_array_is_one_modality_without_queries():
    _, X, y = reported()
    values = X[["mri__a", "mri__b"]].fillna(0).to_numpy()
    fusion = quick(anchor="all").fit(values, y)
    page = FusionReport(fusion, values, y, max_subjects=6, subjects=[3]).to_html()
    assert "No attention is shown. There is one modality alone" in page
    assert "Columns and words: features" in page
    assert "<summary>Subject 1</summary>" in page


def test_an_unfitted_estimator_is_refused():
    _, X, y = reported()
    with pytest.raises(NotFittedError):
        FusionReport(quick(), X, y).to_html()


def test_a_wheel_holds_the_template():
    import tomllib

    project = Path(__file__).resolve().parents[3]
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    [pattern] = settings["tool"]["setuptools"]["package-data"]["adestim.inspection.report"]
    found = {path.name for path in (project / "adestim" / "inspection" / "report").glob(pattern)}
    assert {"page.html", "page.css"} <= found


ODD = r"<b>$\frac{x$</b>|*y*"


def odd_names():
    """A fusion whose classes, modalities and columns are called like markup, and its table."""
    rng = np.random.default_rng(0)
    names = [f"{ODD}__{ODD}", f"{ODD}__$b$", "csf__<i>tau</i>"]
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=names)
    y = np.where(X[names[0]] + X[names[2]] > 0, ODD, "CN")
    return fit_kept(quick(anchor="all", max_epochs=1), X, y), X, y


def test_names_are_text_on_the_page_and_on_the_card():
    fusion, X, y = odd_names()
    comparison = compare({ODD: DummyClassifier()}, X, y, cv=2, positive=ODD, random_state=0)
    settings = {"comparison": comparison, "n_resamples": 20}
    html = FusionReport(fusion, X, y, title=ODD, cohort=ODD, **settings).to_html()
    assert ODD in "".join(Page(html).text)
    assert "<b>$" not in html
    assert "<i>" not in html
    card = model_card(fusion, title=ODD, cohort=ODD, licence=ODD, **settings)
    assert "<b>" not in card
    assert escape_markdown(ODD) in card


def test_a_statistic_has_one_interval_wherever_it_is_shown():
    fusion, X, y = reported()
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    comparison = compare({"model": model}, X, y, cv=2, scoring="roc_auc", random_state=1)
    row = next(line for line in comparison.to_markdown().splitlines() if "model" in line)
    interval = re.search(r"[\d.]+ \[[^]]*\]", row.replace("*", "")).group()
    assert interval in write_comparison(gather_material(fusion, X, y, comparison=comparison))
    assert interval in model_card(fusion, comparison=comparison)
