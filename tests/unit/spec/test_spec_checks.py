"""References and clashes inside one file."""

from __future__ import annotations

import pytest

from envmgr.spec.cycles import cycles

GOOD = """\
[project]
name = "chat"
[infra.postgres]
[infra.redis]
[builds.app]
context = "."
[services.app]
kind = "asgi"
module = "a:b"
[services.worker]
[services.job]
[environments.dev]
[environments.prod]
"""
"""Thirteen lines; what a test adds begins on line 14."""


def test_good_is_good(load_text):
    assert set(load_text(GOOD).spec.environments) == {"dev", "prod"}


class TestReferences:
    def test_uses(self, problems):
        text = GOOD.replace('module = "a:b"', 'module = "a:b"; uses = ["postgres", "redsi", "worker", "zzz"]')
        assert problems(text.replace("; ", "\n")) == [
            '10:21 services.app.uses[1]: "redsi" is no service of [infra] (did you mean "redis"?)',
            '10:30 services.app.uses[2]: "worker" is a service of the application, not of [infra] '
            '(write it in "after")',
            '10:40 services.app.uses[3]: "zzz" is no service of [infra]',
        ]

    def test_after(self, problems):
        text = GOOD.replace("[services.job]", '[services.job]\nafter = ["job", "wrker", "redis"]')
        assert problems(text) == [
            "12:10 services.job.after[0]: a service cannot come after itself",
            '12:17 services.job.after[1]: "wrker" is no service of [services] (did you mean "worker"?)',
            '12:26 services.job.after[2]: "redis" is a service of [infra], not of the application (write it in "uses")',
        ]

    def test_after_an_override(self, problems):
        text = GOOD + '[environments.prod.services.job]\nafter = ["wrker"]\n'
        assert problems(text) == [
            '15:10 environments.prod.services.job.after[0]: "wrker" is no service of [services] '
            '(did you mean "worker"?)'
        ]

    def test_a_circle_is_printed(self, problems):
        text = GOOD.replace("[services.job]", 'after = ["job"]\n[services.job]\nafter = ["app"]').replace(
            'module = "a:b"', 'module = "a:b"\nafter = ["worker"]'
        )
        assert problems(text) == ["10:1 services.app.after: these wait for each other: app → worker → job → app"]

    def test_a_circle_that_only_one_environment_has(self, problems):
        text = GOOD.replace("[services.job]", '[services.job]\nafter = ["worker"]')
        text += '[environments.prod.services.worker]\nafter = ["job"]\n'
        assert problems(text) == [
            "16:1 environments.prod.services.worker.after: these wait for each other: worker → job → worker"
        ]

    def test_build(self, problems):
        assert problems(GOOD.replace("[services.job]", '[services.job]\nbuild = "ap"')) == [
            '12:1 services.job.build: "ap" is no table of [builds] (did you mean "app"?)'
        ]

    def test_a_faulty_build_is_still_a_build(self, problems):
        text = GOOD.replace("[services.job]", '[services.job]\nbuild = "app"').replace('context = "."', "context = 1")
        assert problems(text) == ['6:1 builds.app.context: expected text, written "1" in quotes']

    def test_build_and_image(self, problems):
        text = GOOD.replace("[services.job]", '[services.job]\nbuild = "app"')
        assert problems(text + '[environments.prod.services.job]\nimage = "x:1"\n') == [
            '16:1 environments.prod.services.job.image: either "image" or "build", not both: '
            "services.job.build is set too"
        ]

    def test_overrides_and_ports_name_services(self, problems):
        text = GOOD + "ports = { wroker = 1, redis = 2 }\n[environments.defaults.services.ap]\nreplicas = 1\n"
        assert problems(text) == [
            '14:11 environments.prod.ports.wroker: "wroker" is no service of [services] (did you mean "worker"?)',
            '14:23 environments.prod.ports.redis: "redis" is a service of [infra], not of the application '
            "(set it in [infra.redis])",
            '15:33 environments.defaults.services.ap: "ap" is no service of [services] (did you mean "app"?)',
        ]

    def test_variables_name_services(self, problems):
        assert problems(GOOD + '[variables.X]\nservices = ["app", "wroker"]\n') == [
            '15:20 variables.X.services[1]: "wroker" is no service of [services] (did you mean "worker"?)'
        ]


