"""Releases of this project's programs, beside each other in a folder of the program."""
