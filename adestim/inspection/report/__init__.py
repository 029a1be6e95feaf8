"""The report and the card of a fitted fusion."""
