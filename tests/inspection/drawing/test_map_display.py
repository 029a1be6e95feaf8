import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from adestim.encoding.places import lay_on_grid
from adestim.exceptions import InputError
from adestim.inspection import TokenMapDisplay, TokenPlaces
from adestim.inspection.drawing.map_display import space_names
from adestim.modalities.fmri.parcellation import seitzman_parcellation
from tests.inspection.fitted import fitted


@pytest.fixture
def parcels():
    spheres = seitzman_parcellation()
    return TokenPlaces(
        "fmri",
        "parcels",
        spheres.names[:6],
        coordinates=spheres.centres[:6],
        networks=("Vis", "Vis", "Vis", "Default", "Default", "Default"),
    )


@pytest.fixture
def variants():
    positions = pd.DataFrame({"chromosome": ["2", "19", "2"], "position": [7e6, 44e6, 3e6]})
    return TokenPlaces("snp", "variants", ("rs1", "rs2", "rs3"), positions=positions)


def links(names):
    values = np.random.default_rng(0).normal(size=(len(names), len(names)))
    return pd.DataFrame(values, list(names), [f"z_{name}" for name in names])


def test_grid_is_drawn_as_slices():
    places = lay_on_grid(TokenPlaces("smri", "columns", ()), [4, 4, 4], 16.0)
    display = TokenMapDisplay(np.linspace(-1, 1, 64), places).plot()
    assert display.figure_.axes
    assert display.ax_.get_title(loc="left") == "smri: value"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_parcels_are_drawn_in_a_glass_brain(parcels, sign):
    display = TokenMapDisplay(sign * np.arange(6.0), parcels).plot()
    assert len(display.figure_.axes) > 1


def test_pairs_of_parcels_and_networks_are_drawn(parcels):
    display = TokenMapDisplay(np.ones(6), parcels, features=links(parcels.names))
    assert len(display.plot(kind="connectome", n_top=3).figure_.axes) > 1
    shown = display.plot(kind="networks").ax_
    assert [text.get_text() for text in shown.get_xticklabels()] == ["Default", "Vis"]


def test_variants_are_drawn_along_the_genome(variants):
    ax = TokenMapDisplay([0.5, -2.0, 0.1, 9.0], variants, label="attribution").plot().ax_
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2", "19"]
    assert ax.get_ylabel() == "attribution"
    assert {text.get_text() for text in ax.texts} == {"rs1", "rs2", "rs3"}


@pytest.mark.parametrize("kind", ["parcels", "variants"])
def test_unknown_places_are_drawn_as_bars_with_a_word(kind):
    display = TokenMapDisplay([1.0, -1.0], TokenPlaces("own", kind, ("a", "b"))).plot()
    assert "is not known" in display.message_
    assert "is not known" in display.ax_.get_title(loc="left")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pie", "'kind' must name a plot. Got 'pie'"),
        ("map", "not known where"),
        ("markers", "not known where"),
        ("manhattan", "needs positions"),
        ("connectome", "profile='regions'"),
        ("networks", "known networks"),
    ],
)
def test_plots_that_lack_something_are_told(kind, message):
    display = TokenMapDisplay([1.0, 2.0], TokenPlaces("own", "columns", ("a", "b")))
    with pytest.raises(InputError, match=message):
        display.plot(kind=kind)


def test_columns_are_drawn_on_the_callers_axes():
    fusion, X = fitted()
    _, ax = plt.subplots()
    display = TokenMapDisplay.from_estimator(fusion, X.iloc[:10], "csf", n_steps=2, ax=ax)
    assert display.ax_ is ax
    assert ax.get_xlabel() == "attribution, log-odds of AD"


def test_attention_is_drawn_of_auxiliary_modalities_alone():
    fusion, X = fitted()
    display = TokenMapDisplay.from_estimator(fusion, X, "csf", of="attention")
    assert display.ax_.get_xlabel() == "attention"
    with pytest.raises(InputError, match=r"the anchor. Choose from"):
        TokenMapDisplay.from_estimator(fusion, X, "mri", of="attention")
    with pytest.raises(InputError, match="'of' must name"):
        TokenMapDisplay.from_estimator(fusion, X, "csf", of="gradient")


def test_names_of_short_chromosomes_do_not_lie_upon_each_other():
    assert space_names(["1", "21", "22", "X"], [0.0, 95.0, 96.0, 99.0], 100.0) == [
        "1",
        "21",
        "",
        "X",
    ]
