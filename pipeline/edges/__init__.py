"""One file per outside system; edges translate and compute nothing."""
