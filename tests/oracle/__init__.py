"""Independent multi-precision oracle and the tests that hold the engine to it."""
