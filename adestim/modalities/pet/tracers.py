"""Tracers by the names that they go by, and the equations that bring amyloid to Centiloids."""

from __future__ import annotations

import re
from typing import NamedTuple

from adestim.exceptions import InputError

# Every further name, without what is no letter and no digit, and without the nuclide.
ALIASES = {
    "fdg": ("fluorodeoxyglucose", "fludeoxyglucose"),
    "pib": ("pittsburghcompoundb", "pittsburghb"),
    "florbetapir": ("av45", "fbp", "amyvid"),
    "florbetaben": ("fbb", "neuraceq", "bay949172"),
    "flutemetamol": ("fmm", "vizamyl"),
    "nav4694": ("flutafuranol", "azd4694", "nav"),
    "flortaucipir": ("av1451", "ftp", "t807", "tauvid"),
    "mk6240": ("florquinitau",),
    "pi2620": (),
    "ro948": (),
    "gtp1": (),
    "pm-pbb3": ("pmpbb3", "apn1607", "florzolotau"),
}
NUCLIDES = re.compile(r"^(18f|11c|f18|c11)|(18f|11c|f18|c11)$")


class Equation(NamedTuple):
    """Centiloids of a standardised uptake value ratio: ``slope * ratio + intercept``."""

    slope: float
    intercept: float


# For the cortical volume of interest and the whole cerebellum of the Centiloid project, on images
# that were normalised as it says.
CENTILOID = {
    # Klunk et al. (2015), Alzheimers Dement 11, 1: the ratios 1.009 of young controls and 2.076 of
    # patients are 0 and 100.
    "pib": Equation(100 / (2.076 - 1.009), -100 * 1.009 / (2.076 - 1.009)),
    # Navitsky et al. (2018), Alzheimers Dement 14, 1565.
    "florbetapir": Equation(175.4, -182.3),
    # Rowe et al. (2017), Eur J Nucl Med Mol Imaging 44, 2053.
    "florbetaben": Equation(153.4, -154.9),
    # Battle et al. (2018), EJNMMI Res 8, 107.
    "flutemetamol": Equation(121.42, -121.16),
    # Rowe et al. (2016), J Nucl Med 57, 1233: 100 (ratio - 1.028) / 1.174.
    "nav4694": Equation(100 / 1.174, -100 * 1.028 / 1.174),
}


def find_tracer(name: str) -> str | None:
    """Return a tracer by any of its names, None where none is known."""
    plain = NUCLIDES.sub("", re.sub(r"[^a-z0-9]", "", name.lower()))
    for tracer, others in ALIASES.items():
        if plain in (re.sub(r"[^a-z0-9]", "", tracer), *others):
            return tracer
    return None


def require_tracer(name: str | None) -> str | None:
    """Return the tracer that a parameter names, None where it names none."""
    if name is None:
        return None
    tracer = find_tracer(name)
    if tracer is None:
        raise InputError(
            f"The 'tracer' parameter of PETExtractor must be one of {sorted(ALIASES)}, or another "
            "name of one of them",
            got=f"{name!r} instead",
            remedy="Pass tracer=None for one that is not among them",
        )
    return tracer


def require_equation(tracer: str | None) -> Equation:
    """Return the equation of a tracer; refuse one that has none."""
    if tracer not in CENTILOID:
        raise InputError(
            "centiloid=True of PETExtractor needs an amyloid tracer whose equation is published",
            got=f"tracer={tracer!r}",
            remedy=f"Pass one of {sorted(CENTILOID)} as tracer=, or centiloid=False",
        )
    return CENTILOID[tracer]
