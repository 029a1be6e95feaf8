"""The members of phase 1: linear heads, discriminant and forest."""
