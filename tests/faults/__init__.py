"""Real faults: what is killed, cut, filled or set wrong while tasks run, and what is true afterwards."""
