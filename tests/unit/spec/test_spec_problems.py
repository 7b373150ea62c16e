"""Everything that is wrong with a file comes at once, each with its place and how to write it."""

from __future__ import annotations

import pytest

from envmgr.errors import ExitCode, Problem

HEAD = '[project]\nname = "chat"\n'
GOOD = HEAD + '[environments.dev]\n[environments.prod]\n[services.app]\nkind = "asgi"\nmodule = "a:b"\n'
"""Seven lines; a table that follows begins on line 8."""

BAD = """\
[project]
name = "Chat Bot"

[infra.postgres]
version = 15
port = "5432"

[infra.cache]
kind = "redsi"

[services.app]
kind = "asgi"
memroy = "512M"
uses = ["postgres", "cahce"]

[environments.defaults.services.app]
memory = 512

[environments.dev]
ports.app = 8000

[environments.prod]
ports.app = 8000
variables = { TOKEN = 12345 }
[environments.prod.services.app]
replicas = 0
"""


def test_the_whole_list(refused):
    error = refused(BAD)
    assert error.exit_code == ExitCode.SPEC
    assert str(error) == "envmgr.toml has 11 problems"
    file = "envmgr.toml"
    assert error.problems == (
        Problem(
            "expected 1 to 40 lower-case letters, digits and single dashes, a letter first, such as \"chat-bot\"",
            "project.name", file, 2, 1,
        ),
        Problem('expected text, written "15" in quotes', "infra.postgres.version", file, 5, 1),
        Problem("expected a whole number, written 5432 without quotes", "infra.postgres.port", file, 6, 1),
        Problem(
            '"redsi" is no kind; there are: postgres, redis', "infra.cache.kind", file, 9, 1, 'did you mean "redis"?'
        ),
        Problem('[services.app] needs the key "module"', "services.app.module", file, 11, 11),
        Problem("unknown key", "services.app.memroy", file, 13, 1, 'did you mean "memory"?'),
        Problem('"cahce" is no service of [infra]', "services.app.uses[1]", file, 14, 21, 'did you mean "cache"?'),
        Problem(
            'expected a number with K, M or G, such as "512M"', "environments.defaults.services.app.memory", file, 17, 1
        ),
        Problem(
            "port 8000 is published by dev.app already, at environments.dev.ports.app",
            "environments.prod.ports.app", file, 23, 7,
        ),
        Problem("expected text, in quotes", "environments.prod.variables.TOKEN", file, 24, 15),
        Problem("expected at least 1", "environments.prod.services.app.replicas", file, 26, 1),
    )  # fmt: skip


def test_one_problem_is_one(refused):
    assert str(refused(GOOD + "cpus = 0\n")) == "envmgr.toml has 1 problem"


