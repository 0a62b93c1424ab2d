"""The YAML reader: every problem with its line, and nothing that YAML offers to surprise a reader with."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from authz.documents.durations import seconds
from authz.documents.findings import Findings
from authz.documents.reader import MAX_BYTES, MAX_DEPTH, MAX_NODES, Document, read, read_folder
from authz.documents.schema import Duration, OpenSchema, Schema
from tests.support.files import shown, write
from tests.support.tables import row


class Part(Schema):
    """A part of a file."""

    label: str
    size: Annotated[int, Field(ge=1)] = 1


class Whole(Schema):
    """A file."""

    name: str
    wait: Duration = 0.0
    parts: tuple[Part, ...] = Field(default=(), strict=False)
    named: dict[str, Part] | None = None


class Open(OpenSchema):
    """A file whose schema others evolve."""

    name: str
    inner: "tuple[OpenPart, ...]" = Field(default=(), strict=False)


class OpenPart(OpenSchema):
    """A part of an open file."""

    label: str


Open.model_rebuild()


def problems_of(tmp_path: Path, content: str | bytes) -> list[str]:
    file = tmp_path / "f.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    findings = Findings()
    assert read(file, Whole, findings) is None, "a file with problems has no content"
    return shown(findings.problems)


def test_a_sound_file_is_read_without_a_word(tmp_path: Path) -> None:
    findings = Findings()
    file = write(tmp_path / "f.yml", "name: x\nwait: 5m\nparts: [{label: a}]\n")
    document = read(file, Whole, findings)
    assert document is not None
    assert (document.content.name, document.content.wait) == ("x", 300.0)
    assert document.content.parts == (Part(label="a"),)
    assert (findings.problems, findings.warnings) == ([], [])


def test_every_part_remembers_its_line(tmp_path: Path) -> None:
    text = """
        # a comment
        name: x
        parts:
          - label: a
            size: 2
          -
            label: b
        """
    document = read(write(tmp_path / "f.yml", text), Whole, Findings())
    assert document is not None
    lines = {where: document.line(where) for where in [(), ("name",), ("parts",), ("parts", 0), ("parts", 1, "label")]}
    assert lines == {(): 2, ("name",): 2, ("parts",): 3, ("parts", 0): 4, ("parts", 1, "label"): 7}


@pytest.mark.parametrize(
    ("where", "line"),
    [
        row("left to its default: where it would stand", ("parts", 0, "size"), 3),
        row("beyond a list: the list", ("parts", 9), 2),
        row("nothing of it: the top", ("nowhere", "deeper"), 1),
    ],
)
def test_what_is_not_written_has_the_line_of_what_is_around_it(
    tmp_path: Path, where: tuple[str | int, ...], line: int
) -> None:
    document = read(write(tmp_path / "f.yml", "name: x\nparts:\n  - label: a\n"), Whole, Findings())
    assert document is not None
    assert document.line(where) == line


def test_a_document_without_lines_points_at_its_first() -> None:
    assert Document(Path("f.yml"), Whole(name="x"), {}).line(("name",)) == 1


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        row("a key twice", "name: x\nname: y\n", ["2: key 'name' appears twice, first on line 1"]),
        row(
            "a key twice, deeper",
            "name: x\nparts:\n  - label: a\n    label: b\n",
            ["4: key 'label' appears twice, first on line 3"],
        ),
        row("a key that is true", "name: x\non: y\n", ["2: key 'on' is not text: put it in quotes"]),
        row("a key that is a number", "name: x\n1: y\n", ["2: key '1' is not text: put it in quotes"]),
        row("a key of null", "name: x\nnull: y\n", ["2: key 'null' is not text: put it in quotes"]),
        row("a key that is a list", "name: x\n? [a, b]\n: y\n", ["2: key is not text: put it in quotes"]),
        row("a merge key", "base: &b {name: x}\n<<: *b\n", ["2: key '<<' is not text: merge keys are not supported"]),
        row("a circular list", "name: x\nparts: &p [*p]\n", ["2: an anchor contains itself"]),
        row("a circular mapping", "name: x\nparts: &p {a: *p}\n", ["2: an anchor contains itself"]),
        row("empty", "", ["0: is empty"]),
        row("comments alone", "# words\n", ["0: is empty"]),
        row("a document of null", "---\n", ["2: should be keys and values"]),
        row("a list", "- x\n", ["1: should be keys and values"]),
        row("text for a part", "name: x\nparts: [a]\n", ["2: parts[0]: should be keys and values"]),
        row("two documents", "name: x\n---\nname: y\n", ["2: but found another document"]),
        row("cut off", "name: x\nparts: [\n", ["3: did not find expected node content"]),
        row("a tab", "name: x\n\tparts: []\n", ["2: found a tab character that violates indentation"]),
        row("an unknown alias", "name: *nobody\n", ["1: found undefined alias"]),
        row("not UTF-8", b"name: x\nwait: \xff\n", ["2: is not UTF-8"]),
        row("UTF-16", "name: x\n".encode("utf-16"), ["1: is not UTF-8"]),
        row(
            "a tag that would run code",
            "name: !!python/name:os.getpid x\n",
            ["1: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.getpid'"],
        ),
    ],
)
def test_what_can_be_read_in_no_way_or_in_two_is_a_problem(
    tmp_path: Path, content: str | bytes, problems: list[str]
) -> None:
    assert problems_of(tmp_path, content) == [f"f.yml:{problem}" for problem in problems]


@pytest.mark.parametrize(
    "content",
    [
        row("a date that does not exist", "name: 2026-13-45\n"),
        row("a control byte", "name: \x00\n"),
        row("a number of 5,000 digits", "name: " + "9" * 5_000 + "\n"),
        row("nested 5,000 deep", "[" * 5_000),
        row("mappings nested 5,000 deep", "name: " + "{a: " * 5_000),
        row("a tag its text does not fit: timestamp", "name: !!timestamp soon\n"),
        row("a tag its text does not fit: empty int", "name: !!int ''\n"),
        row("a tag its text does not fit: int", "name: !!int x\n"),
        row("a tag its text does not fit: bool", "name: !!bool x\n"),
        row("a tag its text does not fit: float", "name: !!float x\n"),
        row("a tag its text does not fit: binary", "name: !!binary é\n"),
    ],
)
def test_what_the_parser_stumbles_over_is_one_problem_and_no_traceback(tmp_path: Path, content: str) -> None:
    problems = problems_of(tmp_path, content)
    assert len(problems) == 1
    assert problems[0].startswith("f.yml:")


@pytest.mark.parametrize("content", ["name: !!set {a}\n", "name: !!omap [a: b]\n", "name: !!pairs [a: b]\n"])
def test_values_of_yamls_rarer_kinds_are_refused_by_the_schema(tmp_path: Path, content: str) -> None:
    assert problems_of(tmp_path, content) == ["f.yml:1: name: should be text (put it in quotes)"]


def test_a_file_may_be_as_large_as_the_bound_and_not_larger(tmp_path: Path) -> None:
    file = write(tmp_path / "f.yml", "name: x\n###" + "\U0001f6aa" * (MAX_BYTES // 4 - 3) + "#")
    assert file.stat().st_size == MAX_BYTES
    findings = Findings()
    assert read(file, Whole, findings) is not None
    file.write_bytes(file.read_bytes() + b"x")
    assert read(file, Whole, findings) is None
    assert shown(findings.problems) == [f"f.yml:0: is larger than {MAX_BYTES} bytes"]


def test_aliases_cannot_multiply_without_bound(tmp_path: Path) -> None:
    levels = [
        f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]" for below, name in zip("abcdef", "bcdefg", strict=True)
    ]
    text = "\n".join(["a: &a [x]", *levels])
    problems = problems_of(tmp_path, text)
    assert len(problems) == 1
    assert problems[0].endswith(f"has more than {MAX_NODES} values or {MAX_DEPTH} levels, aliases counted")


def test_aliases_cannot_nest_without_bound(tmp_path: Path) -> None:
    lists = [f"b{n}: &b{n} {'[' * 50}*b{n - 1}{']' * 50}" for n in range(1, 40)]
    problems = problems_of(tmp_path, "\n".join(["b0: &b0 [x]", *lists]))
    assert problems == [f"f.yml:2: has more than {MAX_NODES} values or {MAX_DEPTH} levels, aliases counted"]


def test_an_alias_is_read_as_what_it_refers_to(tmp_path: Path) -> None:
    findings = Findings()
    document = read(write(tmp_path / "f.yml", "name: &n x\nparts:\n  - {label: *n}\n"), Whole, findings)
    assert document is not None
    assert document.content.parts == (Part(label="x"),)


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        row("with a suggestion", "name: x\nnmae: y\n", ["2: unknown key 'nmae'; did you mean 'name'?"]),
        row(
            "with a suggestion, deeper",
            "name: x\nparts:\n  - label: a\n    lable: b\n",
            ["4: unknown key 'lable'; did you mean 'label'?"],
        ),
        row("what is meant is known elsewhere only", "name: x\nlable: y\n", ["2: unknown key 'lable'"]),
        row(
            "with a suggestion, below a name of one's own",
            "name: x\nnamed: {a: {lable: b, label: c}}\n",
            ["2: unknown key 'lable'; did you mean 'label'?"],
        ),
        row("like nothing that is known", "name: x\nzzz: y\n", ["2: unknown key 'zzz'"]),
        row("known elsewhere: it is not suggested to itself", "name: x\nlabel: y\n", ["2: unknown key 'label'"]),
    ],
)
def test_an_unknown_key_is_a_problem(tmp_path: Path, content: str, problems: list[str]) -> None:
    assert problems_of(tmp_path, content) == [f"f.yml:{problem}" for problem in problems]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        row("missing", "parts: []\n", ["1: key 'name' is missing"]),
        row("missing, deeper", "name: x\nparts:\n  - size: 2\n", ["3: key 'label' is missing in parts[0]"]),
        row("another type", "name: 7\n", ["1: name: should be text (put it in quotes), not 7"]),
        row("YAML's yes", "name: yes\n", ["1: name: should be text (put it in quotes), not True"]),
        row("a key without a value", "name:\n", ["1: name is empty: give it a value, or remove the key"]),
        row("text for a list", "name: x\nparts: a\n", ["2: parts: should be a valid tuple, not 'a'"]),
        row(
            "out of bounds",
            "name: x\nparts:\n  - label: a\n    size: 0\n",
            ["4: parts[0].size: should be greater than or equal to 1, not 0"],
        ),
        row(
            "a duration without unit",
            "name: x\nwait: 5\n",
            ["2: wait: should be a number and a unit, such as 500ms, 30s, 5m, 1h or 3d, not 5"],
        ),
        row(
            "several at once",
            "nmae: x\nparts:\n  - label: 1\n  - size: two\n",
            [
                "3: parts[0].label: should be text (put it in quotes), not 1",
                "4: key 'label' is missing in parts[1]",
                "4: parts[1].size: should be a whole number, not 'two'",
                "1: unknown key 'nmae'; did you mean 'name'?",
            ],
        ),
        row(
            "several in the structure",
            "name: x\nname: y\non: z\nparts: &p [*p]\n",
            [
                "2: key 'name' appears twice, first on line 1",
                "3: key 'on' is not text: put it in quotes",
                "4: an anchor contains itself",
            ],
        ),
    ],
)
def test_every_problem_of_a_file_is_reported_with_its_line(tmp_path: Path, content: str, problems: list[str]) -> None:
    assert problems_of(tmp_path, content) == [f"f.yml:{problem}" for problem in problems]


def test_unknown_keys_of_an_open_schema_are_warnings(tmp_path: Path) -> None:
    findings = Findings()
    text = "name: x\nnewer: 1\ninner:\n  - label: a\n    newest: 2\n"
    assert read(write(tmp_path / "f.yml", text), Open, findings) is not None
    assert findings.problems == []
    assert shown(findings.warnings) == [
        "f.yml:2: unknown key 'newer' is ignored",
        "f.yml:5: unknown key 'newest' is ignored",
    ]


def test_a_file_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    assert read(tmp_path / "f.yml", Whole, findings) is None
    assert shown(findings.problems) == ["f.yml:0: cannot be read: No such file or directory"]


def test_a_folder_in_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    assert read(tmp_path, Whole, findings) is None
    assert [problem.message for problem in findings.problems] == ["cannot be read: Is a directory"]


def test_problems_of_an_earlier_file_do_not_spoil_the_next(tmp_path: Path) -> None:
    findings = Findings()
    assert read(write(tmp_path / "a.yml", "nmae: x\n"), Whole, findings) is None
    assert read(write(tmp_path / "b.yml", "name: x\n"), Whole, findings) is not None


def test_a_folder_is_read_by_name_and_only_its_yaml_files(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.txt", ".hidden.swp", "d.yxml"):
        write(tmp_path / name, f"name: {name}\n")
    findings = Findings()
    assert [document.content.name for document in read_folder(tmp_path, Whole, findings)] == ["a.yaml", "b.yml"]
    assert findings.problems == []


def test_a_folder_with_a_broken_file_still_gives_the_others(tmp_path: Path) -> None:
    write(tmp_path / "a.yml", "nmae: x\n")
    write(tmp_path / "b.yml", "name: x\n")
    findings = Findings()
    assert [document.file.name for document in read_folder(tmp_path, Whole, findings)] == ["b.yml"]
    assert len(findings.problems) == 1


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "none", Whole, Findings()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 0.5), ("0s", 0.0), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("3d", 259_200.0), ("007s", 7.0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        "s",
        "ms",
        "-1s",
        "+1s",
        "1.5s",
        "1 s",
        " 1s",
        "1s ",
        "1S",
        "1w",
        "1mh",
        "1ss",
        "٣s",
        "²s",
        5,
        5.0,
        None,
        True,
    ]
    + [row(f"{digits} digits", "9" * digits + "d") for digits in (400, 5_000)],
)
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="should be a number and a unit"):
        seconds(value)


@pytest.mark.parametrize("name", ["sub/a.yml", "a.YML", "a.Yaml"])
def test_what_a_folder_would_not_read_is_a_problem(tmp_path: Path, name: str) -> None:
    """2026-11-22: rules in a subfolder were silently not in force."""
    write(tmp_path / name, "name: x")
    findings = Findings()
    assert read_folder(tmp_path, Whole, findings) == []
    assert len(findings.problems) == 1
    assert findings.problems[0].message.startswith("is not read: policy files end in .yml")
