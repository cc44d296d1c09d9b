"""Known vulnerabilities of what the lock files name, asked of the package index's advisory service.

Without a network there is nobody to ask: one line says so and the check passes. A vulnerability fails it.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> int:
    """Exit code of the check."""
    command = [sys.executable, "-m", "pip_audit", "--requirement=requirements-dev.lock", "--require-hashes"]
    command += ["--disable-pip", "--progress-spinner=off", "--timeout=15", "--format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("pip-audit: skipped, the advisory service can't be reached or gave no answer.")
        return 0
    found = [(item["name"], item["version"], flaw) for item in dependencies for flaw in item.get("vulns", [])]
    for name, version, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"pip-audit: {name} {version} has {flaw['id']}, mended in {fixed}.")
    print(f"pip-audit: {len(found)} known vulnerabilities in {len(dependencies)} packages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
