"""Settings: what a deployment decides, as against what a definition says."""

from pipeline.settings.layers import SettingProblem, SettingsError
from pipeline.settings.load import load
from pipeline.settings.sections import (
    DEFAULT_SALT,
    TOPICS_MAX,
    DeadLetterSettings,
    EngineSettings,
    HttpSettings,
    KafkaSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    OnDataLoss,
    Settings,
    Start,
    TimeSettings,
    duration_ms,
)

__all__ = [
    "DEFAULT_SALT",
    "TOPICS_MAX",
    "DeadLetterSettings",
    "EngineSettings",
    "HttpSettings",
    "KafkaSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "OnDataLoss",
    "SettingProblem",
    "Settings",
    "SettingsError",
    "Start",
    "TimeSettings",
    "duration_ms",
    "load",
]
