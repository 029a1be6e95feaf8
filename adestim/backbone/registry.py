"""The registry: which backbones there are, where their weights are, what they may be used for."""

from __future__ import annotations

import difflib
import pkgutil
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from types import ModuleType
from typing import Any

from adestim.encoding import BackboneSpec
from adestim.exceptions import AdestimWarning, InputError

NAME = re.compile(r"[a-z0-9][a-z0-9._/+-]*")
HOME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
MOST_SUGGESTIONS = 3
FOLDER = "a/folder"
ENTRY_POINTS = "adestim.backbones"
TUPLES = (
    ("cohorts", "names", "UK Biobank"),
    ("needs", "arguments", 'parcellation="atlas.nii.gz"'),
)


@dataclass(frozen=True)
class BackboneCard:
    """What is known of a backbone.

    Parameters
    ----------
    name : str
        The word that selects it, in lower case.
    modality : {"smri", "fmri", "clinical", "genetics", "freesurfer", "pet"}
        The modality it reads: the name of a folder of ``adestim.modalities``.
    home : str or type, default=""
        Its class, or the importable name of it, ``"package.module:Class"``; empty for the
        built-in reference backbones.
    family : str, default=""
        Architecture that it is one of, as people call it: ``"ViT"``, ``"BERT"``.
    architecture : mapping, default={}
        Parameters of the class at the released size.
    n_parameters : int, default=0
        Number of weights of the encoder; 0 where it is not known.
    hub : str, default=""
        Repository on the Hugging Face hub; empty where it is not there.
    filename : str, default=""
        File in that repository, or name of the file to download elsewhere; empty where the model
        is the whole repository.
    revision : str, default="main"
        Revision of the repository.
    sha256 : str, default=""
        SHA-256 of the released file, where it is known; of ``model.safetensors``, where the
        model is a whole folder.
    url : str, default=""
        Page where the weights are.
    licence : str, default=""
        Licence of the weights.
    commercial : bool or None, default=None
        Whether the licence allows commercial use; None where none is stated.
    cohorts : tuple of str, default=()
        What it was pre-trained on: evaluating on the same people is a leak.
    reference : str, default=""
        Paper.
    needs : tuple of str, default=()
        Further arguments without which its extractor cannot use it, as one writes them:
        ``'parcellation="atlas.nii.gz"'``.

    Raises
    ------
    InputError
        When a field is of another kind, or workers could not import the class.

    Examples
    --------
    >>> from adestim import BackboneCard
    >>> card = BackboneCard("my-model", "smri", home="my_package.my_module:MyModel")
    >>> card.home
    'my_package.my_module:MyModel'
    >>> card.use
    'SMRIExtractor(backbone="my-model", weights="a/folder")'
    """

    name: str
    modality: str
    home: str = ""
    family: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    n_parameters: int = 0
    hub: str = ""
    filename: str = ""
    revision: str = "main"
    sha256: str = ""
    url: str = ""
    licence: str = ""
    commercial: bool | None = None
    cohorts: tuple[str, ...] = ()
    reference: str = ""
    needs: tuple[str, ...] = ()

    def __post_init__(self):
        if isinstance(self.home, type):
            object.__setattr__(self, "home", home_of(self.home))
        require_name(self.name)
        require_modality(self.modality)
        require_home(self.home)
        require_facts(self)

    @property
    def is_foundation(self) -> bool:
        """Whether the model was trained elsewhere and is loaded from a file."""
        return self.home != ""

    @property
    def use(self) -> str:
        """The line of Python to use it."""
        name = [f'backbone="{self.name}"'] if self.is_foundation else []
        by_hand = self.is_foundation and not self.hub
        weights = [f'weights="{self.filename or FOLDER}"'] if by_hand else []
        return f"{name_extractor(self.modality)}({', '.join([*name, *weights, *self.needs])})"

    def backbone_class(self) -> type[Any]:
        """Import and return the class."""
        return import_class(self.home)


def extractor_class(modality: str) -> type[Any]:
    """Return the extractor that the package of a modality offers."""
    return getattr(import_module(f"adestim.modalities.{modality}"), name_extractor(modality))


