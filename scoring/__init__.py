"""How strange it is: pure functions of arrays. No Django, SQL, clock, network or file in here."""