class TestPlaceOfTheValue:
    """The place is where the operator wrote it, once, however many environments see it."""

    def test_in_the_service(self, problems):
        assert problems(GOOD + "memory = 5\n") == [
            '8:1 services.app.memory: expected a number with K, M or G, such as "512M"'
        ]

    def test_in_the_defaults(self, problems):
        text = GOOD + 'memory = "1G"\n[environments.defaults.services.app]\nmemory = "5"\n'
        assert problems(text) == [
            '10:1 environments.defaults.services.app.memory: expected a number with K, M or G, such as "512M"'
        ]

    def test_in_one_environment(self, problems):
        text = GOOD + 'memory = "1G"\n[environments.prod.services.app]\nmemory = "4M"\n'
        assert problems(text) == [
            "10:1 environments.prod.services.app.memory: expected at least 6M, the least that the engine accepts"
        ]

    def test_what_every_environment_overrides_is_still_seen(self, problems):
        overrides = "".join(f'[environments.{name}.services.app]\nmemory = "1G"\n' for name in ("dev", "prod"))
        text = GOOD + 'memory = "x"\n[environments.defaults.services.app]\nmemory = "y"\n' + overrides
        assert [problem.split(" ")[0] for problem in problems(text)] == ["8:1", "10:1"]

    def test_a_required_key_may_come_from_each_environment(self, load_text):
        text = HEAD + '[services.app]\nkind = "asgi"\n[environments.dev.services.app]\nmodule = "a:b"\n'
        assert load_text(text).spec.environments["dev"].services["app"].options.module == "a:b"

    def test_a_required_key_missing_in_one_environment_is_missing_in_the_service(self, problems):
        text = HEAD + '[services.app]\nkind="asgi"\n[environments.a.services.app]\nmodule="a:b"\n[environments.b]\n'
        assert problems(text) == ['3:11 services.app.module: [services.app] needs the key "module"']

    def test_rules_between_keys_see_the_merged_table_only(self, problems, load_text):
        text = HEAD + "[services.worker]\nlow = 5\n[environments.dev.services.worker]\nhigh = 9\n"
        assert load_text(text).spec.environments["dev"].services["worker"].options.low == 5
        assert problems(text + "[environments.prod]\n") == ["3:11 services.worker: expected low to be at most high"]

    def test_without_environments_services_are_validated_too(self, problems):
        assert problems(HEAD + '[services.app]\nkind = "asgi"\npids = 1\n') == [
            "1:1 environments: declare at least one, such as [environments.dev]",
            '3:11 services.app.module: [services.app] needs the key "module"',
            "5:1 services.app.pids: expected at least 8",
        ]

    def test_kind_is_not_overridden(self, problems):
        text = GOOD + '[environments.defaults.services.app]\nkind = "worker"\n'
        assert problems(text) == [
            "9:1 environments.defaults.services.app.kind: "
            "a service is of one kind in every environment: write it in [services.app]"
        ]


