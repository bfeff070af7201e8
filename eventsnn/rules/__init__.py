"""Learning rules as callbacks on events: `Rule`, and the classical ones."""
