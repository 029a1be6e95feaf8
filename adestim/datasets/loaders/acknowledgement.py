"""What publishing with a study's data obliges to, and where the words to use stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill

from adestim.exceptions import InputError


@dataclass(frozen=True)
class Terms:
    """What a study asks of those who publish with its data, in our words."""

    name: str
    title: str
    duties: tuple[str, ...]
    where: str
    papers: tuple[str, ...]


ADNI = Terms(
    "ADNI",
    "Alzheimer's Disease Neuroimaging Initiative",
    (
        "Name the initiative on the by-line after the authors, with an asterisk that leads to "
        "the prescribed statement and its list of investigators; not among authors of abstracts.",
        "Put the prescribed acknowledgement of funding into the paper.",
        "Name ADNI as the source of the data in the abstract, as far as space allows.",
        "Read what the agreement says of AI tools before a row of the data reaches one.",
    ),
    "the data use agreement that you signed at ida.loni.usc.edu, and the page on publication "
    "policies of adni.loni.usc.edu",
    (
        "Petersen et al. (2010), Neurology 74, 201",
        "Hurko et al. (2012), NeuroImage 59, 4196: why the by-line",
    ),
)
AIBL = Terms(
    "AIBL",
    "Australian Imaging, Biomarkers and Lifestyle study of ageing",
    (
        "Show abstracts and manuscripts to the study's management before you submit them.",
        "Put the prescribed acknowledgement into the paper.",
    ),
    "the AIBL data use agreement at ida.loni.usc.edu, and aibl.org.au",
    ("Ellis et al. (2009), International Psychogeriatrics 21, 672",),
)
NACC = Terms(
    "NACC",
    "National Alzheimer's Coordinating Center, Uniform Data Set",
    (
        "Put the prescribed acknowledgement, with NACC's grant and those of the research "
        "centers, into the paper; in abstracts and posters the grant's number and the centers.",
        "Show manuscripts and abstracts to NACC before you submit them.",
        "Deposit the paper in PubMed Central.",
        "Name no single center, unless NACC has allowed it for your project.",
        "Add what images of SCAN and data of ADGC ask for, where you use them.",
    ),
    "the checklist for authors, naccdata.org/publish-project/authors-checklist, and the data use "
    "agreement, naccdata.org/requesting-data/dua",
    ("Beekly et al. (2007), Alzheimer Disease and Associated Disorders 21, 249",),
)
OASIS3 = Terms(
    "OASIS-3",
    "Open Access Series of Imaging Studies, third release",
    (
        "Put the prescribed acknowledgement, with its grant numbers, into the paper.",
        "Cite the release that you used.",
    ),
    "the data use terms of OASIS at sites.wustl.edu/oasisbrains, accepted with the download",
    ("LaMontagne et al. (2019), medRxiv 2019.12.13.19014902",),
)
PPMI = Terms(
    "PPMI",
    "Parkinson's Progression Markers Initiative",
    (
        "Put the prescribed statement on the source, with the date of download, into the paper.",
        "Put the prescribed acknowledgement of funding into the paper.",
    ),
    "the data use agreement and the publications policy at ppmi-info.org",
    ("Marek et al. (2018), Annals of Clinical and Translational Neurology 5, 1460",),
)
BIDS = Terms(
    "BIDS",
    "a data set in BIDS",
    ("Follow what the data set says of itself.",),
    "dataset_description.json: HowToAcknowledge, ReferencesAndLinks, DatasetDOI and License",
    (),
)
STUDIES = {
    "adni": ADNI, "aibl": AIBL, "nacc": NACC, "oasis3": OASIS3, "ppmi": PPMI, "bids": BIDS,
}  # fmt: skip


def acknowledgement(cohort: str | Mapping[str, object]) -> str:
    """Say what to acknowledge and cite when publishing with a cohort.

    Parameters
    ----------
    cohort : str or Bunch
        Name of a study (``"ADNI"``, ``"AIBL"``, ``"NACC"``, ``"OASIS-3"``, ``"PPMI"``,
        ``"BIDS"``), or what a loader returned.

    Returns
    -------
    str
        Duties in our words, where the prescribed wording stands, and papers to cite. The
        agreement that you signed decides; studies change it.

    Raises
    ------
    InputError
        When the study is not known, or the cohort does not say which one it is.

    References
    ----------
    .. [1] Hurko et al. (2012), The ADNI Publication Policy, NeuroImage 59, 4196.
    .. [2] Data use agreements of ADNI and AIBL: https://ida.loni.usc.edu.

    Examples
    --------
    >>> from adestim.datasets import acknowledgement
    >>> print(acknowledgement("OASIS-3"))
    OASIS-3: Open Access Series of Imaging Studies, third release
    <BLANKLINE>
    - Put the prescribed acknowledgement, with its grant numbers, into the paper.
    - Cite the release that you used.
    <BLANKLINE>
    The prescribed wording, which is not repeated here, is in: the data use terms of OASIS at
    sites.wustl.edu/oasisbrains, accepted with the download.
    <BLANKLINE>
    Cite: LaMontagne et al. (2019), medRxiv 2019.12.13.19014902.
    """
    study = STUDIES.get(fold_study_name(cohort))
    if study is None:
        raise InputError(
            f"A study is one of {', '.join(repr(known.name) for known in STUDIES.values())}",
            got=f"{cohort!r} instead" if isinstance(cohort, str) else "a cohort of another name",
            remedy="Look into the agreement under which you have the data",
        )
    return format_terms(study)


def fold_study_name(cohort: str | Mapping[str, object]) -> str:
    """Return the name of a study without case and marks."""
    name = cohort if isinstance(cohort, str) else cohort.get("name", "")
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())


def format_terms(study: Terms) -> str:
    """Write down what a study asks for."""
    duties = "\n".join(fill(f"- {duty}", 90, subsequent_indent="  ") for duty in study.duties)
    where = f"The prescribed wording, which is not repeated here, is in: {study.where}."
    papers = [fill(f"Cite: {'; '.join(study.papers)}.", 90)] if study.papers else []
    return "\n\n".join([f"{study.name}: {study.title}", duties, fill(where, 90), *papers])
