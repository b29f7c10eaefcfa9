"""The demo: a made-up product, its traffic, and its definition."""
