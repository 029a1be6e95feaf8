"""
Placeholder 13:report
==============

x
"""

print(1)
