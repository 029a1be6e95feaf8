import sys

import matplotlib.pyplot as plt
import pytest

from adestim._support.axes import axes_or_new, escape_mathtext
from adestim.exceptions import MissingDependencyError


def test_axes_are_made_where_none_are_given():
    ax = axes_or_new()
    assert plt.fignum_exists(ax.figure.number)
    plt.close(ax.figure)


def test_the_callers_axes_come_back():
    figure, ax = plt.subplots()
    assert axes_or_new(ax) is ax
    plt.close(figure)


def test_it_is_said_how_to_get_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[plot\]'"):
        axes_or_new()


@pytest.mark.parametrize("name", ["$", "$a$", r"$\frac{x$", r"a\$b$", "plain"])
def test_a_dollar_begins_no_formula(name):
    figure, ax = plt.subplots()
    text = ax.set_title(escape_mathtext(name))
    written, is_formula = text._preprocess_math(text.get_text())
    plt.close(figure)
    assert (written, bool(is_formula)) == (name, False)
