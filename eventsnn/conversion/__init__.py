"""From trained networks to spiking ones: read layers, fold them into stages, build the network, run and check it."""
