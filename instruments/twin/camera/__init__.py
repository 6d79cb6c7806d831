"""The camera under the specimen: diffraction patterns, one or a small raster of them."""
