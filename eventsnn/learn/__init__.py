"""Learning: exact first-spike gradients, losses, optimisers, training recipes."""
