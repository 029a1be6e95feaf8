"""Records written as sentences: fixed wording, fixed order, one fact a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.diagnostic_columns import normalise_name
from adestim._support.missing import is_unknown
from adestim.exceptions import InputError, TableError
from adestim.modalities.clinical.cells import LIMIT, float_or_infinity, is_plain
from adestim.modalities.clinical.coding import not_plain

N_DIGITS = 4
MISSING_RULES = ("say", "omit")

UNIT_ENDINGS: Mapping[str, str] = {
    "years": "years",
    "yrs": "years",
    "months": "months",
    "kg": "kg",
    "cm": "cm",
    "mmhg": "mmHg",
    "bpm": "beats per minute",
    "mg_dl": "mg/dL",
    "pg_ml": "pg/mL",
    "ng_l": "ng/L",
}


@dataclass(frozen=True)
class ColumnPhrase:
    """How one column of a clinical table is written.

    Parameters
    ----------
    sentence : str or None, default=None
        The sentence, with ``{value}`` where the value comes and, if wanted, ``{label}``. None:
        the template's.
    label : str or None, default=None
        What the column holds, in words; None for its name with blanks for underscores.
    unit : str or None, default=None
        Written behind a number. None: the usual one of the column, but none in a sentence of
        one's own.
    decimals : int or None, default=None
        Decimal places of a number that is not whole; None for the template's.

    Examples
    --------
    >>> from adestim.modalities.clinical import ColumnPhrase, RecordTemplate
    >>> template = RecordTemplate({"education": ColumnPhrase(unit="years")})
    >>> template.write({"education": 16.0})
    "The patient's education is 16 years."
    """

    sentence: str | None = None
    label: str | None = None
    unit: str | None = None
    decimals: int | None = None


def usual(label: str, unit: str | None = None) -> ColumnPhrase:
    """Return how a column is written whose meaning is the same in all cohorts."""
    return ColumnPhrase(label=label, unit=unit)


# Spellings of ADNI, NACC, OASIS, PPMI and plain tables, in lower case. A unit stands here only
# where every cohort uses it: years of schooling are levels of schooling elsewhere.
USUAL_PHRASES: Mapping[str, ColumnPhrase] = {
    r"(entry_|nacc)?age(_(bl|at_(visit|entry|scan|baseline)))?": usual("age", "years"),
    r"(pt)?(gender|sex)": usual("sex"),
    r"education|educ|edu": usual("education"),
    r"pteducat|educyrs|education_years|years_(of_)?education": usual("education", "years"),
    r"(pt)?hand(ed(ness)?)?": usual("handedness"),
    r"(pt)?marry|marital_status|maristat": usual("marital status"),
    r"(vs)?bp_?sys|sbp|systolic(_(bp|blood_pressure))?|sys_bp": usual(
        "systolic blood pressure", "mmHg"
    ),
    r"(vs)?bp_?dia|dbp|diastolic(_(bp|blood_pressure))?|dia_bp": usual(
        "diastolic blood pressure", "mmHg"
    ),
    r"(vs)?pulse|hrate|heart_rate": usual("heart rate", "beats per minute"),
    r"bmi|body_mass_index|naccbmi": usual("body mass index", "kg/m2"),
    r"gds|gd_?total|gds_(15|30|total|score)|naccgds": usual("Geriatric Depression Scale score"),
    r"mmse?|mmse_?(score|total)?(_bl)?|naccmmse": usual("Mini-Mental State Examination score"),
    r"moca(_(score|total|bl))?|mcatot|naccmoca": usual("Montreal Cognitive Assessment score"),
    r"npi(_?total|_?score)?|npiscore": usual("Neuropsychiatric Inventory score"),
    r"family_history|famhx|fhx": usual("family history"),
    r"memory_complaint": usual("memory complaint score"),
    r"rbd": usual("REM sleep behaviour disorder"),
    r"apoe|apoe_?genotype|apoe_?geno": usual("APOE genotype"),
}


@dataclass(frozen=True)
class Sentence:
    """How one column is written in one template; plain words alone, so that it can be compared."""

    column: str  # name of the column
    sentence: str  # with ``{value}`` where the value comes
    unknown: str  # written where the value is missing; empty for nothing
    unit: str  # written behind a number
    decimals: int | None  # decimal places of a number; None for four digits in all


@dataclass(frozen=True)
class RecordTemplate:
    """The wording in which a row of a clinical table is written for a language model.

    The wording is the same for all patients and the order that of the table, one fact a
    sentence: a frozen encoder sees the wording before it sees the patient. Nothing is added that
    the table does not say: codes of sex, for instance, are written as they are.

    Parameters
    ----------
    phrases : mapping of str to (str, dict or ColumnPhrase), default={}
        How columns are written, by name of column: a sentence with ``{value}``, or a
        :class:`ColumnPhrase`, or its parameters. Columns that are not named here are written
        with the usual label and unit, where they have one, else with their names.
    sentence : str, default="The patient's {label} is {value}."
        The sentence of all other columns.
    missing : {"say", "omit"}, default="say"
        Whether a missing value is said or passed over.
    unknown : str, default="The patient's {label} is not recorded."
        What is said.
    decimals : int or None, default=None
        Decimal places of numbers that are not whole, zeros at the end left out; None for four
        digits in all. Whole numbers are written without a point.
    opening : str, default=""
        Put before all sentences.

    Notes
    -----
    Units are those that every cohort uses (age in years, blood pressure in mmHg), or that the
    column's name ends in (``weight_kg``). Truth values are written as yes and no; numbers in
    writing as numbers, limits of detection such as ``">1700"`` as they are.

    Examples
    --------
    >>> from adestim.modalities.clinical import RecordTemplate
    >>> record = {"age": 71.0, "sex": "F", "sbp": None, "weight_kg": 64.25}
    >>> RecordTemplate().write(record)
    "The patient's age is 71 years. The patient's sex is F. The patient's systolic blood pressure
    is not recorded. The patient's weight is 64.25 kg."
    >>> age = "The patient is {value} years old."
    >>> template = RecordTemplate({"age": age}, missing="omit", decimals=1)
    >>> template.write(record)
    "The patient is 71 years old. The patient's sex is F. The patient's weight is 64.2 kg."
    """

    phrases: Mapping[str, str | Mapping[str, Any] | ColumnPhrase] = field(default_factory=dict)
    sentence: str = "The patient's {label} is {value}."
    missing: str = "say"
    unknown: str = "The patient's {label} is not recorded."
    decimals: int | None = None
    opening: str = ""

    def write(self, record: Mapping[str, Any]) -> str:
        """Write one record.

        Parameters
        ----------
        record : mapping of str to object
            Values by name of column, in the order in which they are written.

        Returns
        -------
        str

        Raises
        ------
        InputError
            When the template cannot be used.
        TableError
            When a value is neither text nor a finite number.
        """
        return write_sentences(record, self.sentences(list(record)), self.opening)

    def sentences(self, columns: Sequence[str]) -> tuple[Sentence, ...]:
        """Return how each column of a table is written.

        Parameters
        ----------
        columns : sequence of str
            Names of the columns, in order.

        Returns
        -------
        tuple of Sentence

        Raises
        ------
        InputError
            When the template cannot be used, or names columns that are not there.
        """
        self._check(columns)
        return tuple(self._sentence(column) for column in columns)

    def _check(self, columns: Sequence[str]) -> None:
        """Refuse parameters that cannot be used."""
        if self.missing not in MISSING_RULES:
            raise InputError(
                "missing= of a RecordTemplate must be 'say' or 'omit'", got=repr(self.missing)
            )
        absent = sorted(set(self.phrases) - set(columns))
        if absent:
            raise InputError(
                "A RecordTemplate must name columns of the table that are used",
                got=f"{', '.join(map(repr, absent))}, absent from it",
                remedy=f"Choose from {list(columns)}; free text is used where text= names it",
            )
        require_fields(self.unknown, "unknown", {"label"}, set())

    def _sentence(self, column: str) -> Sentence:
        """Return how one column is written."""
        known = usual_phrase(column)
        chosen = as_phrase(self.phrases.get(column, known), column)
        label = chosen.label or known.label
        wording = chosen.sentence or self.sentence
        require_fields(wording, f"sentence of column {column!r}", {"label", "value"}, {"value"})
        decimals = self.decimals if chosen.decimals is None else chosen.decimals
        require_decimals(decimals)
        usual_unit = known.unit if chosen.sentence is None else None
        return Sentence(
            column,
            with_label(wording, label),
            self.unknown.format(label=label) if self.missing == "say" else "",
            (usual_unit if chosen.unit is None else chosen.unit) or "",
            decimals,
        )


def with_label(wording: str, label: str) -> str:
    """Fill in the label and leave the place of the value; other braces stay doubled."""
    filled = wording.format(label=label, value="\0")
    return filled.replace("{", "{{").replace("}", "}}").replace("\0", "{value}")


def as_phrase(given: str | Mapping[str, Any] | ColumnPhrase, column: str) -> ColumnPhrase:
    """Return what the user says of a column as a phrase."""
    if isinstance(given, ColumnPhrase):
        return given
    if isinstance(given, str):
        return ColumnPhrase(given)
    names = [item.name for item in fields(ColumnPhrase)]
    if isinstance(given, Mapping) and set(given) <= set(names):
        return ColumnPhrase(**given)
    raise InputError(
        f"The phrase of column {column!r} must be a sentence, a ColumnPhrase or its parameters",
        got=f"keys {sorted(map(str, given))}"
        if isinstance(given, Mapping)
        else type(given).__name__,
        remedy=f"Write {{{column!r}: 'The value is {{value}}.'}}, or use the keys {names}",
    )


def usual_phrase(column: str) -> ColumnPhrase:
    """Return the usual label and unit of a column, else its name and the unit that it ends in."""
    plain = normalise_name(column)
    for pattern, phrase in USUAL_PHRASES.items():
        if re.fullmatch(pattern, plain):
            return phrase
    label = re.sub(r"[_\s]+", " ", column).strip() or column
    for ending, unit in UNIT_ENDINGS.items():
        if plain.endswith(f"_{ending}"):
            return ColumnPhrase(label=label[: -len(ending) - 1].rstrip(" ("), unit=unit)
    return ColumnPhrase(label=label)


def require_fields(text: str, what: str, allowed: set[str], needed: set[str]) -> None:
    """Refuse a wording whose fields in braces are not the ones that can be filled."""
    rule = f"The {what} in a RecordTemplate must hold " + (
        "{value}, and besides it nothing in braces but {label}"
        if needed
        else "nothing in braces but {label}"
    )
    try:
        parts = list(Formatter().parse(text))
    except (ValueError, TypeError) as error:
        raise InputError(rule, got=repr(text), remedy="Write {{ for a brace") from error
    found = [name for _, name, _, _ in parts if name is not None]
    plain = not any(spec or conversion for _, _, spec, conversion in parts)
    if not (needed <= set(found) <= allowed and plain):
        raise InputError(
            rule, got=repr(text), remedy="Decimal places are given by decimals=, units by unit="
        )


def require_decimals(decimals: int | None) -> None:
    """Refuse anything but a number of decimal places."""
    whole = isinstance(decimals, int) and not isinstance(decimals, bool) and decimals >= 0
    if decimals is not None and not whole:
        raise InputError(
            "decimals= of a RecordTemplate must be a number of places, or None", got=repr(decimals)
        )


def write_sentences(record: Mapping[str, Any], sentences: Sequence[Sentence], opening: str) -> str:
    """Write one record."""
    written = (opening, *(write_fact(record[item.column], item) for item in sentences))
    return " ".join(text for text in written if text)


def write_fact(cell: Any, sentence: Sentence) -> str:
    """Write one value."""
    if is_unknown(cell):
        return sentence.unknown
    return sentence.sentence.format(value=write_value(cell, sentence))


def write_value(cell: Any, sentence: Sentence) -> str:
    """Return a value in words, with its unit where it is a number."""
    if isinstance(cell, (bool, np.bool_)):
        return "yes" if cell else "no"
    if isinstance(cell, pd.Interval):
        cell = str(cell)
    if not is_plain(cell):
        raise not_plain(cell, sentence.column)
    number = as_number(cell)
    if number is None:
        text = " ".join(str(cell).split())
        return f"{text} {sentence.unit}".rstrip() if LIMIT.match(text) else text
    if not math.isfinite(number):
        raise TableError(
            f"Column {sentence.column!r} must hold finite numbers",
            remedy="Write NaN where a value is missing",
        )
    return f"{write_number(number, sentence.decimals)} {sentence.unit}".rstrip()


def as_number(cell: Any) -> float | None:
    """Return a number, also one in plain decimal writing; None for words and codes like 007."""
    if isinstance(cell, str):
        plain = re.fullmatch(r"[-+]?(0|[1-9]\d*)(\.\d+)?", cell.strip())
        return float(cell) if plain else None
    return float_or_infinity(cell)


def write_number(number: float, decimals: int | None) -> str:
    """Write a number: whole ones without a point, others rounded, zeros at the end left out."""
    if number == 0 or number.is_integer():
        return str(int(number))
    if decimals is None:
        decimals = max(0, N_DIGITS - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
