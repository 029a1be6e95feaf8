"""Looking into a fitted fusion: what it reads, what counts, who decides."""

from adestim.encoding.places import TokenPlaces
from adestim.inspection.contribution.contribution import Contributions, modality_contributions
from adestim.inspection.contribution.counterfactual import what_if_missing
from adestim.inspection.contribution.deciding import AnchorDecisions, deciding_anchor
from adestim.inspection.drawing.contribution_displays import (
    AnchorsDisplay,
    ContributionsDisplay,
    SynergyDisplay,
)
from adestim.inspection.drawing.map_display import TokenMapDisplay
from adestim.inspection.drawing.token_displays import AttributionDisplay, QueryAttentionDisplay
from adestim.inspection.drawing.words_display import WordsDisplay
from adestim.inspection.report.card import model_card
from adestim.inspection.report.report import FusionReport
from adestim.inspection.tokens.attention import QueryAttention, query_attention
from adestim.inspection.tokens.attribution import TokenAttribution, token_attribution
from adestim.inspection.tokens.sanity import SanityCheck, sanity_check
from adestim.inspection.tokens.token_places import token_places
from adestim.inspection.tokens.words import RecordTexts

__all__ = [
    "AnchorDecisions",
    "AnchorsDisplay",
    "AttributionDisplay",
    "Contributions",
    "ContributionsDisplay",
    "FusionReport",
    "QueryAttention",
    "QueryAttentionDisplay",
    "RecordTexts",
    "SanityCheck",
    "SynergyDisplay",
    "TokenAttribution",
    "TokenMapDisplay",
    "TokenPlaces",
    "WordsDisplay",
    "deciding_anchor",
    "modality_contributions",
    "model_card",
    "query_attention",
    "sanity_check",
    "token_attribution",
    "token_places",
    "what_if_missing",
]
