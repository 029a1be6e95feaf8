import pickle

import pytest

import adestim
from adestim.backbone.registry import (
    EXTRACTORS,
    MODALITIES,
    BackboneCard,
    find_card,
    find_class,
    find_extractor,
    import_class,
    modalities,
    names_like,
    names_of,
    register_backbone,
)
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from tests.backbone.toys import ToyBackbone

TOY = "tests.backbone.toys:ToyBackbone"


@pytest.fixture(autouse=True)
def cards(monkeypatch):
    """Leave the registry as it was found."""
    from adestim.backbone import registry

    registry.discover()
    kept = {card.name: card for card in registry.registered_cards()}
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


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_line_of_the_package_makes_its_extractor(cards, modality):
    names = {name: getattr(adestim, name) for name in EXTRACTORS.values()}
    for card in cards.values():
        if card.modality == modality and (not card.home or card.home.startswith("adestim.")):
            extractor = eval(card.use, {**names, "region_names": ["a", "b"]})
            assert type(extractor) is names[EXTRACTORS[modality]]
            assert extractor.backbone == card.name


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


def test_every_folder_is_a_modality():
    assert modalities() == MODALITIES
