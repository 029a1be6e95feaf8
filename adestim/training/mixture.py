"""One mixture of members: phase-1 heads, forests and the like, and a net for every anchor."""
