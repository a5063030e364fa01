"""``python -m demo``: a small agent traced through the real SDK, then queried the ways the SDK's documentation shows.

``server`` starts Runlake, ``agent`` is the traced program, ``made`` remembers what it did, ``queries`` asks and knows
what has to come back, ``export`` writes files, ``report`` prints. Nothing leaves the machine.
"""
