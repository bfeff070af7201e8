"""Figures of runs and trainings, drawn without a display."""

from .plots import plot_decision_map, plot_energy, plot_learning_curve, plot_raster

__all__ = ["plot_decision_map", "plot_energy", "plot_learning_curve", "plot_raster"]
