"""Compiled mathematics and event loops. Nothing here knows Python objects or the network description."""
