"""What to simulate: neurons, connections, the network. Pure data; nothing here runs or compiles anything."""
