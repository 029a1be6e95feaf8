import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import adestim
from adestim import BackboneCard, list_backbones, register_backbone
from adestim.backbone import find_card
from adestim.backbone.registry import (
    find_class,
    find_extractor,
    import_class,
    modalities,
    name_extractor,
    names_like,
    names_of,
)
from adestim.encoding import BackboneSpec
from adestim.exceptions import AdestimWarning, InputError
from tests.backbone.toys import ToyBackbone

ROOT = Path(__file__).resolve().parents[2]
TOY = "tests.backbone.toys:ToyBackbone"


@pytest.fixture(autouse=True)
def cards(monkeypatch):
    """Leave the registry as it was found."""
    from adestim.backbone import registry

    kept = {card.name: card for card in registry.list_cards()}
    monkeypatch.setattr(registry, "_CARDS", kept)
    return kept


def toy_card(name="toy", modality="smri", **facts):
    return BackboneCard(name, modality, **{"home": TOY, **facts})


# Cards


def test_a_card_leads_to_its_class():
    assert toy_card().backbone_class() is ToyBackbone


def test_the_class_itself_may_be_given():
    assert toy_card(home=ToyBackbone) == toy_card()


def test_a_card_survives_pickling():
    card = toy_card(cohorts=("UK Biobank",), architecture={"depth": 3})
    assert pickle.loads(pickle.dumps(card)) == card


class Outer:
    class Inner(ToyBackbone):
        pass


def test_a_class_inside_a_class_is_found():
    assert toy_card(home=Outer.Inner).backbone_class() is Outer.Inner


def test_a_class_of_a_notebook_is_refused():
    home = type("Model", (), {"__module__": "__main__"})
    with pytest.raises(InputError, match=r"worker processes .* Move it out of the notebook"):
        toy_card(home=home)


def test_a_class_inside_a_function_is_refused():
    class Local:
        pass

    with pytest.raises(InputError, match="must be in a module that can be imported"):
        toy_card(home=Local)


@pytest.mark.parametrize("home", ["my_module", "my_module.Model", "my-module:Model", ":Model", 3])
def test_a_home_of_another_form_is_refused(home):
    with pytest.raises(InputError, match=r"'package\.module:Class', or the class itself"):
        toy_card(home=home)


@pytest.mark.parametrize("name", ["", "Brain", "my model", "-toy", None])
def test_a_name_in_another_form_is_refused(name):
    with pytest.raises(InputError, match="name of a backbone is lower-case letters"):
        toy_card(name)


@pytest.mark.parametrize(("modality", "near"), [("sMRI", "Write 'smri'"), ("eeg", "")])
def test_an_unknown_modality_is_refused(modality, near):
    with pytest.raises(InputError, match=f"Got '{modality}'. ?{near}"):
        toy_card(modality=modality)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"architecture": [1]}, "maps parameters of its class to values"),
        ({"cohorts": "UK Biobank"}, "cohorts of backbone 'toy' are a tuple of names"),
        ({"cohorts": (1,)}, "cohorts of backbone 'toy' are a tuple of names"),
        ({"needs": "t_r=2.2"}, "needs of backbone 'toy' are a tuple of arguments"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_facts_of_another_kind_are_refused(facts, said):
    with pytest.raises(InputError, match=said):
        toy_card(**facts)


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ("no_such_package.models:Model", "there is no module 'no_such_package'"),
        ("tests.backbone.no_such_module:Model", "no module 'tests.backbone.no_such_module'"),
        ("tests.backbone.toys:NoSuchModel", "has no 'NoSuchModel'"),
    ],
)
def test_a_class_that_is_not_there_is_said(home, said):
    with pytest.raises(InputError, match=said):
        import_class(home)


def test_a_module_that_lacks_another_package_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_class("needs_more:Model")


# The line to use it


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, 'SMRIExtractor(backbone="toy", weights="a/folder")'),
        ({"filename": "toy.pt"}, 'SMRIExtractor(backbone="toy", weights="toy.pt")'),
        ({"hub": "lab/toy", "filename": "toy.pt"}, 'SMRIExtractor(backbone="toy")'),
        (
            {"hub": "lab/toy", "needs": ("a=1", "b=2")},
            'SMRIExtractor(backbone="toy", a=1, b=2)',
        ),
        ({"home": ""}, "SMRIExtractor()"),
    ],
)
def test_the_line_to_use_it_names_what_is_not_on_the_hub_and_what_it_needs(facts, line):
    assert toy_card(**facts).use == line


