"""The table of primitives, one family per module: names, attributes and shape rules, no arithmetic."""
