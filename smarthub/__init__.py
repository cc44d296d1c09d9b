"""The carrier's SmartHub API in Python: client, contract types, errors, call budget, contract check."""

from smarthub.breaker import Breaker
from smarthub.budget import Budget, Lane
from smarthub.client import SmartHub
from smarthub.errors import BudgetDenied, BudgetUnavailable

__all__ = ["Breaker", "Budget", "BudgetDenied", "BudgetUnavailable", "Lane", "SmartHub"]
