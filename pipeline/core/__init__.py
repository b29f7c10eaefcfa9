"""The pure core: six stages over arrays. It knows no clock, no Kafka, no YAML."""
