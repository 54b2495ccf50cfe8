#!/usr/bin/env python3
"""Checks that includes go strictly down the layer table, and that CMake says the same.

The policy is data: layers.toml beside this file. One line per violation, as file:line: what is wrong.
  check_layers.py [--root DIR] [--policy FILE]    check the tree
  check_layers.py --self-test                     prove that a forbidden include is found
Exit: 0 clean, 1 violations, 2 wrong use.
"""

import argparse
import fnmatch
import pathlib
import re
import sys
import tempfile
import tomllib

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
SUFFIXES = {".cpp", ".hpp", ".h", ".c"}
KEYWORDS = {"HEADERS", "SOURCES", "TESTS", "DEPENDS", "LIBS", "PRIVATE_LIBS", "TEST_LIBS"}


def load_policy(path):
    policy = tomllib.loads(path.read_text())
    modules = policy["modules"]
    seen = set()
    for name, uses in modules.items():
        for used in uses:
            if used not in seen:
                raise ValueError(f"{path}: {name} may use {used}, which does not stand above it")
        seen.add(name)
    return modules, policy.get("restricted", {})


def cmake_declaration(path):
    """The lists of the sealift_module() call: {keyword: [(word, line)]}, or None where there is no such call."""
    lists, keyword, inside = {}, None, False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#", 1)[0]
        if not inside:
            call = re.search(r"\bsealift_module\s*\(", line)
            if not call:
                continue
            inside, line = True, line[call.end() :]
        body, closed, _ = line.partition(")")
        for word in body.split():
            if word in KEYWORDS:
                keyword = word
                lists.setdefault(keyword, [])
            elif keyword:
                lists[keyword].append((word, number))
        if closed:
            return lists
    return lists if inside else None


def check_file(path, module, relative, modules, restricted, declared, root):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        where = f"src/{relative}:{number}"
        for prefix, allowed in restricted.items():
            if target.startswith(prefix) and not any(
                fnmatch.fnmatch(relative, pattern) for pattern in allowed
            ):
                yield f"{where}: only {', '.join(allowed) or 'nobody'} may include <{target}>"
        if quote == "<":
            continue
        used = target.split("/", 1)[0]
        if used == "tests" and relative.endswith("_test.cpp"):
            continue
        if "/" not in target or used not in modules:
            yield f'{where}: include "{target}" by its full path from src/ (module/file.hpp)'
        elif not (root / "src" / target).exists():
            yield f'{where}: "{target}" does not exist'
        elif used == module:
            continue
        elif used not in modules[module]:
            yield f"{where}: {module} may not use {used} (tools/layers.toml allows: {', '.join(modules[module]) or 'nothing'})"
        elif declared is not None and used not in declared:
            yield f"{where}: {module} uses {used}, but src/{module}/CMakeLists.txt does not list it under DEPENDS"


def check_module(folder, modules, restricted, root):
    module = folder.name
    if module not in modules:
        yield f"src/{module}:1: unknown module; add it to tools/layers.toml at its layer"
        return
    declared, listed = None, None
    cmake = folder / "CMakeLists.txt"
    if cmake.exists():
        lists = cmake_declaration(cmake)
        if lists is not None:
            declared = {word for word, _ in lists.get("DEPENDS", [])}
            listed = cmake.read_text()
            for word, number in lists.get("DEPENDS", []):
                if word not in modules[module]:
                    yield f"src/{module}/CMakeLists.txt:{number}: DEPENDS {word}: {module} may not use it (tools/layers.toml)"
    for path in sorted(folder.rglob("*")):
        if path.suffix not in SUFFIXES:
            continue
        relative = path.relative_to(root / "src").as_posix()
        if (
            path.suffix == ".cpp"
            and listed is not None
            and path.relative_to(folder).as_posix() not in listed
            and path.name not in listed
        ):
            yield f"src/{relative}:1: not listed in src/{module}/CMakeLists.txt"
        yield from check_file(path, module, relative, modules, restricted, declared, root)


def check_tree(root, policy):
    modules, restricted = load_policy(policy)
    for folder in sorted((root / "src").iterdir()):
        if folder.is_dir():
            yield from check_module(folder, modules, restricted, root)


def self_test(policy):
    def violations(files):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return list(check_tree(root, policy))

    base = {"src/base/bytes.hpp": "#pragma once\n"}
    crypto = {"src/crypto/digest.hpp": "#pragma once\n"}
    cases = [
        (
            "a downward include is fine",
            base | {"src/crypto/a.cpp": '#include "base/bytes.hpp"\n#include <openssl/evp.h>\n'},
            None,
        ),
        (
            "an upward include",
            crypto | {"src/base/a.cpp": '\n#include "crypto/digest.hpp"\n'},
            "src/base/a.cpp:2: base may not use crypto",
        ),
        (
            "a sideways include",
            {"src/image/a.hpp": "", "src/ledger/b.cpp": '#include "image/a.hpp"\n'},
            "src/ledger/b.cpp:1: ledger may not use image",
        ),
        (
            "a restricted header",
            {"src/image/a.cpp": "#include <openssl/evp.h>\n"},
            "src/image/a.cpp:1: only crypto/*",
        ),
        (
            "an undeclared module",
            base
            | {
                "src/net/a.cpp": '#include "base/bytes.hpp"\n',
                "src/net/CMakeLists.txt": "sealift_module(net\n  SOURCES a.cpp\n  DEPENDS crypto)\n",
            },
            "src/net/a.cpp:1: net uses base, but",
        ),
        (
            "a forbidden DEPENDS",
            {"src/net/CMakeLists.txt": "sealift_module(net SOURCES\n  DEPENDS base ledger)\n"},
            "src/net/CMakeLists.txt:2: DEPENDS ledger",
        ),
        (
            "a file CMake does not know",
            {"src/net/a.cpp": "", "src/net/CMakeLists.txt": "sealift_module(net SOURCES b.cpp)\n"},
            "src/net/a.cpp:1: not listed",
        ),
        (
            "a relative include",
            base | {"src/base/a.cpp": '#include "bytes.hpp"\n'},
            "src/base/a.cpp:1: include",
        ),
        ("an unknown module", {"src/misc/a.cpp": ""}, "src/misc:1: unknown module"),
    ]
    failed = 0
    for name, files, expected in cases:
        found = violations(files)
        good = not found if expected is None else any(line.startswith(expected) for line in found)
        failed += not good
        print(
            f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": wanted {expected!r}, found {found}")
        )
    return 1 if failed else 0


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=here.parent)
    parser.add_argument("--policy", type=pathlib.Path, default=here / "layers.toml")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options.policy)
    found = list(check_tree(options.root, options.policy))
    for line in found:
        print(line)
    print(f"check_layers: {len(found)} violations" if found else "check_layers: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
