"""A SmartHub carrier to work against: the contract's calls, a clock, faults and pushes.

Imports neither Django nor any package of the portal, so that it can be wrong only on its own account.
"""
