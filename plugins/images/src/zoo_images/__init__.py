"""Image files to classes and feature maps: `transform` prepares an image, `extract` runs the model, `picture` draws."""
