"""Names of studies, whether a text names one, and models that have seen the people of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from adestim.exceptions import InputError


@dataclass(frozen=True)
class LeftOutModel:
    """A published model that is not offered: it was pre-trained on those whom it would judge."""

    name: str
    cohorts: tuple[str, ...]  # those among its pre-training data that are named
    url: str


LEFT_OUT = (
    LeftOutModel(
        "BrainG3N",
        ("ADNI", "PPMI", "16 more cohorts"),
        "https://huggingface.co/gevaertlab/braing3n",
    ),
    LeftOutModel(
        "Brain2Vec",
        ("iSTAGING, which pools ADNI, OASIS, UK Biobank and others",),
        "https://huggingface.co/cbica/Brain2Vec",
    ),
    LeftOutModel(
        "3D-Neuro-SimCLR",
        (
            *("ADNI", "AOMIC", "CoRR", "DLBS", "GSP", "HABS-HD", "MCSA", "NIFD", "PPMI", "SALD"),
            "SOOP",
        ),
        "https://github.com/emilykaczmarek/3D-Neuro-SimCLR",
    ),
)


def find_left_out(name: str) -> LeftOutModel | None:
    """Return the model that a name means, in any spelling and behind any organisation."""
    plain = spell_plainly(name.rpartition("/")[2])
    return next((model for model in LEFT_OUT if spell_plainly(model.name) == plain), None)


def spell_plainly(name: str) -> str:
    """Return the letters and digits of a name, in lower case."""
    return re.sub(r"[\W_]", "", name.casefold())


def cohort_name(cohort: str | Mapping[str, object]) -> str:
    """Return the name of a cohort."""
    name = cohort if isinstance(cohort, str) else cohort.get("name", "")
    if not re.search("[a-z]", str(name).casefold()):
        raise InputError(
            "A cohort is told by its name",
            got=repr(name) if isinstance(cohort, str) else "a cohort without one",
            remedy="Pass a name such as 'ADNI'",
        )
    return str(name)


def names_cohort(text: str, name: str) -> bool:
    """Tell whether a text names a study, whatever its phase or release."""
    words = re.findall("[a-z0-9]+", name.casefold())
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    stem = r"[\W_]*".join(words)
    # A phase may be written without a mark before it: ADNI2.
    stem = re.sub(r"(?<=[a-z])\d+$", "", stem)
    return re.search(rf"(?<![a-z0-9]){stem}[\W_]*\d*(?![a-z0-9])", text.casefold()) is not None
