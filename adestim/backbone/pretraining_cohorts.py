"""Names of studies, and whether a text names one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adestim.exceptions import InputError


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
