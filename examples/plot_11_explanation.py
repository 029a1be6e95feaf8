"""
Placeholder 11:explanation
==============

x
"""

print(1)
