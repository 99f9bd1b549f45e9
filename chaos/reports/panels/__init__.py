"""The plots of a report, one a module, each made of the material of a run."""
