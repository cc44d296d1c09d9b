"""Every regular expression of the code is found and tried with long texts that nearly match: none takes its time."""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from re import _parser as parser  # type: ignore[attr-defined]  # the only way to the parts of an expression
from typing import Any

import pytest
from django.conf import settings

CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
PACKAGES = ["core", "staff", "sims", "operations", "sms", "notifications", "smarthub", "smarthub_portal"]
AT_THE_BEGINNING = {"match", "fullmatch"}
MADE = {
    "smarthub/contract_check.py": "of the names of our own fields, escaped, for the names that pydantic tells",
    "core/erasing.py": "of the texts that an administrator has erased, escaped, one after the other",
}
"""Modules whose functions make a pattern at each call, and why nobody outside has a say in it."""
BOUNDED = {
    "sims/world_map.py": "outlines of a package of ours, not of somebody's text",
    "operations/identifiers/tokens.py": "of cells that are cut; a million letters are tried in test_uploads",
}
"""Modules whose texts have a limit of their own."""
LENGTH = 1_000
TOO_MUCH = 9.0
"""Times longer, for four times the text: 16 is quadratic."""
SEEDS = [
    "0",
    "a",
    " ",
    "-",
    ".",
    "/",
    "1.",
    "0,",
    "a_",
    "é",
    "A",
    "x-",
    "<",
    '"',
    "{a",
    "%",
    "\\u",
    "\n",
    "12d",
    "+",
    "2026-",
]
ENDS = ["", "!", "\x00", "\n!", "}", "d", "Z"]


Found = tuple[re.Pattern[str], bool]
"""An expression, and whether it is only ever asked for at the beginning of a text; else it is tried at each letter."""


def expressions() -> dict[str, Found]:
    """Expressions by where they stand: those of modules as they are, those of functions from the code."""
    found: dict[str, Found] = {}
    for package in PACKAGES:
        for path in sorted((Path(settings.BASE_DIR) / package).rglob("*.py")):
            if "tests" in path.parts or "migrations" in path.parts:
                continue
            where = str(path.relative_to(settings.BASE_DIR))
            calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and _is_of_re(n.func)]
            module = sys.modules.get(where.removesuffix(".py").replace("/", "."))
            for name, thing in vars(module).items() if module else ():
                if isinstance(thing, re.Pattern) and isinstance(thing.pattern, str):
                    used = re.findall(rf"\b{name}\.(\w+)\(", path.read_text())
                    found[f"{where} {name}"] = (thing, bool(used) and set(used) <= AT_THE_BEGINNING)
            for call in calls:
                pattern = call.args[0]
                if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
                    how = ast.unparse(call.func).rpartition(".")[2]
                    if how not in ("compile", "re_path") and f"{where}:{call.lineno}" not in found:
                        found[f"{where}:{call.lineno}"] = (re.compile(pattern.value), how in AT_THE_BEGINNING)
                else:
                    made = ast.unparse(pattern)
                    kept = module is not None and "compile" in ast.unparse(call.func)
                    assert kept or where in MADE, f"{where}:{call.lineno} makes a pattern of {made}"
    return found


def _is_of_re(func: ast.expr) -> bool:
    if isinstance(func, ast.Name):
        return func.id in ("RegexValidator", "re_path")
    return (
        isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Name)
        and func.value.id == "re"
        and func.attr in CALLS
    )


def _example(parsed: Any) -> str:
    """A short text that this part of an expression takes, as far as one is found without asking it."""
    text = ""
    for op, given in parsed:
        if op is parser.LITERAL:
            text += chr(given)
        elif op is parser.NOT_LITERAL:
            text += "!" if chr(given) != "!" else "a"
        elif op is parser.ANY:
            text += "a"
        elif op is parser.IN:
            text += next((c for c in "0aA -_.+é\n\x00" if _one_of(given).match(c)), "")
        elif op in (parser.MAX_REPEAT, parser.MIN_REPEAT, parser.POSSESSIVE_REPEAT):
            text += _example(given[2]) * given[0]
        elif op is parser.SUBPATTERN:
            text += _example(given[3])
        elif op is parser.ATOMIC_GROUP:
            text += _example(given)
        elif op is parser.BRANCH:
            text += _example(given[1][0])
    return text


