"""Streaming inference: frames or camera events go in, decisions come out, for hours, with constant memory."""
