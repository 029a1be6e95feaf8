"""The items of TRIPOD+AI, asked in words of our own.

Collins et al., "TRIPOD+AI statement: updated guidance for reporting clinical prediction models that
use regression or machine learning methods", BMJ 2024;385:e078378.
"""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """One item of the checklist."""

    item: str
    section: str
    topic: str
    of: str  # what it is asked of: D development, E evaluation
    question: str


TITLE, ABSTRACT, INTRODUCTION, METHODS = "Title", "Abstract", "Introduction", "Methods"
OPEN, PUBLIC = "Open science", "Patient and public involvement"
RESULTS, DISCUSSION = "Results", "Discussion"
BOTH = "D;E"

ITEMS = (
    Item("1", TITLE, "Title", BOTH,
         "Does the title say that a prediction model is made or judged, for whom, and what it "
         "predicts?"),
    Item("2", ABSTRACT, "Abstract", BOTH,
         "Does the abstract hold what the checklist for abstracts asks for?"),
    Item("3a", INTRODUCTION, "Background", BOTH,
         "Is it diagnosis or prognosis, why is a model needed, and which models are there "
         "already?"),
    Item("3b", INTRODUCTION, "Background", BOTH,
         "For whom is the model, where in their care does it help, and who uses it?"),
    Item("3c", INTRODUCTION, "Background", BOTH,
         "Which inequalities of health between groups of people are known?"),
    Item("4", INTRODUCTION, "Objectives", BOTH,
         "What is the aim: to develop a model, to evaluate one, or both?"),
    Item("5a", METHODS, "Data", BOTH,
         "Whence are the data of development and of evaluation, why these, and whom do they "
         "stand for?"),
    Item("5b", METHODS, "Data", BOTH,
         "When were participants recruited, from when to when, and followed up until when?"),
    Item("6a", METHODS, "Participants", BOTH,
         "In which setting were they examined, in how many centres, and where?"),
    Item("6b", METHODS, "Participants", BOTH, "Who could take part, and who could not?"),
    Item("6c", METHODS, "Participants", BOTH,
         "Which treatments did they get, and how does the model deal with that?"),
    Item("7", METHODS, "Data preparation", BOTH,
         "How were data prepared and checked, and in the same way for all groups of people?"),
    Item("8a", METHODS, "Outcome", BOTH,
         "What is predicted, how far ahead, how and when was it found out, and alike for all "
         "groups?"),
    Item("8b", METHODS, "Outcome", BOTH,
         "Where the outcome is a matter of judgement, who judged, and with what training?"),
    Item("8c", METHODS, "Outcome", BOTH,
         "What kept those who judged the outcome from knowing the predictors?"),
    Item("9a", METHODS, "Predictors", "D",
         "How were candidate predictors chosen, and were some dropped before modelling?"),
    Item("9b", METHODS, "Predictors", BOTH,
         "What is every predictor, and how, when and how blindly was it measured?"),
    Item("9c", METHODS, "Predictors", BOTH,
         "Where a predictor is a matter of judgement, who judged, and with what training?"),
    Item("10", METHODS, "Sample size", BOTH,
         "How did the number of participants come about, and why is it enough?"),
    Item("11", METHODS, "Missing data", BOTH,
         "What was done about missing data, and why was anything left out?"),
    Item("12a", METHODS, "Analytical methods", "D",
         "Which data made the model and which judged it, and how were they parted?"),
    Item("12b", METHODS, "Analytical methods", "D",
         "In which form do predictors enter: scaled, transformed, encoded?"),
    Item("12c", METHODS, "Analytical methods", "D",
         "What type of model is it and why, how was it built and tuned, and validated internally?"),
    Item("12d", METHODS, "Analytical methods", BOTH,
         "How was it found out whether parameters and performance differ between clusters?"),
    Item("12e", METHODS, "Analytical methods", BOTH,
         "By which measures and plots is performance judged, and models compared?"),
    Item("12f", METHODS, "Analytical methods", "E",
         "Was the model updated after evaluation, recalibrated for instance, and how?"),
    Item("12g", METHODS, "Analytical methods", "E",
         "By which formula, code or object were predictions computed?"),
    Item("13", METHODS, "Class imbalance", BOTH,
         "Was anything done about rare classes, why, and were probabilities corrected afterwards?"),
    Item("14", METHODS, "Fairness", BOTH, "What was done so that the model is fair, and why that?"),
    Item("15", METHODS, "Model output", "D",
         "What does the model return, and how were thresholds found where it decides?"),
    Item("16", METHODS, "Training versus evaluation", BOTH,
         "Where do setting, eligibility, outcome or predictors of the two data sets differ?"),
    Item("17", METHODS, "Ethical approval", BOTH,
         "Which committee approved the study, and did participants consent?"),
    Item("18a", OPEN, "Funding", BOTH, "Who paid, and what part did they have in the study?"),
    Item("18b", OPEN, "Conflicts of interest", BOTH, "Which interests do the authors have?"),
    Item("18c", OPEN, "Protocol", BOTH, "Where is the protocol, or was there none?"),
    Item("18d", OPEN, "Registration", BOTH,
         "Where and under which number is the study registered, or is it not?"),
    Item("18e", OPEN, "Data sharing", BOTH, "How can the data be had?"),
    Item("18f", OPEN, "Code sharing", BOTH, "How can the code of the analysis be had?"),
    Item("19", PUBLIC, "Patient and public involvement", BOTH,
         "What part had patients and the public in the study, or had they none?"),
    Item("20a", RESULTS, "Participants", BOTH,
         "How many came from recruitment to analysis, with and without the outcome?"),
    Item("20b", RESULTS, "Participants", BOTH,
         "Who are they: demography, predictors, outcome, missing data, by source and group?"),
    Item("20c", RESULTS, "Participants", "E",
         "How do those of evaluation differ from those of development?"),
    Item("21", RESULTS, "Model development", BOTH,
         "How many participants and outcomes are in development, tuning and evaluation?"),
    Item("22", RESULTS, "Model specification", "D",
         "What do others need to predict for new people, and what limits its use?"),
    Item("23a", RESULTS, "Model performance", BOTH,
         "How good is it, with confidence intervals, in all and in important groups of people?"),
    Item("23b", RESULTS, "Model performance", BOTH,
         "Where it was looked at, how does performance differ between clusters?"),
    Item("24", RESULTS, "Model updating", "E",
         "What came of updating the model, and how good is the updated one?"),
    Item("25", DISCUSSION, "Interpretation", BOTH,
         "What do the results mean, for fairness too, beside the aims and earlier studies?"),
    Item("26", DISCUSSION, "Limitations", BOTH,
         "What are the limits, and what do they do to bias, certainty and generality?"),
    Item("27a", DISCUSSION, "Usability", "D",
         "In use, how are poor or absent inputs recognised and dealt with?"),
    Item("27b", DISCUSSION, "Usability", "D",
         "Must users handle the inputs or the model, and how skilled must they be?"),
    Item("27c", DISCUSSION, "Usability", BOTH,
         "What comes next, towards use elsewhere and for others?"),
)  # fmt: skip
