"""What went wrong with subjects, as errors that name them."""

from __future__ import annotations

import traceback
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adestim.exceptions import AdestimError, InputError

N_NAMED = 5


def name_failure(failure: Exception, subject: Hashable) -> AdestimError:
    """Return whatever came upon one subject's data as an error that names the subject.

    The words of errors that are not ours may hold a patient's data, and are left out.
    """
    if isinstance(failure, AdestimError):
        return failure.about(subject)
    return InputError(
        "The data of a subject must be readable",
        got=f"{type(failure).__name__} in {name_place(failure)}",
        remedy="Its files are damaged, or not what they seem to be: copy or convert them again. "
        "Where other programs read them, report it",
    ).about(subject)


def name_place(failure: Exception) -> str:
    """Return the file and line that raised an error."""
    frames = traceback.extract_tb(failure.__traceback__)
    if not frames:
        return "an unknown place"
    parts = Path(frames[-1].filename).parts[-2:]
    return f"{'/'.join(parts)}, line {frames[-1].lineno}"


@contextmanager
def naming_subjects(subjects: Sequence[Hashable], what: str) -> Iterator[None]:
    """Note on whatever goes wrong with many subjects at once whose data they were."""
    try:
        yield
    except Exception as failure:
        named = ", ".join(repr(str(subject)) for subject in subjects[:N_NAMED])
        rest = len(subjects) - N_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        failure.add_note(f"This happened while {what} encoded {named}{more}.")
        raise