class TestTypes:
    """Strict: nothing is read as something else."""

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("image = 3.10", 'expected text, written "3.10" in quotes'),
            ("image = true", 'expected text, written "true" in quotes'),
            ("image = 0x1F", 'expected text, written "0x1F" in quotes'),
            ("image = []", "expected text, not a list"),
            ("image = {}", "expected text, not a table"),
            ("build = 10", 'expected 1 to 40 lower-case letters, digits and single dashes, a letter first, '
                           'such as "app"'),
            ('replicas = "3"', "expected a whole number, written 3 without quotes"),
            ('replicas = "three"', "expected a whole number, without quotes"),
            ("replicas = 2.5", "expected a whole number, not 2.5"),
            ("replicas = true", "expected a whole number, not true"),
            ("replicas = 51", "expected at most 50"),
            ('cpus = "1.5"', "expected a number, written 1.5 without quotes"),
            ("cpus = false", "expected a number, not false"),
            ("cpus = 0.0", "expected more than 0"),
            ('egress = "yes"', "expected true or false, without quotes"),
            ("egress = 1", "expected true or false"),
            ('uses = "postgres"', 'expected a list, written ["postgres"]'),
            ("uses = 5", 'expected a list, such as ["one", "two"]'),
            ("variables = 5", "expected a table, opened with [services.app.variables]"),
            ('secrets_as = "file"', 'expected "files" or "variables" (did you mean "files"?)'),
            ("secrets_as = 5", 'expected "files" or "variables", in quotes'),
            ('edge = "x"', "expected a table, opened with [services.app.edge]"),
            ("command = 5", 'expected text, written "5" in quotes, or a list, such as ["one", "two"]'),
        ],
    )  # fmt: skip
    def test_a_value_of_the_wrong_type(self, problems, line, expected):
        key = line.split(" ")[0]
        assert problems(GOOD + line + "\n") == [f"8:1 services.app.{key}: {expected}"]

    @pytest.mark.parametrize(
        ("line", "path", "expected"),
        [
            ("uses = [5]", "uses[0]", '8:9'),
            ('edges = [{ host = "a" }, { host = 1 }]', "edges[1].host", "8:28"),
            ('edges = [{ host = "a" }, { hosts = "b" }]', "edges[1].hosts", "8:28"),
            ("[services.app.edge]\nhost = 1", "edge.host", "9:1"),
            ("[[services.app.edges]]\nhost = 1", "edges[0].host", "9:1"),
        ],
    )  # fmt: skip
    def test_nested_values_are_located(self, problems, line, path, expected):
        assert any(p.startswith(f"{expected} services.app.{path}: ") for p in problems(GOOD + line + "\n"))

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("image = 2024-01-01", "expected no date or time: put it in quotes when it is text"),
            ("cpus = 10:00:00", "expected no date or time: put it in quotes when it is text"),
            ("cpus = nan", "expected a number, neither nan nor inf"),
            ("cpus = -inf", "expected a number, neither nan nor inf"),
            ("cpus = 1e400", "expected a number, neither nan nor inf"),
            ("replicas = 9223372036854775808", "expected a number that fits in 64 bits"),
            (f"replicas = 0x{'f' * 6000}", "expected a number that fits in 64 bits"),
            ("replicas = 9223372036854775807", "expected at most 50"),
        ],
    )
    def test_what_no_key_takes(self, problems, line, expected):
        key = line.split(" ")[0]
        assert problems(GOOD + line + "\n") == [f"8:1 services.app.{key}: {expected}"]

    def test_nested_too_deep(self, problems):
        shallow, deep = problems(GOOD + "health = " + "[" * 40 + "]" * 40 + "\n")
        assert shallow == "8:1 services.app.health: expected text, not a list"
        assert deep == f"8:40 services.app.health{'[0]' * 30}: nested more than 32 deep"

    @pytest.mark.parametrize("section", ["project", "infra", "services", "environments", "variables", "networks"])
    def test_a_section_that_is_no_table(self, problems, section):
        found = [problem for problem in problems(f"{section} = 5\n") if problem.startswith(f"1:1 {section}: ")]
        kind = "a table, opened with" if section in ("project", "networks") else "tables by name, such as"
        assert [problem.partition(" [")[0] for problem in found] == [f"1:1 {section}: expected {kind}"]

    def test_a_table_that_is_none(self, problems):
        assert problems(HEAD + "[infra]\npostgres = 5\n[environments]\ndev = 3\n[services]\njob = [1]\n") == [
            "4:1 infra.postgres: expected a table, opened with [infra.postgres]",
            "6:1 environments.dev: expected a table, opened with [environments.dev]",
            "8:1 services.job: expected a table, opened with [services.job]",
        ]

    def test_an_override_that_is_none(self, problems):
        assert problems(GOOD + "[environments.prod.services]\napp = 5\n") == [
            "9:1 environments.prod.services.app: expected a table, opened with [environments.prod.services.app]"
        ]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "suggested"),
        [("Chat", "chat"), ("chat.app", "chat-app"), ("чат", "app"), ("-x", "x"), ("x" * 41, "x" * 40), ("", "app")],
    )
    def test_a_project(self, problems, name, suggested):
        [problem] = problems(f'[project]\nname = "{name}"\n[environments.dev]\n')
        assert problem.endswith(f'a letter first, such as "{suggested}"')

    def test_tables(self, problems):
        found = problems(HEAD + '[environments.Prod]\n[infra."pg 1"]\nkind = "redis"\n[variables.key]\n')
        assert [problem.split(": expected ")[0] for problem in found] == [
            "3:15 environments.Prod",
            '4:8 infra."pg 1"',
            "6:12 variables.key",
        ]

    def test_keys_of_maps(self, problems):
        found = problems(GOOD + "[environments.dev.ports]\nApp = 1\n[environments.prod.variables]\nlower = 'x'\n")
        assert [problem.split(": expected ")[0] for problem in found] == [
            "9:1 environments.dev.ports.App",
            "11:1 environments.prod.variables.lower",
        ]


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("line", "hint"),
        [
            ("modul = 1", 'did you mean "module"?'),
            ("start-seconds = 1", 'did you mean "start_seconds"?'),
            ("prefix = 'x_'", '"prefix" belongs to [environments.NAME]'),
            ("max_connections = 5", '"max_connections" belongs to [infra.NAME] of kind "postgres"'),
            ("port = 80", "a service's port on the host stands in [environments.NAME.ports]"),
            ("dockerfile = ''", '"dockerfile" belongs to [builds.NAME]'),
        ],
    )
    def test_suggestions(self, problems, line, hint):
        key = line.split(" ")[0]
        assert problems(GOOD + line + "\n") == [f"8:1 services.app.{key}: unknown key ({hint})"]

    def test_nothing_is_near(self, problems):
        assert problems(GOOD + "[builds.app]\ncontext = '.'\nzzz = 1\n") == [
            "10:1 builds.app.zzz: unknown key (known here: args, context, dockerfile, source, target)"
        ]

    def test_in_nested_tables(self, problems):
        assert problems(GOOD + 'edge = { host = "a", wieght = 1 }\n') == [
            '8:22 services.app.edge.wieght: unknown key (did you mean "weight"?)'
        ]

    def test_sections(self, problems):
        assert problems(GOOD + "[service.app]\n[zzz]\n") == [
            '8:2 service: unknown section (did you mean "services"?)',
            "9:2 zzz: unknown section (known here: builds, environments, images, infra, networks, project, "
            "secrets, services, variables)",
        ]


