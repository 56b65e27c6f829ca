"""The time zone of China, in which offices, papers and the directory count days."""

from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