def home_of(cls: type) -> str:
    """Return the importable name of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def require_name(name: str) -> None:
    """Refuse a name that nobody could write twice alike."""
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise InputError(
            "The name of a backbone is lower-case letters, digits and . _ / + -",
            got=repr(name),
            remedy="Write name='my-model'",
        )


def require_modality(modality: str) -> None:
    """Refuse an unknown modality."""
    known = modalities()
    if modality not in known:
        near = suggestion(modality, known)
        raise InputError(
            f"The modality of a backbone is one of {', '.join(map(repr, known))}",
            got=repr(modality),
            remedy=f"Write {near!r}" if near else None,
        )


def require_home(home: str) -> None:
    """Refuse a class that another process could not import."""
    if home == "":
        return
    if "<locals>" in str(home) or str(home).startswith("__main__:"):
        raise InputError(
            "The class of a backbone must be in a module that can be imported: worker processes "
            "and saved models find it by its name",
            got=repr(home),
            remedy="Move it out of the notebook, script or function into a file my_model.py, and "
            "write home='my_model:MyModel'",
        )
    if not HOME.fullmatch(str(home)):
        raise InputError(
            "The home of a backbone is 'package.module:Class', or the class itself",
            got=repr(home),
            remedy="Write home='my_package.my_module:MyModel'",
        )


def require_facts(card: BackboneCard) -> None:
    """Refuse fields whose kind would only show later."""
    if not isinstance(card.architecture, Mapping):
        raise InputError(
            f"The architecture of backbone {card.name!r} maps parameters of its class to values",
            got=f"a {type(card.architecture).__name__}",
            remedy="Write architecture={'width': 768}",
        )
    for field_name, kind, example in TUPLES:
        values = getattr(card, field_name)
        if isinstance(values, str) or not all(isinstance(one, str) for one in values):
            raise InputError(
                f"The {field_name} of backbone {card.name!r} are a tuple of {kind}",
                got=repr(values),
                remedy=f"Write {field_name}=({example!r},)",
            )
    if card.sha256 and not re.fullmatch(r"[0-9a-f]{64}", card.sha256):
        raise InputError(
            f"The sha256 of backbone {card.name!r} is 64 hexadecimal digits in lower case",
            got=repr(card.sha256),
            remedy="Write what sha256sum prints for the released file",
        )


def import_class(home: str) -> type[Any]:
    """Return the class of an importable name, ``"package.module:Class"``."""
    module, _, name = home.partition(":")
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            "The class of a backbone must be in a module that can be imported",
            got=f"{home!r}, but there is no module {error.name!r}",
            remedy="Install its package, or put its folder on PYTHONPATH",
        ) from error
    try:
        return reduce(getattr, name.split("."), found)
    except AttributeError as error:
        raise InputError(
            "The class of a backbone must be in the module that its home names",
            got=f"{home!r}, but {module!r} has no {name!r}",
            remedy="Correct home= where the backbone is registered",
        ) from error


def modalities() -> tuple[str, ...]:
    """Return the names of the modalities: of the folders that there are."""
    package = import_module("adestim.modalities")
    found = [item.name for item in pkgutil.iter_modules(package.__path__) if item.ispkg]
    first = [name for name in package.FIRST if name in found]
    return (*first, *sorted(set(found) - set(first)))


def name_extractor(modality: str) -> str:
    """Return the name of the extractor that the package of a modality offers."""
    offered = import_module(f"adestim.modalities.{modality}").__all__
    return next(name for name in offered if name.endswith("Extractor"))


def models_of(modality: str) -> ModuleType:
    """Return the package of a modality's models, which registers the built-in one."""
    return import_module(f"adestim.modalities.{modality}.models")


_CARDS: dict[str, BackboneCard] = {}
_TRIED: set[EntryPoint] = set()
# Who asks while another thread loads what is installed waits for it.
_LOADING = RLock()


def reference_card(name: str, modality: str) -> BackboneCard:
    """Return the card of a built-in backbone, which learned from nobody."""
    return BackboneCard(name, modality, family="reference", licence="BSD-3-Clause", commercial=True)


def register_backbone(card: BackboneCard) -> None:
    """Make a backbone selectable by its name.

    Registering lasts as long as the process, so do it where the class is defined: whoever
    imports the module has the backbone.

    Who installs a package of yours need not import it, where that has an entry point of the
    group ``adestim.backbones``, in ``pyproject.toml``::

        [project.entry-points."adestim.backbones"]
        my-model = "my_package.my_module"

    It names a module, which registers its models when it is imported; or in that module, behind
    a colon, a :class:`BackboneCard`, several of them, or a function that returns them. One that
    cannot be loaded is left out with a warning.

    Parameters
    ----------
    card : BackboneCard
        What is known of it.

    Raises
    ------
    InputError
        When another backbone bears the name.

    See Also
    --------
    adestim.Backbone : What the class must do.
    adestim.check_backbone : Tells whether it does.

    Examples
    --------
    >>> from adestim import BackboneCard, list_backbones, register_backbone
    >>> card = BackboneCard("example-model", "smri", home="my_package.my_module:MyModel")
    >>> register_backbone(card)
    >>> "example-model" in list_backbones("smri").index
    True
    """
    if not isinstance(card, BackboneCard):
        raise InputError(
            "register_backbone takes a BackboneCard",
            got=f"a {type(card).__name__}",
            remedy="Write register_backbone(BackboneCard('my-model', 'smri', home=MyModel))",
        )
    models_of(card.modality)
    known = _CARDS.get(card.name)
    if known is not None and known.home != card.home:
        raise InputError(
            "Every backbone needs a name of its own",
            got=f"{card.name!r}, which is that of {known.home or 'a built-in backbone'}",
            remedy="Choose another",
        )
    _CARDS[card.name] = card