class TestVariables:
    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            ("{ generate = true }", "14:7 variables.X.generate: only a secret can be generated (add secret = true)"),
            (
                '{ secret = true, default = "a" }',
                "14:22 variables.X.default: a secret has no default: secrets do not belong in this file "
                "(write X in .env.ENVIRONMENT)",
            ),
        ],
    )
    def test_where_values_come_from(self, problems, table, expected):
        assert problems(GOOD + f"[variables]\nX = {table}\n") == [expected.replace("14:", "15:")]

    def test_generated_with_a_default(self, problems):
        assert problems(GOOD + '[variables.X]\ngenerate = true\ndefault = "a"\n') == [
            "15:1 variables.X.generate: only a secret can be generated (add secret = true)",
            "16:1 variables.X.default: a generated variable has no default",
        ]

    def test_declared_and_set(self, problems):
        text = GOOD + 'variables.X = "1"\n[variables.X]\n[services.worker.variables]\nX = "2"\n'
        message = "[variables.X] declares that its value comes from the .env files: keep one of both"
        assert problems(text) == [
            f"14:11 environments.prod.variables.X: {message}",
            f"17:1 services.worker.variables.X: {message}",
        ]

    @pytest.mark.parametrize(
        "name", ["ENVIRONMENT", "ENV_PREFIX", "DEBUG", "LOG_LEVEL", "WEB_CONCURRENCY", "ENVMGR_X", "ENVMGR_REVISION"]
    )
    def test_reserved(self, problems, name):
        text = GOOD + f'[variables.{name}]\n[environments.defaults.variables]\n{name}_ = ""\n{name} = "1"\n'
        found = [problem for problem in problems(text) if f"{name}_:" not in problem]
        message = f"{name} is set by envmgr itself: choose another name"
        assert f"14:12 variables.{name}: {message}" in found
        assert f"17:1 environments.defaults.variables.{name}: {message}" in found

    def test_the_file_of_a_secret(self, problems, load_text):
        text = GOOD + '[services.job.variables]\nKEY_FILE = "/x"\n[variables.KEY]\nsecret = {}\n'
        assert problems(text.format("true")) == [
            "15:1 services.job.variables.KEY_FILE: KEY_FILE is set by envmgr itself, because KEY is a secret: "
            "choose another name"
        ]
        assert load_text(text.format("false")).spec.variables["KEY"].secret is False


class TestNames:
    @pytest.mark.parametrize(("name", "meaning"), [("infra", "the shared base"), ("all", "every environment together")])
    def test_no_environment(self, problems, name, meaning):
        assert problems(GOOD + f"[environments.{name}]\n") == [
            f'14:15 environments.{name}: "{name}" names {meaning}: choose another name'
        ]

    def test_of_the_base(self, problems):
        assert problems(GOOD + '[environments.redis]\n[services.postgres]\nkind = "worker"\n') == [
            "14:15 environments.redis: [infra.redis] has this name already",
            "15:11 services.postgres: [infra.postgres] has this name already: the application reaches both by name",
        ]


