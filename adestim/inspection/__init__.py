"""Looking into a fitted fusion: what it reads, what counts, who decides."""

from adestim.inspection.attention import QueryAttention, query_attention
from adestim.inspection.attribution import TokenAttribution, token_attribution
from adestim.inspection.bars import AttributionDisplay, QueryAttentionDisplay
from adestim.inspection.card import model_card
from adestim.inspection.contribution import Contributions, modality_contributions
from adestim.inspection.counterfactual import what_if_missing
from adestim.inspection.deciding import AnchorDecisions, deciding_anchor
from adestim.inspection.displays import AnchorsDisplay, ContributionsDisplay, SynergyDisplay
from adestim.inspection.maps import TokenMapDisplay
from adestim.inspection.places import TokenPlaces, token_places
from adestim.inspection.report import FusionReport
from adestim.inspection.sanity import SanityCheck, sanity_check
from adestim.inspection.words import RecordTexts
from adestim.inspection.written import WordsDisplay

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
