"""Parts of a page."""

import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import InputError, MissingDependencyError
from adestim.inspection.report.page import (
    Link,
    Section,
    collect_figures,
    fill_page,
    make_axes,
    render_cell,
    render_columns,
    render_figure,
    render_folded,
    render_list,
    render_part,
    render_table,
    render_tiles,
    write_figures,
)


def test_what_users_wrote_is_no_markup():
    page = fill_page("<b>", "a & b", [Section("a", "<i>", "<p>x</p>")], "1", "<i>")
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<p>x</p>" in page


def test_sections_are_linked():
    page = fill_page("t", "s", [Section("cohort", "Cohort", "")], "1", "today")
    assert '<a href="#cohort">' in page
    assert '<section id="cohort"' in page


def test_the_page_forbids_requests_and_scripts():
    assert "default-src 'none'; img-src data:" in fill_page("t", "s", [], "1", "today")


def test_numbers_words_and_gaps_of_a_table():
    frame = pd.DataFrame({"a<": [0.12345, -1.0, np.nan]}, index=["x", "y", "z&"])
    html = render_table(frame, "caption")
    for part in ("<td>0.123</td>", "<td>−1.000</td>", "<td>–</td>", "a&lt;", "z&amp;"):
        assert part in html


def test_tables_have_captions_and_scopes():
    html = render_table(pd.Series({"mri": 3}, name="n"), "Who")
    assert "<caption>Who</caption>" in html
    assert '<th scope="col">n</th>' in html
    assert '<th scope="row">mri</th>' in html


@pytest.mark.parametrize(
    ("cell", "html"),
    [
        (True, '<td class="text">yes</td>'),
        (3, "<td>3</td>"),
        (None, "<td>–</td>"),
        (1e-5, "<td>1.0e−05</td>"),
        ("0.5 [0.4, 0.6]", '<td class="text interval">0.5 [0.4, 0.6]</td>'),
        ("ab" * 32, f'<td class="code">{"ab" * 32}</td>'),
    ],
)
def test_cells(cell, html):
    assert html in render_table(pd.Series([cell], dtype=object), "c")


def test_a_figure_is_the_same_every_time_and_says_what_is_seen():
    first, second = (render_figure(make_axes((2, 2)), 'a "b"') for _ in range(2))
    assert first == second
    assert 'alt="a &quot;b&quot;"' in first


@pytest.mark.parametrize("form", ["svg", "png"])
def test_figures_lie_within_the_page(form):
    assert 'src="data:image/' + form in render_figure(make_axes((2, 2)), "a", form=form)


def test_figures_leave_no_window_behind():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    make_axes((2, 2))
    assert plt.get_fignums() == before


def test_without_matplotlib_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[plot\]'"):
        make_axes((2, 2))


def test_a_part_that_cannot_be_shown_says_why():
    def part():
        raise InputError("A rule", got="<x>")

    assert render_part(part) == '<p class="quiet">Not shown. A rule. Got &lt;x&gt;.</p>'


def test_an_error_about_one_subject_is_not_printed():
    def part():
        raise InputError("A rule", subject="sub-01")

    with pytest.raises(InputError, match="sub-01"):
        render_part(part)


def test_parts_are_folded_without_a_script():
    seen = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append(tag)

    Reader().feed(render_folded("more", render_list(["a"])))
    assert seen == ["details", "summary", "ul", "li"]


def test_an_interval_is_set_apart_from_its_number():
    html = render_tiles([("A & B", "0.89 [0.85, 0.93]"), ("n", "3")])
    assert "<dt>A &amp; B</dt><dd>0.89<small>[0.85, 0.93]</small></dd>" in html
    assert "<dd>3</dd>" in html


def test_columns_that_are_empty_are_left_out():
    assert render_columns(["a", "", "b"]).count("<div>") == 2


def test_only_long_tables_may_be_parted_in_print():
    rows = [render_table(pd.DataFrame({"a": range(n)}), "t") for n in (20, 21)]
    assert ['class="scroll long"' in text for text in rows] == [False, True]


def test_a_link_leads_to_its_section():
    assert render_cell(Link("cohort"), 3) == '<td class="text"><a href="#cohort">Cohort</a></td>'


def test_figures_are_collected_while_somebody_asks():
    with collect_figures() as found:
        render_figure(make_axes((1, 1)), "a", "A caption")
    render_figure(make_axes((1, 1)), "a", "Later")
    assert [caption for caption, _ in found] == ["A caption"]


@pytest.mark.parametrize(
    ("form", "first"), [("svg", b"<?xml"), ("eps", b"%!PS"), ("png", b"\x89PNG")]
)
def test_figures_are_written_in_every_form(tmp_path, form, first):
    with collect_figures() as found:
        render_figure(make_axes((1, 1)), "a", "A <caption>, of more than six words to read")
    [path] = write_figures(found, tmp_path, form)
    assert path.name == f"01-a-caption-of-more-than-six.{form}"
    assert path.read_bytes().startswith(first)
