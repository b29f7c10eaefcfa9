"""Northstar: a product's North Star Metric, computed from its event stream, exactly and live."""
