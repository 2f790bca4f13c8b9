#!/usr/bin/env python3
"""What programs and images are made of, as SPDX 2.3 in JSON: the crates in the program, and Debian's packages in the image.

usage: release/sbom.py VERSION FILE...     each FILE a line `PACKAGE VERSION` of a Debian package; the document goes to stdout

The same lock file and packages give the same document.
"""
import hashlib
import json
import subprocess
import sys
from datetime import datetime, timezone

SYSTEMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin",
           "x86_64-pc-windows-msvc")


def crates():
    """(name, version, licence) of whatever our program is linked from, on any system; without what only builds or tests it."""
    found = set()
    for system in SYSTEMS:
        metadata = json.loads(subprocess.check_output(
            ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={system}"]))
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        todo, seen = [metadata["resolve"]["root"]], set()
        while todo:
            if (here := todo.pop()) not in seen:
                seen.add(here)
                todo += [dep["pkg"] for dep in nodes[here]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        seen.discard(metadata["resolve"]["root"])
        found |= {(packages[one]["name"], packages[one]["version"], packages[one]["license"] or "NOASSERTION") for one in seen}
    return sorted(found)


def package(name, version, licence, kind):
    return {"SPDXID": f"SPDXRef-{kind}-{name}-{version}".translate(str.maketrans("_+:~", "----")), "name": name,
            "versionInfo": version, "downloadLocation": "NOASSERTION",
            # Older crates write a slash.
            "licenseDeclared": licence.replace("/", " OR ") if " " not in licence else licence, "licenseConcluded": "NOASSERTION",
            "copyrightText": "NOASSERTION", "filesAnalyzed": False,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:{kind}/{name}@{version}".replace("+", "%2B")}]}


def main():
    version, *files = sys.argv[1:]
    debian = sorted({tuple(line.split()) for file in files for line in open(file)})
    packages = [package(*crate, "cargo") for crate in crates()]
    packages += [package(f"debian/{name}", release, "NOASSERTION", "deb") for name, release in debian]
    for one in packages:
        one["SPDXID"] = one["SPDXID"].replace("/", "-")
    ours = package("manifest-action", version, "Apache-2.0", "cargo") | {"SPDXID": "SPDXRef-manifest-action"}
    time = int(subprocess.check_output(["git", "show", "--no-patch", "--format=%ct"]))
    body = hashlib.sha256(json.dumps(packages).encode()).hexdigest()
    json.dump({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"manifest-action {version}", "documentNamespace": f"https://spdx.org/spdxdocs/manifest-action-{version}-{body}",
        "creationInfo": {"created": datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: release/sbom.py"]},
        "packages": [ours, *packages],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": ours["SPDXID"]}]
        + [{"spdxElementId": ours["SPDXID"], "relationshipType": "DEPENDS_ON", "relatedSpdxElement": one["SPDXID"]}
           for one in packages],
    }, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