class TestClashes:
    def test_prefixes(self, problems):
        text = GOOD + 'prefix = "dev_"\n[environments.a-b]\n[environments.ab]\n'
        assert problems(text) == [
            '14:1 environments.prod.prefix: the prefix "dev_" is taken: dev has it, at environments.dev '
            '(write another one, such as prefix = "prod_")',
            '16:15 environments.ab: the prefix "ab_" is taken: a-b has it, at environments.a-b '
            '(write another one, such as prefix = "ab2_")',
        ]

    def test_an_inherited_prefix(self, problems):
        found = problems(GOOD + '[environments.defaults]\nprefix = "x_"\n')
        assert found == [
            '15:1 environments.defaults.prefix: the prefix "x_" is taken: dev and prod both inherit it '
            '(write another one, such as prefix = "prod_")'
        ]

    def test_ports(self, problems):
        text = GOOD.replace("[infra.redis]", "port = 5432\n[infra.redis]\nport = 5432")
        text += "ports = { app = 5432, worker = 8000 }\n[environments.stage.ports]\nworker = 8000\njob = 8000\n"
        assert problems(text) == [
            "6:1 infra.redis.port: port 5432 is published by infra.postgres already, at infra.postgres.port",
            "16:11 environments.prod.ports.app: "
            "port 5432 is published by infra.postgres already, at infra.postgres.port",
            "18:1 environments.stage.ports.worker: "
            "port 8000 is published by prod.worker already, at environments.prod.ports.worker",
            "19:1 environments.stage.ports.job: "
            "port 8000 is published by prod.worker already, at environments.prod.ports.worker",
        ]

    def test_an_inherited_port(self, problems):
        assert problems(GOOD + "[environments.defaults.ports]\napp = 8000\n") == [
            "15:1 environments.defaults.ports.app: "
            "port 8000 would be published by dev.app and by prod.app: write it in each environment"
        ]

    def test_subnets(self, problems):
        text = GOOD + 'subnet = "10.1.2.0/24"\n[environments.stage]\nsubnet = "10.1.2.0/24"\n'
        assert problems(text) == [
            "16:1 environments.stage.subnet: 10.1.2.0/24 is taken: prod has it, at environments.prod.subnet"
        ]

    def test_an_inherited_subnet(self, problems):
        assert problems(GOOD + '[environments.defaults]\nsubnet = "192.168.7.0/24"\n') == [
            "15:1 environments.defaults.subnet: 192.168.7.0/24 is taken: dev and prod both inherit it"
        ]

    @pytest.mark.parametrize("subnet", ["10.0.0.0/16", "1.2.3.0/24", "10.0.0.1/24", "x"])
    def test_a_subnet_by_itself(self, problems, subnet):
        [problem] = problems(GOOD + f'subnet = "{subnet}"\n')
        assert problem.startswith("14:1 environments.prod.subnet: expected ")

    def test_reservations(self, problems):
        text = GOOD.replace("[infra.redis]", "cpus = 1\ncpus_reserved = 1.5\n[infra.redis]")
        text += '[services.x]\nkind = "job"\nmemory = "1G"\n[environments.dev.services.x]\nmemory_reserved = "1025M"\n'
        assert problems(text) == [
            "5:1 infra.postgres.cpus_reserved: reserves more than the limit of 1, at infra.postgres.cpus",
            "20:1 environments.dev.services.x.memory_reserved: "
            "reserves more than the limit of 1G, at services.x.memory",
        ]

    def test_reservations_up_to_the_limit(self, load_text):
        same = 'cpus = 0.5\ncpus_reserved = 0.5\nmemory = "1G"\nmemory_reserved = "1024M"\n'
        assert load_text(GOOD + f"[infra.cache]\nkind = 'redis'\n{same}").spec.infra["cache"].table.cpus == 0.5


class TestCycles:
    def test_none(self):
        assert list(cycles({"a": ["b", "c"], "b": ["c"], "c": []})) == []

    def test_two(self):
        assert list(cycles({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]})) == [("a", "b"), ("c", "d")]

    def test_the_way_into_a_circle_is_no_part_of_it(self):
        assert list(cycles({"a": ["b"], "b": ["c"], "c": ["b"]})) == [("b", "c")]


