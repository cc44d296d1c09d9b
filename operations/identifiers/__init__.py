"""The identifier reader: from a pasted text or an uploaded file to SIMs of the mirror.

``read_text`` and ``read_file`` make lines, ``resolve`` says which SIM each of them means to a user.
"""

from operations.identifiers.files import read_file
from operations.identifiers.lines import IdentifiersRefused, Line, Resolved, TooMany, Unreadable
from operations.identifiers.lookup import resolve
from operations.identifiers.tokens import read_text

__all__ = [
    "IdentifiersRefused",
    "Line",
    "Resolved",
    "TooMany",
    "Unreadable",
    "read_file",
    "read_text",
    "resolve",
]