@pytest.mark.parametrize("modality", modalities())
def test_every_line_of_the_package_makes_its_extractor(cards, modality):
    extractor_class = getattr(adestim, name_extractor(modality))
    for card in cards.values():
        if card.modality == modality and (not card.home or card.home.startswith("adestim.")):
            # What the line's reader has made before: names of regions, and an atlas.
            regions = SimpleNamespace(image="regions.nii.gz", labels=["a", "b"])
            names = {extractor_class.__name__: extractor_class, "region_names": regions.labels}
            names["regions"] = regions
            extractor = eval(card.use, names)
            assert type(extractor) is extractor_class
            # One that no foundation model serves has no choice of them.
            assert getattr(extractor, "backbone", card.name) == card.name


# The registry


def test_a_registered_backbone_is_found_in_its_modality():
    register_backbone(toy_card())
    assert find_card("toy", "smri") == toy_card()
    assert find_card("toy", "fmri") is None
    assert "toy" in names_of("smri")
    assert "toy" not in names_of("fmri")


def test_registering_again_replaces_the_card():
    register_backbone(toy_card())
    register_backbone(toy_card(licence="MIT"))
    assert find_card("toy", "smri").licence == "MIT"


@pytest.mark.parametrize("name", ["toy", "morphometry"])
def test_a_name_is_given_once(name):
    register_backbone(toy_card())
    with pytest.raises(InputError, match=f"name of its own. Got '{name}', which is that of "):
        register_backbone(toy_card(name, home="tests.backbone.toys:ToyBlock"))


def test_a_class_in_place_of_a_card_is_refused():
    with pytest.raises(InputError, match=r"register_backbone\(BackboneCard\("):
        register_backbone(ToyBackbone)


def test_near_names_are_suggested():
    register_backbone(toy_card("brain-toy"))
    assert names_like("Brain_Toy", "smri")[0] == "brain-toy"
    assert names_like("quite-another", "smri") == []


# The package


def test_the_registry_is_offered_at_the_top():
    assert adestim.register_backbone is register_backbone
    assert adestim.BackboneCard is BackboneCard


def test_every_card_of_the_package_leads_to_a_backbone(cards):
    for card in cards.values():
        if card.home.startswith("adestim."):
            assert issubclass(card.backbone_class(), adestim.Backbone), card.name
            assert card.licence or card.commercial is None, card.name


# What is imported, and when


def modules_after(statement):
    """The modules of the package that a fresh interpreter holds after a statement."""
    code = f"{statement}; import sys; print(*[m for m in sys.modules if m.startswith('adestim')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_table_of_a_modality_imports_its_models_alone():
    found = modules_after("from adestim import list_backbones; list_backbones('smri')")
    assert "adestim.modalities.smri.models.brainmvp" in found
    readers = {
        f"adestim.modalities.smri.{name}" for name in ("volume", "parcellation", "extractor")
    }
    assert not found & readers
    for other in set(modalities()) - {"smri"}:
        assert not any(name.startswith(f"adestim.modalities.{other}") for name in found)
    assert not any(name.startswith(("adestim.extraction", "adestim.fusion")) for name in found)


def test_the_whole_table_imports_no_extractor():
    found = modules_after("from adestim import list_backbones; list_backbones()")
    assert not any(name.endswith(("extractor", "extraction.base")) for name in found)


def test_a_built_in_backbone_is_known_before_any_model_is_imported():
    found = modules_after(
        "from adestim.backbone.registry import get_card; assert get_card('tabular')"
    )
    assert not any(re.search(r"\.models\.\w", name) for name in found)


def test_a_further_folder_is_a_modality(tmp_path, monkeypatch):
    models = tmp_path / "eeg" / "models"
    models.mkdir(parents=True)
    (tmp_path / "eeg" / "__init__.py").write_text("__all__ = ['EEGExtractor', 'read_eeg']\n")
    (models / "__init__.py").write_text("")
    (models / "waves.py").write_text(
        "from adestim import BackboneCard, register_backbone\n"
        f"register_backbone(BackboneCard('waves', 'eeg', {TOY!r}))\n"
    )
    monkeypatch.setattr(
        adestim.modalities, "__path__", [*adestim.modalities.__path__, str(tmp_path)]
    )
    assert modalities() == ("smri", "fmri", "clinical", "genetics", "eeg", "freesurfer", "pet")
    assert find_card("waves", "eeg").use == 'EEGExtractor(backbone="waves", weights="a/folder")'
    assert "waves" in list_backbones().index


