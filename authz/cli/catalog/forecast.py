"""`authz catalog forecast` and `gone`: what changes on which date, without anybody changing a file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from authz.cli.catalog.dates import AT, day, timestamp
from authz.cli.catalog.open_catalog import OpenCatalog, open_catalog
from authz.cli.catalog.text import FORMAT, either, json_text, table
from authz.cli.options import POLICY
from authz.documents.findings import Findings
from authz.documents.reader import read_folder
from authz.policy.catalog.forecast import deprecated, paid_by
from authz.policy.catalog.model import UnitPrimitive
from authz.policy.rules.gone import GoneEndpoint, gone_endpoints
from authz.policy.rules.reader import read_rules
from authz.policy.rules.schema import RulesFile

_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


@click.command()
@click.option("--days", type=click.IntRange(min=1), default=365, show_default=True, help="How many days to look ahead.")
@POLICY
@AT
@FORMAT
def forecast(days: int, policy: Path, at: datetime | None, as_json: bool) -> None:
    """Show what changes on which date.

    Lists unit primitives whose free access ends, and endpoints that will answer 410. Deprecated unit primitives come
    last: the catalog has no date for their removal.
    """
    opened, now = open_catalog(policy), at or datetime.now(UTC)
    until = _later(now, days)
    paid = paid_by(opened.catalog, until, now)
    going = [each for each in _gone_endpoints(opened) if not each.is_gone(now) and each.is_gone(until)]
    leaving = deprecated(opened.catalog)
    if as_json:
        dated = [*map(_paid_data, paid), *({"change": "gone", **_endpoint_data(each, now)} for each in going)]
        changes = [*sorted(dated, key=_by_date), *(_deprecated_data(opened, unit) for unit in leaving)]
        click.echo(json_text({"at": timestamp(now), "until": timestamp(until), "changes": changes}))
        return
    lines = sorted([*map(_paid_line, paid), *map(_gone_line, going)])
    rows = [*lines, *(("no date", unit.name, _why(opened, unit)) for unit in leaving)]
    if rows:
        click.echo(table([("DATE", "UNIT PRIMITIVE OR ENDPOINT", "CHANGE"), *rows]))
    else:
        click.echo(f"nothing changes from {day(now)} to {day(until)}", err=True)


@click.command()
@POLICY
@AT
@FORMAT
def gone(policy: Path, at: datetime | None, as_json: bool) -> None:
    """List the endpoints that answer 410, or will. Their rules have the key 'gone'."""
    opened, now = open_catalog(policy), at or datetime.now(UTC)
    endpoints = _gone_endpoints(opened)
    if as_json:
        click.echo(json_text([_endpoint_data(each, now) for each in endpoints]))
    elif endpoints:
        rows = [
            (day(each.date), _state(each, now), ", ".join(each.methods), each.path, f"{each.file}:{each.line}")
            for each in endpoints
        ]
        click.echo(table([("DATE", "STATE", "METHODS", "PATH", "RULE"), *rows]))
    else:
        click.echo("no endpoint is marked as gone", err=True)


def _gone_endpoints(opened: OpenCatalog) -> tuple[GoneEndpoint, ...]:
    """Return the endpoints whose rules have the key `gone`. Raises ConfigurationError with every problem of the rules.

    A catalog without rules, such as that of `gitlab-cloud-connector`, has none.
    """
    folder, findings = opened.policy / "rules", Findings()
    if not folder.is_dir():
        return ()
    read_rules(folder, opened.catalog, findings)
    findings.conclude()
    return gone_endpoints(read_folder(folder, RulesFile, Findings()))


def _later(now: datetime, days: int) -> datetime:
    try:
        return now + timedelta(days=days)
    except OverflowError:
        return _END_OF_TIME


def _state(endpoint: GoneEndpoint, now: datetime) -> str:
    """Return in words whether an endpoint answers 410 now."""
    if endpoint.date <= now:
        return "gone"
    return "gone before its date" if endpoint.always else "still served"


def _paid_line(unit: UnitPrimitive) -> tuple[str, str, str]:
    then = f"needs add-on {either(unit.add_ons)}" if unit.add_ons else "still needs no add-on: it lists none"
    return _date(unit.cut_off_date), unit.name, f"free access ends; then it {then}"


def _gone_line(endpoint: GoneEndpoint) -> tuple[str, str, str]:
    return day(endpoint.date), f"{', '.join(endpoint.methods)} {endpoint.path}", "answers 410 from then on"


def _why(opened: OpenCatalog, unit: UnitPrimitive) -> str:
    content = opened.unit(unit.name).content
    return f"deprecated: {content.deprecation_message or content.deprecated_by_url}"


def _date(date: datetime | None) -> str:
    return "" if date is None else day(date)


def _by_date(change: dict[str, Any]) -> tuple[str, str]:  # Any: JSON
    return change["date"], change.get("unit_primitive") or change["path"]


def _paid_data(unit: UnitPrimitive) -> dict[str, Any]:
    date = unit.cut_off_date and timestamp(unit.cut_off_date)
    return {"change": "paid", "date": date, "unit_primitive": unit.name, "add_ons": list(unit.add_ons)}


def _deprecated_data(opened: OpenCatalog, unit: UnitPrimitive) -> dict[str, Any]:
    content = opened.unit(unit.name).content
    return {
        "change": "deprecated",
        "date": None,
        "unit_primitive": unit.name,
        "message": content.deprecation_message,
        "url": content.deprecated_by_url,
    }


def _endpoint_data(endpoint: GoneEndpoint, now: datetime) -> dict[str, Any]:
    return {
        "date": timestamp(endpoint.date),
        "path": endpoint.path,
        "methods": list(endpoint.methods),
        "backend_service": endpoint.backend_service,
        "gone": endpoint.is_gone(now),
        "ahead": endpoint.date > now,
        "file": str(endpoint.file),
        "line": endpoint.line,
    }