def find_card(name: str, modality: str) -> BackboneCard | None:
    """Return the card of a backbone of a modality, or None."""
    # Looking through what is installed takes longer than encoding a patient.
    known = [_CARDS[name]] if name in _CARDS else cards_of(modality)
    return next((card for card in known if card.name == name and card.modality == modality), None)


def get_card(name: str) -> BackboneCard | None:
    """Return the card of a backbone of any modality, or None."""
    for search in (models_of, discover):
        for modality in modalities():
            if name not in _CARDS:
                search(modality)
    return _CARDS.get(name)


def class_named(name: str, home: str | None = None) -> type[Any]:
    """Return the class of a registered backbone; of one that is not, the class at its home."""
    card = get_card(name)
    if card is not None and card.is_foundation:
        return card.backbone_class()
    if home:
        return import_class(home)
    raise InputError(
        "The backbone that made an encoding must be registered where it is loaded",
        got=repr(name),
        remedy="Import the module that registers it, or install its package",
    )


def find_class(spec: BackboneSpec) -> type[Any] | None:
    """Return the class of a spec's model; None for a built-in one, and for a stranger."""
    if not spec.is_foundation:
        return None
    try:
        return class_named(spec.name, spec.source("home"))
    except InputError:
        return None


def find_extractor(spec: BackboneSpec) -> type[Any] | None:
    """Return the extractor of the modality that a spec's model reads; None for a stranger."""
    find_class(spec)  # whose module may register it
    card = get_card(spec.name)
    return None if card is None else extractor_class(card.modality)


def list_cards() -> list[BackboneCard]:
    """Return the cards of all backbones."""
    return [card for modality in modalities() for card in cards_of(modality)]


def cards_of(modality: str) -> list[BackboneCard]:
    """Return the cards of a modality's backbones."""
    if modality in modalities():
        discover(modality)
    return [card for card in list(_CARDS.values()) if card.modality == modality]


def names_of(modality: str) -> list[str]:
    """Return the names of a modality's backbones."""
    return sorted(card.name for card in cards_of(modality))


def names_like(name: str, modality: str) -> list[str]:
    """Return the names of a modality's backbones that a name may have meant, the nearest first."""
    return difflib.get_close_matches(str(name).lower(), names_of(modality), MOST_SUGGESTIONS)


def suggestion(word: object, words: tuple[str, ...]) -> str | None:
    """Return the word that was probably meant."""
    return next(iter(difflib.get_close_matches(str(word).lower(), words, 1)), None)


def discover(modality: str) -> None:
    """Import every model file of a modality's folder, and what is installed beside the package."""
    package = models_of(modality)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(found.name)
    register_installed()


def register_installed() -> None:
    """Register the models that installed packages offer; each entry point is tried once."""
    with _LOADING:
        for entry in entry_points(group=ENTRY_POINTS):
            if entry not in _TRIED:
                _TRIED.add(entry)
                register_entry(entry)


def register_entry(entry: EntryPoint) -> None:
    """Register what an entry point names; warn of one that is broken."""
    try:
        register_offer(entry.load())
    # Whatever is wrong with the package of others, the remaining models are there.
    except Exception as error:
        package = "An installed package" if entry.dist is None else repr(entry.dist.name)
        warnings.warn(
            f"{package} offers backbones that cannot be used: its entry point {entry.name!r} "
            f"({entry.value}) of the group {ENTRY_POINTS!r} ended in {type(error).__name__}: "
            f"{str(error).rstrip('.')}. They are left out; update that package, or uninstall it.",
            AdestimWarning,
            stacklevel=2,
        )


def register_offer(offer: Any) -> None:
    """Register the card or the cards that an entry point names; a module has done so itself."""
    if isinstance(offer, ModuleType):
        return
    if callable(offer):
        offer = offer()
    for card in [offer] if isinstance(offer, BackboneCard) else offer:
        register_backbone(card)
