"""The commands for image files: `zoo_features` and `zoo_classify`."""
