from operations.tests.fixtures import ask, carrier_sim, plans

__all__ = ["ask", "carrier_sim", "plans"]
