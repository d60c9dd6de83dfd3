"""The providers of the CPU: each against the portable implementation in float64, and the choice between them."""
