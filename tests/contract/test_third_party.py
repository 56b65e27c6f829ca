"""Licence, third-party notices and bill of materials of an installation."""

import json
import re
from hashlib import sha256
from pathlib import Path

from deploy.jars import pinned
from tools.third_party import RUN, notices, parts, sbom

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = parts()


def test_the_licence_is_the_standard_text() -> None:
    """The checksum of https://www.apache.org/licenses/LICENSE-2.0.txt."""
    text = (CHECKOUT / "LICENSE").read_bytes()
    assert sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_notices_name_every_part_and_its_licence() -> None:
    text = notices(PARTS)
    for line in (
        r"Java runtime \(OpenJDK\) 25\S*: GPL-2.0-only WITH Classpath-exception-2.0",
        r"asyncssh \S+: EPL-2.0 OR GPL-2.0-or-later",
        r"PostgreSQL 18\S*: PostgreSQL",
        r"org.apache.kafka:kafka_2.13 \S+: Apache-2.0",
    ):
        assert re.search(f"^{line}$", text, re.MULTILINE), line
    assert "CLASSPATH" in text and "Eclipse Public License" in text
    assert [part.name for part in PARTS if not part.licence] == []


def test_the_bill_of_materials_has_all_that_is_installed_and_the_hashes_of_the_jars() -> None:
    bom = json.loads(sbom(PARTS))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["purl"]: one for one in bom["components"]}
    hashes = {one["hashes"][0]["content"] for one in components.values() if "hashes" in one}
    assert hashes == {jar.sha256 for jar in pinned()}
    named = re.findall(r"^(\S+==\S+)(?: \\\\)?$", RUN.read_text(), re.MULTILINE)
    missing = [one for one in named if f"pkg:pypi/{one.replace('==', '@')}" not in components]
    assert missing == [], "packages that every platform needs"
    assert all(one["licenses"] for one in components.values())


def test_what_builds_packages_is_pinned() -> None:
    """Each requirement has hashes, and the program that installs onedoor takes no other setuptools to build."""
    for file in (CHECKOUT / "requirements").glob("*.txt"):
        for block in re.findall(r"^\S.*?(?=^\S|\Z)", file.read_text(), re.MULTILINE | re.DOTALL):
            assert "--hash=sha256:" in block, (file.name, block[:60])
    assert re.search(r"^setuptools==", (CHECKOUT / "requirements" / "install.txt").read_text(), re.MULTILINE)
    calls = re.findall(r"    _uv\((.*)\)$", (CHECKOUT / "deploy" / "install.py").read_text(), re.MULTILINE)
    assert len(calls) == 3
    assert all('"--no-build-isolation"' in call for call in calls)
