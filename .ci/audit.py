"""Known vulnerabilities of what the lock files name, asked of the package index's advisory service.

Without a network there is nobody to ask: one line says so and the check passes. A vulnerability fails it, and so does
whatever else keeps the question from being asked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

UNREACHED = re.compile(r"requests\.exceptions|urllib3\.exceptions|ConnectionError|ServiceError|Timeout")
"""What the last line names when nobody could be asked."""


def main() -> int:
    """Exit code of the check."""
    command = [sys.executable, "-m", "pip_audit", "--requirement=requirements-dev.lock", "--require-hashes"]
    command += ["--disable-pip", "--progress-spinner=off", "--timeout=15", "--format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        dependencies = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print("pip-audit: skipped, the advisory service gave no answer in time.")
        return 0
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it told nothing"])[-1]
        if UNREACHED.search(last):
            print("pip-audit: skipped, the advisory service can't be reached.")
            return 0
        print(f"pip-audit: {last}")
        return 1
    found = [(item["name"], item["version"], flaw) for item in dependencies for flaw in item.get("vulns", [])]
    for name, version, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"pip-audit: {name} {version} has {flaw['id']}, mended in {fixed}.")
    print(f"pip-audit: {len(found)} known vulnerabilities in {len(dependencies)} packages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
