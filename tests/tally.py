"""Adds up the JUnit files that the parts of scripts/test leave behind.

    tally.py FILE...              one line `PASSED FAILED SKIPPED`, then a line for every failure and every
                                  skip with its reason
    tally.py --failures FILE...   what each failure says, at length

What CTest calls one test may be a CMocka program of many: these are counted one by one, from what it printed.
"""

import re
import sys
import xml.etree.ElementTree as ET

CMOCKA_PASSED = re.compile(r"^\[       OK \] ", re.MULTILINE)
CMOCKA_FAILED = re.compile(r"^\[  FAILED  \] (\w+)$", re.MULTILINE)
CMOCKA_SKIPPED = re.compile(r"(?:^(?!\[)(.*)\n)?^\[  SKIPPED \] (\w+)$", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []

    def add_cmocka(self, name, output, failed):
        """A program's tests; False if the output is not of CMocka."""
        if "[==========] Running" not in output:
            return False
        body = output.partition("test(s) run.")[0]  # what follows lists some of them again
        broken = CMOCKA_FAILED.findall(body)
        self.passed += len(CMOCKA_PASSED.findall(body))
        self.failures += [f"{name}: {test}" for test in broken]
        self.skips += [f"{name}: {test}: {(reason or 'without a reason').strip()}"
                       for reason, test in CMOCKA_SKIPPED.findall(body)]
        if failed and not broken:
            self.failures.append(f"{name}: the program ended badly")
        return True

    def add_case(self, case):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.get("classname") == case.get("name"):
            name = case.get("name")
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        skip = case.find("skipped")
        output = case.findtext("system-out") or ""
        if self.add_cmocka(name, output, failure is not None):
            return
        if failure is not None:
            self.failures.append(name)
        elif skip is not None:
            reason = skip.get("message") or skip.text or ""
            if reason.startswith("SKIP_RETURN_CODE"):
                reason = output.strip().splitlines()[-1].removeprefix("skipped: ") if output.strip() else reason
            self.skips.append(f"{name}: {reason.strip()}")
        else:
            self.passed += 1


def cases(paths):
    for path in paths:
        yield from ET.parse(path).getroot().iter("testcase")


def print_failures(paths):
    for case in cases(paths):
        for kind in ("failure", "error"):
            for finding in case.findall(kind):
                print(f"{case.get('classname')}: {case.get('name')}\n{(finding.text or '').rstrip()}\n")


def print_tally(paths):
    tally = Tally()
    for case in cases(paths):
        tally.add_case(case)
    print(tally.passed, len(tally.failures), len(tally.skips))
    for failure in tally.failures:
        print("failed", failure)
    for skip in tally.skips:
        print("skipped", skip)


if __name__ == "__main__":
    if sys.argv[1] == "--failures":
        print_failures(sys.argv[2:])
    else:
        print_tally(sys.argv[1:])
