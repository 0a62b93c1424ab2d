"""`authz catalog schema`: the JSON Schemas of all policy files, for editors, and of the exported catalog."""

import json
from pathlib import Path
from typing import Any, Final

import click
from pydantic import BaseModel

from authz.cli.catalog.text import json_text
from authz.limits.schema import LimitsFile
from authz.policy.catalog.catalog_json import CatalogJson
from authz.policy.catalog.schema import SCHEMAS as CATALOG_SCHEMAS
from authz.policy.issuers import IssuersFile
from authz.policy.revocations import RevocationsFile
from authz.policy.rules.schema import RulesFile
from authz.policy.tiers import TiersFile

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: Final[dict[str, type[BaseModel]]] = {
    "issuers": IssuersFile,
    "rules": RulesFile,
    "tiers": TiersFile,
    "revocations": RevocationsFile,
    "limits": LimitsFile,
    **CATALOG_SCHEMAS,
    "catalog_json": CatalogJson,
}
"""The schema of `issuers.yml`, `rules/*.yml` and so on, of the files in each folder of a catalog, and of its export."""


@click.command()
@click.argument("kind", type=click.Choice(tuple(SCHEMAS)), required=False)
@click.option("--write", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write all of them to DIR.")
def schema(kind: str | None, folder: Path | None) -> None:
    """Print the JSON Schema of one kind of file, or of all. All of them are one object, by name."""
    if folder is not None:
        if kind is not None:
            raise click.UsageError("--write writes all schemas: do not name one")
        _write(folder)
    elif kind is not None:
        click.echo(schema_text(kind), nl=False)
    else:
        click.echo(json_text({name: json.loads(schema_text(name)) for name in SCHEMAS}))


def schema_text(kind: str) -> str:
    """Return the JSON Schema of a kind of policy file."""
    return json_text({"$schema": _DIALECT, **_tidied(SCHEMAS[kind].model_json_schema())}) + "\n"


def _tidied(schema: Any) -> Any:  # Any: JSON
    """Return a schema without the titles that repeat its keys, and without bounds that are about seconds, not text."""
    if isinstance(schema, list):
        return [_tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = {"properties", "$defs"}
    return {
        key: {name: _tidied(part) for name, part in value.items()} if key in named else _tidied(value)
        for key, value in schema.items()
        if key not in {"title", "gt"}
    }


def _write(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in SCHEMAS:
            file = folder / f"{kind}.json"
            file.write_text(schema_text(kind), encoding="utf-8")
            click.echo(file)
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder}: {error.strerror}") from None
