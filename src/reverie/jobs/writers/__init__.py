"""Writers, one for each kind of output, during a run and at its end."""
