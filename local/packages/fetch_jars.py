"""Fetches the jars of a list into a folder and checks each against the list's SHA-256.

usage: fetch_jars.py LIST FOLDER      (LIST: lines of "sha256  group:artifact:version")
"""

import hashlib
import sys

if sys.version_info < (3, 10):
    # jgo writes its annotations in the style of 3.10. Nothing else in it needs that, so on 3.9 they are left unread.
    import __future__
    import importlib.machinery

    def source_to_code(self, data, path, *, _optimize=-1):
        flags = __future__.annotations.compiler_flag
        return compile(data, path, "exec", flags=flags, dont_inherit=True, optimize=_optimize)

    importlib.machinery.SourceFileLoader.source_to_code = source_to_code

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jgo.util.http
import requests
from jgo.maven import MavenContext


def main(listed, folder):
    # One session keeps its connections open: without it every jar costs two TLS handshakes.
    jgo.util.http.requests = requests.Session()
    repository = MavenContext(repo_cache=folder / ".repository", timeout=120)

    def fetch(line):
        sha256, coordinates = line.split()
        group, artifact, version = coordinates.split(":")
        jar = repository.project(group, artifact).at_version(version).artifact().resolve()
        found = hashlib.sha256(jar.read_bytes()).hexdigest()
        if found != sha256:
            raise SystemExit(f"{coordinates} has SHA-256 {found}, and {listed.name} says {sha256}")
        jar.rename(folder / f"{artifact}-{version}.jar")

    lines = [line for line in listed.read_text().splitlines() if line]
    with ThreadPoolExecutor(8) as threads:
        for done, _ in enumerate(threads.map(fetch, lines), start=1):
            print(f"{done}/{len(lines)}", flush=True)


main(Path(sys.argv[1]), Path(sys.argv[2]))
