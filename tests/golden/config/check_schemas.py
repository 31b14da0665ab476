"""Judges the generated JSON Schemas with an independent validator: every file of every case that loads without an
error must be right by its schema, a file with an unknown key wrong, and every example in a schema right by its own.
Run by src/config/golden_test.cc as: check_schemas.py FOLDER_OF_SCHEMAS FOLDER_OF_CASES"""

import json
import pathlib
import re
import sys

import jsonschema
import yaml


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2 core types; PyYAML's own are those of 1.1."""


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
]:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


def sections(text):
    name, body = None, []
    for line in text.splitlines(keepends=True):
        if line.startswith("=== "):
            if name is not None:
                yield name, "".join(body)
            name, body = line[4:].strip(), []
        else:
            body.append(line)
    yield name, "".join(body)


def kind_of(path):
    if path == "gatehouse.yaml":
        return "gate"
    if path == "keys.yaml":
        return "keys"
    if re.fullmatch(r"services/[^/.#][^/]*\.yaml", path):
        return "service"
    if re.fullmatch(r"environments/[^/]*\.yaml", path):
        return "environment"
    return None


def examples_of(schema):
    if isinstance(schema, dict):
        for example in schema.get("examples", []):
            yield schema, example
        if "default" in schema and "anyOf" in schema:
            yield schema, schema["default"]
        for value in schema.values():
            yield from examples_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from examples_of(value)


def main(schema_folder, case_folder):
    validators, failures, examples, files = {}, [], 0, 0
    for kind in ("gate", "service", "environment", "keys"):
        schema = json.loads(pathlib.Path(schema_folder, kind + ".json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[kind] = jsonschema.Draft202012Validator(schema)
        for part, example in examples_of(schema):
            examples += 1
            one = {k: v for k, v in part.items() if k != "examples"} | {"$defs": schema.get("$defs", {})}
            for error in jsonschema.Draft202012Validator(one).iter_errors(example):
                failures.append(f"{kind}: the example {json.dumps(example)} is wrong: {error.message}")
        if not list(validators[kind].iter_errors({"no such key": {"a": {"b": 1}}})):
            failures.append(f"{kind}: the schema takes anything")
    for path in sorted(pathlib.Path(case_folder).glob("*.case")):
        parts = list(sections(path.read_text()))
        expected = dict(parts).get("expect", "")
        if " error: " in expected or "refused" in expected:
            continue
        for name, body in parts:
            kind = kind_of(name)
            if kind is None:
                continue
            files += 1
            for error in validators[kind].iter_errors(yaml.load(body, CoreLoader) or {"keys": []}):
                where = ".".join(str(p) for p in error.absolute_path)
                failures.append(f"{path.name}: {name}: {where}: {error.message[:300]}")
    print("\n".join(failures))
    print(f"{files} files and {examples} examples against 4 schemas: {len(failures)} failures")
    return 1 if failures or files < 20 or examples < 50 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
