"""The bulletin as a document for print (PDF)."""

from collections.abc import Mapping
from importlib.resources import files

from babel.support import NullTranslations
from fastapi import Response

from contracts.bilingual import Language
from services.monitor.core.names import NamesInForce
from services.monitor.web.board.bulletin import LoadedBulletin
from services.monitor.web.pages.bulletin.paper import Paper
from services.monitor.web.pages.words import Words
from services.runtime.http.bodies import pdf
from services.runtime.http.bodies.pdf import Typesetter

TEMPLATE = files(__package__) / "bulletin.typ"


class Documents:
    """Makes documents. ``texts``: the catalogue of each language."""

    def __init__(self, texts: Mapping[Language, NullTranslations], names: NamesInForce) -> None:
        self._texts = texts
        self._names = names
        self._typesetter = Typesetter()

    async def response(self, loaded: LoadedBulletin, language: Language) -> Response:
        """The document in this language. Raises `Problem`; see `Typesetter.pdf`."""
        paper = Paper(loaded, Words(language, self._texts[language], self._names()))
        document = await self._typesetter.pdf(TEMPLATE, paper.content(), loaded.board.now)
        headers = {
            "Content-Disposition": f'attachment; filename="bulletin-{loaded.board.period}.{language}.pdf"',
            "Cache-Control": "no-store",
        }
        return Response(document, headers=headers, media_type=pdf.MEDIA_TYPE)
