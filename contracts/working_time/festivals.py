"""The festivals of the State Council's notices by their names (全国年节及纪念日放假办法, 2024, article 2)."""

ENGLISH = {
    "元旦": "New Year's Day",
    "春节": "Spring Festival",
    "清明节": "Tomb-sweeping Day",
    "劳动节": "Labour Day",
    "端午节": "Dragon Boat Festival",
    "中秋节": "Mid-autumn Festival",
    "国庆节": "National Day",
    "抗战胜利70周年": "Anti-Fascist 70th Day",
    "壮族三月三": "Zhuang festival of the third of March",
}
"""Chinese name -> English name. The library ``chinesecalendar`` uses the same English names."""

CHINESE = {english: chinese for chinese, english in ENGLISH.items()}

_SEPARATORS = "、和，,及"


def english(name: str) -> str:
    """The English name of a festival, or of several joined ones. Unknown names stay as they are."""
    for separator in _SEPARATORS:
        name = name.replace(separator, "、")
    return " and ".join(ENGLISH.get(part, part) for part in name.split("、") if part)
