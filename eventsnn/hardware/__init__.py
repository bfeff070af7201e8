"""Models of neuromorphic hardware around the exact engine: profile, mapping, variability, links, report."""
