"""One module per cue, and the calibrated fusion of all of them."""
