"""All that learns: phase 1, the nets of phase 2, and their loops."""
