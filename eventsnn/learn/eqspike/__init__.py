"""EqSpike: equilibrium propagation by local updates that spikes drive; see docs/eqspike.md."""