class TestServers:
    def test_servers_use_servers(self, problems):
        text = GOOD.replace("[infra.redis]", '[infra.redis]\nuses = ["redis", "app", "postgrs"]')
        assert problems(text) == [
            "5:9 infra.redis.uses[0]: a service cannot use itself",
            '5:18 infra.redis.uses[1]: "app" is no service of [infra]',
            '5:25 infra.redis.uses[2]: "postgrs" is no service of [infra] (did you mean "postgres"?)',
        ]

    def test_servers_in_a_circle(self, problems):
        text = GOOD.replace("[infra.redis]", 'uses = ["redis"]\n[infra.redis]\nuses = ["postgres"]')
        assert problems(text) == ["4:1 infra.postgres.uses: these use each other: postgres → redis → postgres"]

    def test_an_environment_overrides_only_what_is_its_own(self, problems):
        text = GOOD + '[environments.dev.infra.redis]\nmemory = "1G"\n[environments.prod.infra.rediss]\nmode = "own"\n'
        assert problems(text) == [
            "15:1 environments.dev.infra.redis.memory: dev uses the base's redis, which this would not change "
            '(set it in [infra.redis], or mode = "own" here)',
            '16:26 environments.prod.infra.rediss: "rediss" is no service of [infra] (did you mean "redis"?)',
        ]

    def test_a_managed_server_has_an_address_and_no_password_in_it(self, problems):
        dev = '[environments.dev.infra.redis]\nmode = "external"\n'
        prod = '[environments.prod.infra.redis]\nmode = "external"\nurl = "redis://a:b@c"\n'
        assert problems(GOOD + dev + prod) == [
            '15:1 environments.dev.infra.redis.mode: an external server needs its address (set url = "…" beside it)',
            "18:1 environments.prod.infra.redis.url: expected no password: it belongs in .env.ENVIRONMENT",
        ]

    def test_an_address_belongs_to_a_managed_server(self, problems):
        text = GOOD.replace("[infra.redis]", '[infra.redis]\nurl = "redis://c"')
        assert problems(text) == ['5:1 infra.redis.url: "url" is for a server with mode = "external"']

    def test_an_own_server_does_not_take_the_bases_port(self, load_text):
        text = GOOD.replace("[infra.redis]", "[infra.redis]\nport = 6379")
        spec = load_text(text + '[environments.prod.infra.redis]\nmode = "own"\n').spec
        assert spec.environments["prod"].infra["redis"].table.port is None
        assert spec.environments["dev"].infra["redis"].table.mode == "shared"

    def test_ports_of_servers_clash_like_any_other(self, problems):
        text = GOOD.replace("[infra.redis]", "[infra.redis]\nport = 6379\nports = { extra = 6380 }")
        text += '[environments.prod.infra.redis]\nmode = "own"\nport = 6380\n'
        assert problems(text) == [
            "18:1 environments.prod.infra.redis.port: port 6380 is published by infra.redis (extra) already, "
            "at infra.redis.ports.extra"
        ]

    def test_a_host_name_leads_to_one_environment(self, problems):
        text = GOOD.replace(
            "[environments.prod]", 'hosts = ["x.test"]\n[environments.prod]\nhosts = ["y.test", "x.test"]'
        )
        assert problems(text) == [
            "15:20 environments.prod.hosts[1]: x.test leads elsewhere: dev has it, at environments.dev.hosts[0]"
        ]

    def test_the_place_of_every_key_is_kept(self, load_text):
        text = GOOD.replace(
            "[environments.dev]", '[environments.dev]\nworkers = 2\n[environments.dev.services.app]\nmemory = "1G"'
        )
        dev = load_text(text).spec.environments["dev"]
        assert dev.places["workers"] == "environments.dev.workers"
        assert dev.services["app"].places == {
            "": "services.app",
            "kind": "services.app.kind",
            "module": "services.app.module",
            "memory": "environments.dev.services.app.memory",
        }

    def test_what_no_environment_shares_the_base_cannot_use(self, problems, load_text):
        text = GOOD.replace("[infra.redis]", 'uses = ["redis"]\n[infra.redis]')
        own = '[environments.{}.infra.redis]\nmode = "own"\n'
        assert load_text(text + own.format("dev")).spec.base.keys() == {"postgres", "redis"}
        assert problems(text + own.format("dev") + own.format("prod")) == [
            "4:9 infra.postgres.uses[0]: no environment shares redis, so the base has none for postgres to use "
            '(leave mode of redis at "shared" in one environment)'
        ]

    def test_what_is_not_the_bases_cannot_be_shared(self, problems):
        text = GOOD.replace("[infra.redis]", '[infra.redis]\nmode = "own"')
        assert problems(text + '[environments.dev.infra.redis]\nmode = "shared"\n') == [
            "16:1 environments.dev.infra.redis.mode: [infra.redis] is not the base's, so there is none to share "
            "(leave mode out in [infra.redis], and set it in the environments that have their own)"
        ]

    def test_what_is_not_the_bases_publishes_nothing_there(self, problems):
        text = GOOD.replace("[infra.redis]", '[infra.redis]\nmode = "own"\nport = 6379\nports = { x = 1 }')
        where = "(set it in [environments.NAME.infra.redis])"
        assert problems(text) == [
            f"6:1 infra.redis.port: the base publishes no redis: it is own {where}",
            f"7:1 infra.redis.ports: the base publishes no redis: it is own {where}",
        ]

    def test_a_managed_server_publishes_nothing(self, problems):
        text = GOOD + '[environments.dev.infra.redis]\nmode = "external"\nurl = "redis://c"\nport = 6379\n'
        assert problems(text) == [
            "17:1 environments.dev.infra.redis.port: an external server is not started, so nothing of it is published"
        ]

    def test_a_port_of_a_server_that_nobody_shares_is_free(self, load_text):
        text = GOOD.replace("[infra.redis]", "[infra.redis]\nport = 6379")
        own = '[environments.{}.infra.redis]\nmode = "own"\nport = {}\n'
        assert load_text(text + own.format("dev", 6379) + own.format("prod", 6380)).spec.base.keys() == {"postgres"}

    def test_further_ports_of_services_clash_like_any_other(self, problems):
        text = GOOD.replace("[services.job]", "ports = { admin = 9000 }\n[services.job]")
        assert problems(text) == [
            "11:11 services.worker.ports.admin: port 9000 would be published by dev.worker (admin) and by "
            "prod.worker (admin): write it in each environment"
        ]
        override = "[environments.{}.services.worker]\nports = {{ admin = {} }}\n"
        assert problems(GOOD + override.format("dev", 9000) + override.format("prod", 9000)) == [
            "17:11 environments.prod.services.worker.ports.admin: port 9000 is published by dev.worker (admin) "
            "already, at environments.dev.services.worker.ports.admin"
        ]
