"""
Placeholder 08:optuna_study
==============

x
"""

print(1)
