"""Reads case files: rows, and short descriptions of endpoints, which are expanded to rows."""

from collections.abc import Iterator
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from authz.documents.reader import Where
from authz.documents.schema import Schema
from tests.support.cases.rows import RequestLine, Row, TokenRow
from tests.support.repository import PACKAGED_POLICY

POLICY: Final = PACKAGED_POLICY
EVERY_SCOPE: Final = sorted(file.stem for file in (POLICY / "catalog" / "unit_primitives").glob("*.yml"))


class Endpoint(Schema):
    """One endpoint and the scope it needs; `served` lists unit primitives that a header may name."""

    request: RequestLine
    needs: str = ""
    served: list[str] = Field(default=[])
    tokens: Literal["any", "instance", "none"] = "any"
    grpc: bool = False

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        if not self.needs and not self.served and self.tokens != "none":
            raise ValueError("say what the endpoint 'needs', or what is 'served', or 'tokens: none' if it is public")
        return self

    def rows(self) -> Iterator[Row]:
        """Yield the cases: allowed, refused, another method, another route."""
        common = Row(request=self.request, grpc=self.grpc)
        if not self.served:
            yield from self._rows(self.request, self.needs, common)
        for named in self.served:
            headers: dict[str, str | None] = {"x-gitlab-unit-primitive": named}
            yield from self._rows(f"{self.request} for {named}", named, Row(headers=headers).over(common))

    def _rows(self, name: str, needs: str, common: Row) -> Iterator[Row]:
        method, _, path = self.request.partition(" ")
        other = "GET" if method == "POST" else "POST"
        rows = [
            Row(id="by another method", request=f"{other} {path}", deny="method_not_allowed", reply={"allow": method}),
            Row(id="over another backend's route", label="elsewhere", deny="backend_disagreement"),
        ]
        anonymous: dict[str, str | None] = {"authorization": None}
        if self.tokens == "none":
            rows.append(Row(id="without a token", headers=anonymous, allow="public"))
        else:
            others = [scope for scope in EVERY_SCOPE if scope != needs]
            rows += [
                Row(id="without a token", headers=anonymous, deny="missing_authorization"),
                Row(id="with its scope", token=TokenRow(scopes=[needs]), allow=needs),
                Row(id="with every other scope", token=TokenRow(scopes=others), deny="missing_scope", names=needs),
                self._by_user(path, needs, TokenRow(issuer="ai-gateway", scopes=[needs])),
            ]
        for row in rows:
            yield Row(id=f"{name} {row.id}").over(row.over(common))

    def _by_user(self, path: str, needs: str, token: TokenRow) -> Row:
        if not path.startswith("/ai/"):  # the issuer of user tokens may open no other backend
            return Row(id="with a user token", token=token, deny="invalid_token", token_error="wrong_audience")
        if self.tokens == "instance":
            return Row(id="with a user token", token=token, deny="token_type_not_allowed", names=needs)
        return Row(id="with a user token", token=token, allow=needs)


class CaseFile(Schema):
    """One `*.yaml` of decisions."""

    null_has_meaning: ClassVar[bool] = True

    defaults: Row = Row()
    endpoints: list[Endpoint] = Field(default=[])
    cases: list[Row] = Field(default=[])

    def rows(self) -> Iterator[tuple[Where, Row]]:
        """Yield every complete case of this file, and its position in the file."""
        for position, endpoint in enumerate(self.endpoints):
            for row in endpoint.rows():
                yield ("endpoints", position), row.over(self.defaults)
        for position, row in enumerate(self.cases):
            yield ("cases", position), row.over(self.defaults)

    @model_validator(mode="after")
    def _holds_cases(self) -> Self:
        if not self.cases and not self.endpoints:
            raise ValueError("a case file holds 'cases' or 'endpoints'")
        return self
