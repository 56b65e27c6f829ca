"""Renders pages: the templates, texts and assets of a service's package, and those that all pages share."""

from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import urlencode

from babel.support import NullTranslations
from fastapi import APIRouter, Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from pydantic import ValidationError
from starlette.responses import HTMLResponse

from contracts.bilingual import Language
from services.runtime.http.pages import formats
from services.runtime.http.pages.assets import Assets
from services.runtime.http.pages.forms import field_faults
from services.runtime.http.pages.languages import LANGUAGES, TAGS, translations
from services.runtime.http.pages.menu import ACCOUNT, HOME, LOG_IN, LOG_OUT, menu_of
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import NOBODY, Reader

SHARED = "services.runtime.http.pages"

PUNCTUATION: dict[Language, dict[str, str]] = {
    "zh": {"comma": "，", "colon": "：", "stop": "。"},
    "en": {"comma": ", ", "colon": ": ", "stop": ". "},
}
"""Joins parts of a sentence in a template."""

_PREFIX = "shared"
"""Where a template finds what all share: ``shared/layout.html``."""


class Pages:
    """The pages of a service. ``package`` has its ``templates``, ``static`` and ``zh.po``; None for errors alone."""

    def __init__(self, service: str, package: str | None = None) -> None:
        packages = [files(one) for one in (package, SHARED) if one is not None]
        self._assets = Assets(service, packages)
        loaders = [PackageLoader(package)] if package is not None else []
        loader = ChoiceLoader([*loaders, PrefixLoader({_PREFIX: PackageLoader(SHARED)})])
        self._environments: dict[Language, Environment] = {}
        self._texts = {language: translations(language, packages) for language in LANGUAGES}
        for language in LANGUAGES:
            environment = Environment(
                loader=loader,
                autoescape=True,
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
                auto_reload=False,
                extensions=["jinja2.ext.i18n"],
            )
            environment.install_gettext_translations(self._texts[language], newstyle=True)  # type: ignore[attr-defined]
            environment.filters |= formats.FILTERS
            environment.globals |= {
                "asset": self._assets.address,
                "language": language,
                "tag": TAGS[language],
                **PUNCTUATION[language],
                "home": HOME,
                "log_in": LOG_IN,
                "log_out": LOG_OUT,
                "own_account": ACCOUNT,
            }
            self._environments[language] = environment

    def router(self) -> APIRouter:
        """A router with the assets, for the pages of the service to be added."""
        return self._assets.routes()

    def address(self, asset: str) -> str:
        """The address of an asset."""
        return self._assets.address(asset)

    def texts(self, language: Language) -> NullTranslations:
        """The catalogue, for texts that stand in no template."""
        return self._texts[language]

    def render(self, request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A page in the reader's language."""
        preferences = preferences_of(request)
        reader: Reader = getattr(request.state, "reader", NOBODY)
        content = (
            self._environments[preferences.language]
            .get_template(template)
            .render(
                {
                    "reader": reader,
                    "menu": menu_of(reader),
                    "path": request.url.path,
                    "large": preferences.large,
                    "choice": lambda **chosen: _choice(request, chosen),
                    **values,
                }
            )
        )
        return HTMLResponse(content, status)

    def wrong_query(
        self,
        request: Request,
        error: ValidationError,
        typed: Mapping[str, str],
        labels: Mapping[str, str],
        template: str = "shared/faults.html",
    ) -> HTMLResponse:
        """The page of a query that is wrong: all that was typed is kept. ``labels``: of its fields, in English."""
        language = preferences_of(request).language
        translated = {name: self._texts[language].gettext(label) for name, label in labels.items()}
        faults = field_faults(error, translated, language)
        return self.render(request, template, 422, problems=faults, typed=typed, labels=labels)


def _choice(request: Request, chosen: dict[str, str]) -> str:
    """The address of the same page with a choice of `preferences.CHOICES`."""
    kept = request.query_params.multi_items() if request.method in ("GET", "HEAD") else []
    return "?" + urlencode([*kept, *chosen.items()])
