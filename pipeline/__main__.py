"""Composition, and nothing else: `python -m pipeline` and `northstar` start here."""

from pipeline.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
