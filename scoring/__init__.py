"""How strange it is: pure functions of arrays. No Django, SQL, clock, network or file in here."""

from scoring.blend import Scores, get_ready, level, score
from scoring.columns import KEYS, LARGEST_MINOR, PACKED, STACKED, Columns
from scoring.departures import departing
from scoring.features import Features, begin_last, build, build_last, departs_last, end_last, join, laid
from scoring.reasons import Explained, explain, reasons
from scoring.reference import GROUPS, MINIMUM_ROWS, BadReference, Reference, TooFewRows
from scoring.visits import DEPARTURES_US, STRETCH_ROWS, Seen, Visits
from scoring.windows import HISTORY_ROWS

__all__ = [
    "DEPARTURES_US",
    "GROUPS",
    "HISTORY_ROWS",
    "KEYS",
    "LARGEST_MINOR",
    "MINIMUM_ROWS",
    "PACKED",
    "STACKED",
    "BadReference",
    "Columns",
    "Explained",
    "Features",
    "Reference",
    "STRETCH_ROWS",
    "Scores",
    "Seen",
    "TooFewRows",
    "Visits",
    "begin_last",
    "build",
    "build_last",
    "departing",
    "departs_last",
    "end_last",
    "explain",
    "get_ready",
    "join",
    "laid",
    "level",
    "reasons",
    "score",
]
