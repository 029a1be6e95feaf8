"""What each token counts for, and where it is."""
