"""Validates the documents of a YAML file by a JSON schema: schema.py SCHEMA FILE. Names those that do not fit."""

import json
import sys

import jsonschema
import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
bad = 0
with open(sys.argv[2], encoding="utf-8") as file:
    for document in yaml.safe_load_all(file):
        if not validator.is_valid(document):
            bad += 1
            print(document["kind"], document["metadata"]["name"])
sys.exit(1 if bad else 0)
