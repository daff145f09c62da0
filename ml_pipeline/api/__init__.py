"""The REST door: the same functions as the command line, behind HTTP. Nothing in here computes."""