def test_a_card_of_no_modality_is_not_found():
    assert find_card("toy", "no-such-modality") is None


# What other packages offer

MODULE = """
from adestim import BackboneCard, register_backbone

def card(name):
    return BackboneCard(name, "smri", home="tests.backbone.toys:ToyBackbone")

register_backbone(card("by-module"))
ONE = card("by-card")
SEVERAL = [card("by-list-1"), card("by-list-2")]

def make():
    yield card("by-function")

def fail():
    raise RuntimeError("its licence has ended.")

WRONG = 3
TAKEN = BackboneCard("brainmvp", "smri", home="tests.backbone.toys:ToyBlock")
"""
OFFERED = ["by-card", "by-function", "by-list-1", "by-list-2", "by-module"]
GOOD = {
    "a": "their_models",
    "b": "their_models:ONE",
    "c": "their_models:SEVERAL",
    "d": "their_models:make",
}


def install(folder, entries, package="their-package"):
    """Write a package with entry points into a folder, as pip leaves it."""
    (folder / "their_models.py").write_text(MODULE)
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[adestim.backbones]", *lines, ""]))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages, none of whose entry points were tried."""
    from adestim.backbone import registry

    monkeypatch.setattr(registry, "_TRIED", set(registry._TRIED))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("their_models", None)


def test_what_an_installed_package_offers_is_found(site):
    install(site, GOOD)
    assert set(OFFERED) <= set(list_backbones("smri").index)
    assert find_card("by-card", "smri").backbone_class() is ToyBackbone
    assert not set(OFFERED) & set(list_backbones("fmri").index)


def test_a_worker_process_finds_what_an_installed_package_offers(site):
    install(site, GOOD)
    code = (
        "import numpy as np\n"
        "from adestim.extraction.foundation import ModelPreparation\n"
        "print(ModelPreparation('by-function', {'scale': 3})(np.ones((1, 3))).inputs.tolist())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [site, ROOT]))}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert result.stdout.strip() == "[[3.0, 3.0, 3.0]]", result.stderr


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("no_such_models", "ModuleNotFoundError: No module named 'no_such_models'"),
        ("their_models:NOBODY", "AttributeError: .*NOBODY"),
        ("their_models:fail", "RuntimeError: its licence has ended"),
        ("their_models:WRONG", "TypeError: 'int' object is not iterable"),
        ("their_models:TAKEN", "InputError: Every backbone needs a name of its own.*'brainmvp'"),
    ],
)
def test_a_broken_package_is_named_once_and_disturbs_no_other(site, broken, problem):
    install(site, {"broken": broken}, "bad-package")
    install(site, GOOD)
    with pytest.warns(AdestimWarning) as caught:
        found = set(list_backbones("smri").index)
    [said] = [str(warning.message) for warning in caught]
    assert re.search(
        rf"'bad-package' offers .*'broken' \({broken}\).*{problem}.*They are left out", said
    )
    assert {*OFFERED, "brainmvp", "morphometry"} <= found
    assert set(list_backbones("smri").index) == found


# From the name tag of a model to what reads it


def spec_of(name, home=None):
    sources = () if home is None else (("home", home),)
    return BackboneSpec(name, options=(("architecture", ()),), sources=sources)


def test_a_spec_leads_to_its_class_and_its_extractor():
    register_backbone(toy_card("toy-in-the-registry"))
    for spec in (spec_of("toy-in-the-registry"), spec_of("nobody-registered-it", TOY)):
        assert find_class(spec) is ToyBackbone
    assert find_extractor(spec_of("toy-in-the-registry")) is adestim.SMRIExtractor


def test_built_in_models_have_an_extractor_and_no_class():
    assert find_class(BackboneSpec("dosage")) is None
    assert find_extractor(BackboneSpec("dosage")) is adestim.GeneticsExtractor


@pytest.mark.parametrize("home", [None, "somebody.else:Model"])
def test_strangers_have_neither(home):
    assert find_class(spec_of("stranger", home)) is None
    assert find_extractor(spec_of("stranger", home)) is None