@cache
def _class(written: str) -> re.Pattern[str]:
    return re.compile(written)


def _one_of(given: Any) -> re.Pattern[str]:
    """A set of letters as an expression of its own."""
    names = {"CATEGORY_DIGIT": "\\d", "CATEGORY_SPACE": "\\s", "CATEGORY_WORD": "\\w"}
    names |= {name.replace("_", "_NOT_", 1): letter.upper() for name, letter in names.items()}
    parts = []
    for op, what in given:
        if op is parser.NEGATE:
            parts.append("^")
        elif op is parser.LITERAL:
            parts.append(re.escape(chr(what)))
        elif op is parser.RANGE:
            parts.append(f"{re.escape(chr(what[0]))}-{re.escape(chr(what[1]))}")
        else:
            parts.append(names[str(what)])
    return _class(f"[{''.join(parts)}]")


def _seeds(parsed: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """For each part that may come often: what leads to it, and one time of it."""
    for op, given in parsed:
        if op in (parser.MAX_REPEAT, parser.MIN_REPEAT):
            if given[1] > 100 and (once := _example(given[2]) or _example(given[2][0][1][2])):
                yield before, once
            yield from _seeds(given[2], before)
        elif op is parser.SUBPATTERN:
            yield from _seeds(given[3], before)
        elif op is parser.BRANCH:
            for branch in given[1]:
                yield from _seeds(branch, before)
        before += _example([(op, given)])


def growth(compiled: re.Pattern[str], *, at_the_beginning: bool = False) -> tuple[float, str]:
    """How many times longer a text takes when it is four times as long; about 4 where time is in
    proportion; of the first that grows too much, else of the worst.

    The texts are made of the letters above, and of what the expression itself takes up to each of its repetitions.
    """
    ask = compiled.match if at_the_beginning else partial(compiled.sub, "")
    worst = (0.0, "")
    own = _seeds(parser.parse(compiled.pattern, compiled.flags & ~re.DEBUG))
    for before, seed in dict.fromkeys([*(("", seed) for seed in SEEDS), *own]):
        for end in ENDS:
            # What doubles with each letter would never come back from a long text.
            if (spent := _spent(ask, before + seed * 20 + end)) > 0.02:
                return spent * 1e6, f"{before!r} {seed!r}… {end!r}"
            short, long = (before + seed * (length // len(seed)) + end for length in (LENGTH, 4 * LENGTH))
            spent = _spent(ask, long)
            if spent > 0.002:  # less is nothing, at this length
                worst = max(worst, (spent / max(_spent(ask, short), 1e-6), f"{before!r} {seed!r}… {end!r}"))
            if worst[0] > TOO_MUCH:
                return worst
    return worst


def _spent(ask: Callable[[str], object], text: str) -> float:
    best = 1.0
    for _ in range(2):
        began = time.process_time()
        ask(text)
        best = min(best, time.process_time() - began)
    return best


def test_no_expression_takes_its_time() -> None:
    found = expressions()
    assert len(found) > 20
    slow = {
        where: told
        for where, (pattern, at_the_beginning) in found.items()
        if where.split(":")[0].split(" ")[0] not in BOUNDED
        and (told := growth(pattern, at_the_beginning=at_the_beginning))[0] > TOO_MUCH
    }
    assert not slow, slow


@pytest.mark.parametrize("pattern", [r"\s+!", r"(?:x-?)+!", r"\s+$", r"\d{4}-[ab]{2}(?:\.(?:\d+)*)?Z"])
def test_one_that_does_is_seen(pattern: str) -> None:
    assert growth(re.compile(pattern))[0] > TOO_MUCH
