"""Columns that make the diagnosis, or follow from it, known by their names.

The rules cover the spellings of ADNI, AIBL, OASIS-1/2/3, NACC, PPMI, Clinica and plain BIDS
tables. A name is a hint, not a proof: a column with a name of its own passes unseen.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

VISIT_OR_SUM = (
    r"(_(bl|sc|base(line)?|screening|visit\d*|(m|v|y|w)\d+|\d+|on|off|total|tot|sum|score|raw))*"
)


@dataclass(frozen=True)
class DiagnosticRule:
    """One instrument and the names its columns bear."""

    # regular expression that the whole name must match, in lower case, other characters than
    # letters and digits read as ``_``. Endings which name a visit or a sum are allowed after it
    pattern: str
    instrument: str  # what the column holds
    reason: str  # why it carries the diagnosis
    cohorts: tuple[str, ...]  # where the spelling is found
    # expression that another column of the table must match too, for names that are ambiguous alone
    company: str = ""

    def holds(self, name: str, table: Sequence[str]) -> bool:
        """Tell whether a normalised name falls under the rule in this table."""
        return matches(self.pattern, name) and (
            not self.company or any(matches(self.company, other) for other in table)
        )

    def text(self) -> str:
        """Return the instrument and the reason, as one phrase."""
        return f"{self.instrument}: {self.reason}"


def matches(pattern: str, name: str) -> bool:
    """Tell whether a whole name, but for the visit it names, matches."""
    return re.fullmatch(f"(?:{pattern}){VISIT_OR_SUM}", name) is not None


def as_word(pattern: str) -> str:
    """Return an expression for a pattern that stands as a word in a longer name."""
    return rf"(?:.*_)?(?:{pattern})(?:_.*)?"


IS_LABEL = "is the label, or was written down with it"
RATES = "the clinician's diagnosis rests on it"
MOTOR = "rates the motor signs by which the disease is diagnosed"

RULES: tuple[DiagnosticRule, ...] = (
    DiagnosticRule(
        r"dx|dx_(group|change|label|current|code)|dx\d(_code)?|dxsum|dx(norm|nodep|mci|mdes|mptr\d|"
        r"mdue|mothet|dsev|ddue|ad|app|aprob|aposs|park|pdes|pcog|patyp|dep|othdem|odes|confid|"
        r"curren|change|conv|contyp|rev)",
        "Clinical diagnosis form",
        IS_LABEL,
        ("ADNI", "AIBL", "OASIS-3"),
    ),
    DiagnosticRule(
        as_word("diagnos(is|es|ed)"), "Clinical diagnosis", IS_LABEL, ("ADNI", "Clinica")
    ),
    DiagnosticRule(
        r"normcog|demented|impnomci|mci(amem|aplus|aplan|apatt|apex|apvis)|mcinon[12]|"
        r"mcin[12](lan|att|ex|vis)|(prob|poss)ad(if)?|alzdis(if)?|nacc(udsd|alz[dp]|etpr)",
        "Diagnosis of the Uniform Data Set",
        IS_LABEL,
        ("OASIS-3", "NACC"),
    ),
    DiagnosticRule(
        r"group|(research|study|patient|clinical|dx)_group|subgroup|cohort|cohort_definition|"
        r"concohort(_.*)?",
        "Research group",
        "people were enrolled into it by their diagnosis",
        ("ADNI", "OASIS-2", "PPMI"),
    ),
    DiagnosticRule(
        r"enrl[a-z]+\d?|diag1(vis)?|phenocnv",
        "Enrolment arm or phenoconversion",
        IS_LABEL,
        ("PPMI",),
    ),
    DiagnosticRule(
        r"(?:(is|time_to|months_to|years_to)_)?(conversion|converter|progression|progressor)"
        r"(_(time|months|years|date|label))?|[sp]mci",
        "Course after baseline",
        "lies in the future of the examination",
        ("ADNI",),
    ),
    DiagnosticRule(
        r"pt(adbeg|cogbeg|addx)|(?:.*_)?(disease|symptoms?|illness|ad|pd)_(duration|onset)(_.*)?|"
        r"age_?(at_|of_)?onset|duration_of_disease",
        "Onset or duration of the disease",
        "exists for patients only",
        ("ADNI", "PPMI"),
    ),
    DiagnosticRule(
        as_word(r"cdr(_?(sb|sob|sum|tot|global|glob|gs|box(es)?))?")
        + r"|cdglobal|cd(memory|orient|judge|commun|home|care)|sumbox|homehobb|perscare",
        "Clinical Dementia Rating",
        RATES,
        ("ADNI", "AIBL", "OASIS", "NACC", "Clinica"),
    ),
    DiagnosticRule(
        "memory|orient|judgment|commun",
        "Clinical Dementia Rating, a box",
        RATES,
        ("OASIS-3",),
        company="homehobb|perscare",
    ),
    DiagnosticRule(
        as_word("mmse?|nacc_?mmse?|mmscore|mini_mental(_.*)?")
        + r"|worldscore|mm(date|year|month|day|season|hospit|floor|city|area|state|trials|watch|"
        r"pencil|repeat|hand|fold|onflr|read|write|draw)",
        "Mini-Mental State Examination",
        RATES,
        ("ADNI", "AIBL", "OASIS", "NACC", "Clinica"),
    ),
    DiagnosticRule(
        as_word(r"adas(_?cog)?_?(q?\d{1,2})?") + r"|totscore|total_?(11|13)",
        "Alzheimer's Disease Assessment Scale",
        RATES,
        ("ADNI", "Clinica"),
    ),
    DiagnosticRule(
        as_word("moca|nacc_?moca|mcatot|montreal_cognitive(_.*)?"),
        "Montreal Cognitive Assessment",
        RATES,
        ("ADNI", "NACC", "PPMI"),
    ),
    DiagnosticRule(
        r"faq|faq_?(tot(al)?|sum|score)|"
        r"faq(finan|form|shop|game|bevg|meal|event|tv|rem|travl)|functional_activities(_.*)?",
        "Functional Activities Questionnaire",
        RATES,
        ("ADNI",),
    ),
    DiagnosticRule(
        r"mpacc(digit|trailsb)",
        "Preclinical Alzheimer Cognitive Composite",
        "sums tests that make the diagnosis, MMSE and ADAS among them",
        ("ADNI",),
    ),
    DiagnosticRule(
        r"ldel_?total|limm_?total|logical_memory(_.*)?",
        "Logical Memory",
        "its cut-offs decided into which group a person was enrolled",
        ("ADNI",),
    ),
    DiagnosticRule(
        r"exam_?date|visit_?count|n_?visits|number_of_visits",
        "Calendar or number of visits",
        "enrolment and schedule followed the group",
        ("ADNI", "PPMI"),
    ),
    DiagnosticRule(
        as_word(r"(mds_?)?updrs_?(\d|i{1,3}|iv)?[a-z]*") + r"|np[1-4][a-z]{3,}",
        "Unified Parkinson's Disease Rating Scale",
        MOTOR,
        ("PPMI",),
    ),
    DiagnosticRule(
        r"n?hy|h_y|h_and_y|hoehn(_and)?_?yahr(_.*)?",
        "Hoehn and Yahr stage",
        "stages the disease itself",
        ("PPMI",),
    ),
    DiagnosticRule(
        as_word("dat_?scan|sbr"),
        "Dopamine transporter binding ratio",
        "patients were enrolled by it",
        ("PPMI",),
    ),
    DiagnosticRule(
        as_word("ledd|levodopa|pd_?med(ication)?s?|pdstate"),
        "Dopaminergic medication",
        "is given after the diagnosis",
        ("PPMI",),
    ),
    DiagnosticRule(
        "rbd_?sq|rbd_screening_questionnaire",
        "REM Sleep Behaviour Disorder Screening Questionnaire",
        "one of its questions asks whether parkinsonism is known",
        ("PPMI",),
    ),
    DiagnosticRule(
        r"(?:csf_?|asyn_?)?saa(_.*)?|nsd(_?iss)?(_stage)?",
        "Synuclein seed amplification or biological stage",
        "defines the disease biologically",
        ("PPMI",),
    ),
)


def diagnostic_columns(columns: Iterable[Hashable]) -> dict[str, str]:
    """Name the columns that make the diagnosis or follow from it.

    Parameters
    ----------
    columns : iterable of str
        Names of a table's columns. Names that are not strings are passed over.

    Returns
    -------
    dict of str to str
        The instrument and the reason, by name of the column, in the order of the table.

    Notes
    -----
    Cognitive scores such as MMSE or CDR sum of boxes separate normal from demented people almost
    perfectly because they were used to tell them apart; a model given them learns the
    definition of the disease rather than the disease.

    References
    ----------
    .. [1] Wen, J. et al. (2020). Convolutional neural networks for classification of
       Alzheimer's disease: overview and reproducible evaluation. Medical Image Analysis, 63,
       101694.

    Examples
    --------
    >>> from adestim.modalities.clinical import diagnostic_columns
    >>> list(diagnostic_columns(["age", "MMSE_bl", "CDRSB", "dxa_bone_density"]))
    ['MMSE_bl', 'CDRSB']
    """
    names = [column for column in columns if isinstance(column, str)]
    table = [normalise_name(name) for name in names]
    found = {}
    for name, plain in zip(names, table, strict=True):
        rule = next((rule for rule in RULES if rule.holds(plain, table)), None)
        if rule is not None:
            found[name] = rule.text()
    return found


def normalise_name(name: str) -> str:
    """Return a name in lower case, every run of other characters as one underscore."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
