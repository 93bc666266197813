"""Run by the Python of the validator's environment: validate a crate without a network.

    python validate_crate.py CONTEXT CRATE SEVERITY

CONTEXT is a local copy of the JSON-LD context at ADDRESS; it goes into the validator's
own cache. Prints each issue; the exit code is 1 if there is one.
"""

import io
import sys
import tempfile
from pathlib import Path

from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator import models, services
from urllib3 import HTTPResponse

ADDRESS = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "workflow-run-crate-0.5"


class Copy(HTTPAdapter):
    """Answers with the content of a file."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def send(self, request, **options):
        body = io.BytesIO(self.path.read_bytes())
        headers = {"Content-Type": "application/ld+json"}
        answer = HTTPResponse(body=body, headers=headers, status=200, preload_content=False)
        return self.build_response(request, answer)


def main(context: str, crate: str, severity: str) -> int:
    with tempfile.TemporaryDirectory() as directory:
        cache = Path(directory, "http")
        with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
            session.mount(ADDRESS, Copy(Path(context)))
            session.get(ADDRESS)
        settings = services.ValidationSettings(
            rocrate_uri=crate, profile_identifier=PROFILE, offline=True, cache_path=cache,
            requirement_severity=models.Severity[severity],
        )  # fmt: skip
        result = services.validate(settings)
        for issue in result.get_issues():
            print(f"{issue.severity.name} {issue.check.identifier}: {issue.message}")
        return 0 if result.passed() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
