"""Figures of the front for Prometheus."""

from prometheus_client import Counter

FORWARDED = Counter(
    "onedoor_forwarded_total",
    "Requests sent on, by service and outcome: answered, away, slow, broken, left.",
    ["service", "outcome"],
)
REFUSED = Counter("onedoor_front_refused_total", "Requests refused at the front, by reason.", ["reason"])
LOGINS = Counter("onedoor_front_logins_total", "Logins of people at the front, by outcome.", ["outcome"])
