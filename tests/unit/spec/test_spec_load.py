"""A valid file becomes the spec it describes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from envmgr.errors import ExitCode, SpecError
from envmgr.spec.load import load
from envmgr.spec.schema import EnvironmentTable, ServiceTable

WHOLE = """
    [project]
    name = "chat"

    [networks]
    range = "10.96.0.0/16"

    [images]
    recipes = "recipes"

    [builds.app]
    context = "."
    target = "run"

    [variables]
    API_KEY = { secret = true, required = true, services = ["app"] }
    SESSION = { secret = true, generate = true }
    REGION = { default = "eu", from_shell = true }

    [infra.postgres]
    version = "16"
    port = 5432
    memory = "1.5G"

    [infra.cache]
    kind = "redis"

    [services.app]
    kind = "asgi"
    module = "chat:app"
    build = "app"
    uses = ["postgres", "cache"]
    memory = "512M"
    variables = { A = "base", B = "base" }

    [services.worker]
    after = ["app"]

    [environments.defaults]
    log_level = "WARNING"
    variables = { TIER = "low", ZONE = "a" }

    [environments.defaults.services.app]
    health = "/up"
    variables.B = "defaults"
    memory = "600M"

    [environments.dev]
    debug = true
    ports.app = 8000

    [environments.prod]
    prefix = "live_"
    protected = true
    log_level = "ERROR"
    variables.TIER = "high"

    [environments.prod.services.app]
    memory = "2G"
    uses = ["postgres"]
    variables = { C = "prod" }
    replicas = 3
"""


class TestWhole:
    def test_sections_are_read(self, load_text):
        spec = load_text(WHOLE).spec
        assert (spec.project.name, spec.networks.range, spec.images.recipes) == ("chat", "10.96.0.0/16", "recipes")
        assert spec.builds["app"].target == "run"
        assert list(spec.variables) == ["API_KEY", "SESSION", "REGION"]
        assert spec.variables["API_KEY"].services == ("app",)
        assert spec.variables["REGION"].default == "eu"

    def test_kind_is_the_name_unless_it_is_written(self, load_text):
        spec = load_text(WHOLE).spec
        assert {name: infra.kind for name, infra in spec.infra.items()} == {"postgres": "postgres", "cache": "redis"}
        assert spec.environments["dev"].services["worker"].kind == "worker"

    def test_keys_are_split_between_the_common_table_and_the_kind(self, load_text, kinds):
        postgres = load_text(WHOLE).spec.infra["postgres"]
        assert (postgres.table.port, postgres.table.memory) == (5432, "1.5G")
        assert postgres.options == kinds.infra["postgres"](version="16")

    def test_defaults_are_no_environment(self, load_text):
        assert list(load_text(WHOLE).spec.environments) == ["dev", "prod"]

    def test_environments_lie_over_the_defaults(self, load_text):
        environments = load_text(WHOLE).spec.environments
        assert environments["dev"].table.log_level == "WARNING"
        assert environments["prod"].table.log_level == "ERROR"
        assert environments["dev"].table.variables == {"TIER": "low", "ZONE": "a"}
        assert environments["prod"].table.variables == {"TIER": "high", "ZONE": "a"}
        assert environments["dev"].table.debug is True
        assert environments["prod"].table.debug is False

    def test_prefix_is_written_or_derived(self, load_text):
        environments = load_text(WHOLE).spec.environments
        assert (environments["dev"].prefix, environments["prod"].prefix) == ("dev_", "live_")

    def test_services_are_merged_through_three_layers(self, load_text):
        environments = load_text(WHOLE).spec.environments
        dev, prod = environments["dev"].services["app"], environments["prod"].services["app"]
        assert dev.table.memory == "600M"
        assert prod.table.memory == "2G"
        assert dev.table.variables == {"A": "base", "B": "defaults"}
        assert prod.table.variables == {"A": "base", "B": "defaults", "C": "prod"}
        assert dev.table.uses == ("postgres", "cache")
        assert prod.table.uses == ("postgres",)
        assert (dev.table.replicas, prod.table.replicas) == (1, 3)
        assert dev.options.health == prod.options.health == "/up"

    def test_an_environment_without_overrides_has_every_service_as_written(self, load_text):
        worker = load_text(WHOLE).spec.environments["dev"].services["worker"]
        assert worker.table == ServiceTable(after=("app",))

    def test_locate_finds_keys_and_falls_back_to_the_parent(self, load_text):
        locate = load_text(WHOLE).locate
        lines = [line.removeprefix("    ") for line in WHOLE.split("\n")]
        assert locate("environments.prod.services.app.memory") == (lines.index('memory = "2G"') + 1, 1)
        assert locate("infra.postgres.cpus") == (lines.index("[infra.postgres]") + 1, 8)
        assert locate("variables.SESSION.generate")[0] == locate("variables.SESSION")[0]
        assert locate("nothing.of.this") == (1, 1)


class TestSmall:
    MINIMAL = '[project]\nname = "chat"\n[environments.dev]\n'

    def test_two_tables_are_enough(self, load_text):
        spec = load_text(self.MINIMAL).spec
        assert spec.environments["dev"].table == EnvironmentTable()
        assert (spec.infra, spec.builds, spec.variables) == ({}, {}, {})
        assert spec.networks.range == "10.208.0.0/12"

    @pytest.mark.parametrize("text", [MINIMAL.replace("\n", "\r\n"), "\ufeff" + MINIMAL])
    def test_line_ends_and_byte_order_mark_do_not_matter(self, load_text, text):
        assert load_text(text.encode()).spec.project.name == "chat"

    def test_the_syntax_tree_is_not_loaded_for_a_valid_file(self, load_text, monkeypatch):
        monkeypatch.setitem(sys.modules, "tree_sitter", None)
        assert load_text(self.MINIMAL).spec.project.name == "chat"

    def test_numbers_are_taken_for_fractions(self, load_text):
        spec = load_text(self.MINIMAL + "[infra.redis]\ncpus = 2\nstart_seconds = 0.5\n").spec
        assert (spec.infra["redis"].table.cpus, spec.infra["redis"].table.start_seconds) == (2.0, 0.5)

    def test_an_odd_path_works(self, kinds, tmp_path):
        path = tmp_path / "a b\nç" / "my spec.toml"
        path.parent.mkdir()
        path.write_text(self.MINIMAL)
        assert load(path, kinds).spec.project.name == "chat"


class TestNoFile:
    def test_a_missing_file_is_one_sentence(self, kinds, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SpecError) as caught:
            load(Path("absent.toml"), kinds)
        assert str(caught.value) == "absent.toml does not exist: run in the project's folder, or pass --file"
        assert caught.value.problems == ()
        assert caught.value.exit_code == ExitCode.SPEC

    def test_a_folder_is_no_file(self, kinds, tmp_path):
        with pytest.raises(SpecError, match="is a folder: pass the file itself to --file"):
            load(tmp_path, kinds)

    @pytest.mark.parametrize("name", ["x\0y", "x" * 300])
    def test_a_path_that_no_system_takes_is_refused(self, kinds, tmp_path, name):
        with pytest.raises(SpecError, match="cannot be read"):
            load(tmp_path / name, kinds)
