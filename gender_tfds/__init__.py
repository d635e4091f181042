"""Face data sets for TensorFlow Datasets, and what all stations of the road agree on."""
