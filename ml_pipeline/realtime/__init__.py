"""Scoring while somebody waits: the functions of the batch stages, in memory, for the champion of the moment."""
