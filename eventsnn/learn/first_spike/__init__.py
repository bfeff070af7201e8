"""Exact first spike times of LIF layers and their exact gradients; `network.FirstSpikeNetwork` is the way in."""