class TestKinds:
    def test_a_name_that_is_no_kind(self, problems):
        assert problems(GOOD + "[infra.postgress]\n[services.cache]\n[infra.db]\nkind = 5\n[services.pg]\n"
                        'kind = "postgres"\n') == [
            '8:8 infra.postgress: its name is no kind, so it needs kind = "…"; there are: postgres, redis '
            '(did you mean "postgres"?)',
            '9:11 services.cache: its name is no kind, so it needs kind = "…"; there are: asgi, job, worker',
            '11:1 infra.db.kind: expected text, written "5" in quotes',
            '13:1 services.pg.kind: "postgres" is no kind; there are: asgi, job, worker '
            '("postgres" is a kind of [infra])',
        ]  # fmt: skip

    def test_common_keys_are_validated_all_the_same(self, problems):
        found = problems(GOOD + "[services.x]\nwhatever = 1\nreplicas = 0\n")
        assert [problem.split(": ")[0] for problem in found] == ["8:11 services.x", "10:1 services.x.replicas"]


class TestSecretsStaySecret:
    @pytest.mark.parametrize(
        "text",
        [
            '[variables]\nPASSWORD = "hunter2"\n',
            '[variables.PASSWORD]\nsecret = true\ndefault = "hunter2"\n',
            '[variables.PASSWORD]\nrequired = "hunter2"\n',
            '[environments.dev.variables]\nPASSWORD = ["hunter2"]\n',
            '[environments.dev.variables]\nPASSWORD = "hunter2\\nhunter2"\n',
            '[environments.dev]\nvariables = "hunter2"\n',
            '[services.app.variables]\nPASSWORD = { x = "hunter2" }\n',
            '[infra.redis]\npassword_length = "hunter2"\n',
            '[infra.redis]\npassword = "hunter2"\n',
            'PASSWORD = "hunter2',
            "PASSWORD = hunter2",
        ],
    )
    def test_a_value_is_not_repeated(self, refused, text):
        text = HEAD + text if "dev" in text else GOOD + text
        error = refused(text)
        assert "hunter2" not in str(error) + "".join(error.details)

    def test_numbers_neither(self, problems):
        text = HEAD + "[environments.dev.variables]\nPIN = 4711\n[variables.CODE]\ndefault = 4711\n"
        assert problems(text) == [
            "4:1 environments.dev.variables.PIN: expected text, in quotes",
            "6:1 variables.CODE.default: expected text, in quotes",
        ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('range = "10.0.0.0/30"', "expected a /22 or larger: each environment takes a /24 of it"),
        ('range = "8.8.0.0/16"', "expected a range inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"),
        ('range = "127.0.0.0/8"', "expected a range inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"),
        ('range = "10.0.0.1/16"', 'expected an IPv4 range, such as "10.208.0.0/12"'),
        ('range = "fd00::/8"', 'expected an IPv4 range, such as "10.208.0.0/12"'),
    ],
)
def test_ranges(problems, line, expected):
    assert problems(GOOD + f"[networks]\n{line}\n") == [f"9:1 networks.range: {expected}"]


def test_a_missing_project(problems):
    assert problems("[environments.dev]\n") == ['1:1 project: missing: begin the file with [project] and name = "…"']


def test_an_empty_project(problems):
    assert problems("[project]\n[environments.dev]\n") == ['1:2 project.name: [project] needs the key "name"']
