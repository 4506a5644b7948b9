"""Write the bill of materials of the zips in CycloneDX: which packages they bring, under which licences.

What it says is read from the pinned packages themselves: their names, versions and licences from their metadata, and
the hashes of their files, one of which pip has compared, from requirements-lambda.txt.
"""

import platform
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL


def bill_of_materials(packages: Path, requirements: str, version: str, time: int) -> str:
    """Return the bill of a version, as JSON. ``time`` is that of its commit, in seconds since 1970."""
    found = sorted(distributions(path=[str(packages)]), key=_name)
    ours = _component("invalidator", version, ComponentType.APPLICATION, [LicenseFactory().make_from_string("MIT")])
    theirs = [_packed(package, requirements) for package in found]
    made_with = {"python": platform.python_version(), "zlib": zlib.ZLIB_RUNTIME_VERSION}
    metadata = BomMetaData(
        component=ours,
        timestamp=datetime.fromtimestamp(time, UTC),
        properties=[Property(name=f"invalidator:{name}", value=value) for name, value in made_with.items()],
    )
    bom = Bom(components=theirs, metadata=metadata, serial_number=uuid5(NAMESPACE_URL, str(ours.purl)))
    bom.register_dependency(ours, theirs)
    return f"{make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)}\n"


def _packed(package: Distribution, requirements: str) -> Component:
    name = _name(package)
    pin = re.search(rf"^{re.escape(f'{name}=={package.version}')} (?:.*\\\n)+.*", requirements, re.MULTILINE)
    hashes = re.findall(r"sha256:(\w+)", pin[0]) if pin else []
    component = _component(name, package.version, ComponentType.LIBRARY, list(_licences(package.metadata)))
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(component.purl)),  # wherever they were got
        comment="the files of this version, of which pip has installed one",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in hashes],
    )
    component.external_references.add(files)
    return component


def _component(name: str, version: str, kind: ComponentType, licences: list[License]) -> Component:
    purl = PackageURL(type="pypi", name=name, version=version)
    return Component(type=kind, name=name, version=version, purl=purl, bom_ref=purl.to_string(), licenses=licences)


def _name(package: Distribution) -> str:
    """Return the name of a package in the form that requirements have (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()


def _licences(metadata: PackageMetadata) -> Iterator[License]:
    """Yield the licence that the metadata name in SPDX's words, or else all licences of their classifiers."""
    given = [text for field in ("License-Expression", "License") for text in metadata.get_all(field, [])]
    licence = LicenseFactory().make_from_string(given[0])
    classified = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if "License ::" in text]
    if classified and getattr(licence, "name", None):  # no SPDX, as "Dual License"
        yield from (LicenseFactory().make_with_name(name) for name in classified)
    else:
        yield licence
