"""Hold the recipe images against what the registry images that they replace promise."""

import gzip
import io
import os
import secrets
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.contract.image_bench import IMAGES, Bench, Run, archive, docker, inspect, output, run, wait_until

pytestmark = pytest.mark.docker

SERVERS = ("postgres", "redis", "valkey", "nginx", "prometheus", "alertmanager")
EXPORTERS = tuple(f"{name}-exporter" for name in ("postgres", "redis", "node", "blackbox", "nginx"))
RECIPES = ("debian", *SERVERS, *EXPORTERS, "python")
PGDATA = "/var/lib/postgresql/data"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=999:999", "--tmpfs=/tmp")
POSTGRES_HARDENED = (*HARDENED, "--tmpfs=/var/run/postgresql")
STRICT_INITDB = "--env=POSTGRES_INITDB_ARGS=--auth-local=peer --auth-host=scram-sha-256 --data-checksums"
PASSWORD = ("--env=POSTGRES_PASSWORD=first-word",)
# A hook that holds the initialisation until a test has looked at it; bounded, so that no test can hang on it.
HOLD = "for _ in $(seq 600); do [ ! -e /tmp/go ] || exit 0; sleep 0.1; done; exit 1\n"


def shell(container: str, script: str, *, user: str = "999:999") -> Run:
    return docker("exec", "--user", user, container, "sh", "-c", script, check=False)


def stop(container: str) -> int:
    docker("stop", "--timeout", "30", container)
    return int(inspect(container, "{{.State.ExitCode}}"))


# ---- every recipe


@pytest.mark.parametrize("name", RECIPES)
def test_image_carries_title_and_version(images, name):
    labels = docker("image", "inspect", "--format", "{{json .Config.Labels}}", images[name]).stdout
    assert f'"org.opencontainers.image.title":"{name}"' in labels
    assert '"org.opencontainers.image.version":"' in labels


@pytest.mark.parametrize("name", RECIPES)
def test_image_holds_no_trace_of_its_build(images, name):
    folders = ("/var/lib/apt/lists", "/var/cache/apt", "/var/log", "/usr/share/man")
    assert (
        run(images[name], "find", *folders, "-type", "f", "!", "-name", "lock", options=("--entrypoint=", "--user=0"))
        == ""
    )


# ---- the base image's script


def build_base(tmp_path: Path, image: str, mmdebstrap: str, labels: str = "") -> Run:
    """Run the script with a stand-in for mmdebstrap: the real one takes half a minute and cannot be made to fail."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "mmdebstrap"
    fake.write_text(f'#!/bin/sh\nfor tar in "$@"; do :; done\n{mmdebstrap}\n')
    fake.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TMPDIR": str(work), "ENVMGR_LABELS": labels}
    command = [IMAGES / "debian" / "build.sh", *([image] if image else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert list(work.iterdir()) == [], "the script left files behind"
    return done


def test_base_carries_further_labels_as_they_are(tmp_path):
    image = f"envmgr-contract-{secrets.token_hex(4)}:test"
    try:
        done = build_base(tmp_path, image, 'tar -cf "$tar" -T /dev/null', 'a.b=x "y" $z \\ =1\n\nc=')
        assert done.returncode == 0, done.stderr
        labels = docker("image", "inspect", "--format", "{{json .Config.Labels}}", image).stdout
        assert r'"a.b":"x \"y\" $z \\ =1","c":"",' in labels
    finally:
        docker("image", "rm", image, check=False)


@pytest.mark.parametrize(
    ("mmdebstrap", "labels", "message"),
    [
        ("echo no mirror; exit 1", "", "mmdebstrap failed"),
        ("exit 0", "", "mmdebstrap made nothing"),
        ("exit 1", "no equals sign", "not KEY=VALUE: no equals sign"),
    ],
    ids=["mmdebstrap-fails", "nothing-made", "bad-label"],
)
def test_base_is_not_made_from_a_failure(tmp_path, mmdebstrap, labels, message):
    image = f"envmgr-contract-{secrets.token_hex(4)}:test"
    done = build_base(tmp_path, image, mmdebstrap, labels)
    assert done.returncode != 0
    assert message in done.stderr
    assert docker("image", "inspect", image, check=False).returncode != 0


def test_base_needs_a_name(tmp_path):
    done = build_base(tmp_path, "", "exit 1")
    assert done.returncode != 0
    assert "usage: build.sh IMAGE" in done.stderr


# ---- PostgreSQL


def ready(container: str) -> bool:
    assert inspect(container, "{{.State.Running}}") == "true", output(container)
    return shell(container, "pg_isready --quiet --host=127.0.0.1").returncode == 0


def serve_postgres(bench: Bench, image: str, *options: str, **more) -> str:
    container = bench.start(image, *options, **more)
    wait_until(lambda: ready(container), f"{container} answers")
    return container


def query(container: str, sql: str, *, user: str = "postgres", database: str = "postgres") -> str:
    done = docker("exec", "--user", "999:999", container, "psql", "-qAtX", "-U", user, "-d", database, "-c", sql)
    return done.stdout.strip()


def log_in(container: str, password: str) -> Run:
    """Log in over TCP from an address that is not loopback, as other containers do."""
    return shell(container, f"PGPASSWORD={password} psql -qAtX -h $(hostname -i) -U postgres -c 'SELECT 1'")


def init_files(**scripts: str | bytes) -> bytes:
    """Put scripts into the init folder, named as the keywords with `_` for the last dot."""
    named = {name.replace("__", "."): content for name, content in scripts.items()}
    return archive({f"docker-entrypoint-initdb.d/{name}": (content, 0o644) for name, content in named.items()})


def in_volume(image: str, volume: str, script: str) -> str:
    return run(image, "sh", "-c", script, options=("--entrypoint=", f"--volume={volume}:{PGDATA}"))


def test_postgres_keeps_uid_paths_and_commands(images):
    script = f"id postgres; stat -c '%u:%g %a' {PGDATA}; which initdb pg_dump psql pg_isready postgres"
    found = run(images["postgres"], "sh", "-c", script).splitlines()
    assert found[0].startswith("uid=999(postgres) gid=999(postgres)")
    assert found[1] == "999:999 700"
    assert [Path(line).name for line in found[2:]] == ["initdb", "pg_dump", "psql", "pg_isready", "postgres"]


def test_postgres_keeps_the_image_configuration(images):
    template = "{{.Config.Cmd}} {{.Config.StopSignal}} {{.Config.ExposedPorts}} {{.Config.Volumes}}{{.Config.User}}"
    assert inspect(images["postgres"], template) == f"[postgres] SIGINT map[5432/tcp:{{}}] map[{PGDATA}:{{}}]"


@pytest.mark.parametrize("options", [(), POSTGRES_HARDENED], ids=["root", "hardened"])
def test_postgres_initialises_a_fresh_volume_and_keeps_it(images, bench, options):
    data = f"--volume={bench.volume()}:{PGDATA}"
    first = serve_postgres(bench, images["postgres"], *options, data, STRICT_INITDB, *PASSWORD)
    query(first, "CREATE TABLE kept AS SELECT 7 AS number")
    assert query(first, "SHOW data_checksums") == "on"
    assert log_in(first, "first-word").stdout.strip() == "1"
    assert "password authentication failed" in log_in(first, "other-word").stderr
    assert shell(first, "stat -c %u /proc/1", user="0").stdout.strip() == "999"
    assert stop(first) == 0
    assert "database system is shut down" in output(first).splitlines()[-1]
    second = serve_postgres(bench, images["postgres"], *options, data)
    assert query(second, "SELECT number FROM kept") == "7"
    assert "initialising" not in output(second)


def test_postgres_takes_user_and_database_from_variables(images, bench):
    settings = ("--env=POSTGRES_USER=an app", "--env=POSTGRES_DB=Chat-db", "--env=POSTGRES_HOST_AUTH_METHOD=trust")
    container = serve_postgres(bench, images["postgres"], *settings)
    assert query(container, "SELECT current_user", user="an app", database="Chat-db") == "an app"
    assert shell(container, f"tail -n 1 {PGDATA}/pg_hba.conf").stdout == "host all all all trust\n"


def test_postgres_takes_settings_from_files(images, bench):
    names = ("POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB")
    settings = [f"--env={name}_FILE=/run/{name}" for name in names]
    values = archive({f"run/{name}": (f"{name.lower()} #1\n", 0o444) for name in names})
    container = serve_postgres(bench, images["postgres"], *settings, files=values)
    login = "psql -qAtX -h $(hostname -i) -U 'postgres_user #1' -d 'postgres_db #1' -c 'SELECT 2'"
    assert shell(container, f"PGPASSWORD='postgres_password #1' {login}").stdout.strip() == "2"
    # The server's environment is readable for whoever gets in; the file is there to keep the value out of it.
    assert "postgres_password #1" not in shell(container, "cat /proc/1/environ").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no superuser password is given"),
        (("--env=POSTGRES_PASSWORD=",), "no superuser password is given"),
        ((*PASSWORD, "--env=POSTGRES_PASSWORD_FILE=/etc/hostname"), "are both set"),
        ((*PASSWORD, "--env=POSTGRES_DB=a", "--env=POSTGRES_DB_FILE=/etc/hostname"), "are both set"),
        (("--env=POSTGRES_PASSWORD_FILE=/run/none",), "names /run/none, which uid 999 cannot read"),
        (("--env=POSTGRES_PASSWORD=two\nlines",), "more than one line"),
        ((*PASSWORD, "--env=POSTGRES_INITDB_ARGS=--no-such-option"), "unrecognized option"),
        ((*PASSWORD, "--env=POSTGRES_INITDB_WALDIR=/wal"), "not supported"),
        ((*PASSWORD, "--user=998:998"), "not writable for uid 998"),
        ((*PASSWORD, "--cap-drop=ALL"), "run it as user 999:999"),
    ],
)
def test_postgres_refuses_a_wrong_configuration(images, bench, options, message):
    volume = bench.volume()
    assert message in bench.refused(images["postgres"], f"--volume={volume}:{PGDATA}", *options)
    assert in_volume(images["postgres"], volume, f"ls -A {PGDATA}") == ""


def test_postgres_touches_no_foreign_data(images, bench):
    volume = bench.volume()
    in_volume(images["postgres"], volume, f"echo mine >{PGDATA}/base")
    assert "holds base but no PG_VERSION" in bench.refused(images["postgres"], *PASSWORD, f"--volume={volume}:{PGDATA}")
    assert in_volume(images["postgres"], volume, f"cat {PGDATA}/*") == "mine"


def test_postgres_runs_init_scripts_in_order_and_once(images, bench):
    data = f"--volume={bench.volume()}:{PGDATA}"
    files = init_files(
        a__sh="psql -qU $POSTGRES_USER -d $POSTGRES_DB -c 'CREATE TABLE steps (step text)'\n",
        b__sql="INSERT INTO steps VALUES ('sql'), (current_database())",
        c__sql__gz=gzip.compress(b"INSERT INTO steps SELECT 'gz' FROM steps LIMIT 1"),
        d__txt="not a script",
        e__sh="touch $PGDATA/key; echo \"ident_file = '$PGDATA/pg_ident.conf'\" >>$PGDATA/postgresql.conf\n",
    )
    options = (data, *PASSWORD, "--env=POSTGRES_DB=app")
    first = serve_postgres(bench, images["postgres"], *options, files=files)
    assert query(first, "SELECT string_agg(step, ' ') FROM steps", database="app") == "sql app gz"
    assert query(first, "SHOW ident_file") == f"{PGDATA}/pg_ident.conf"
    assert shell(first, f"ls {PGDATA}/key").returncode == 0
    stop(first)
    second = serve_postgres(bench, images["postgres"], *options, files=files)
    assert query(second, "SELECT count(*) FROM steps", database="app") == "3"


def test_postgres_starts_over_after_a_failed_init_script(images, bench):
    options = (f"--volume={bench.volume()}:{PGDATA}", *PASSWORD)
    failing = init_files(a__sql="CREATE TABLE a (); SELECT nonsense")
    assert 'column "nonsense" does not exist' in bench.refused(images["postgres"], *options, files=failing)
    container = serve_postgres(bench, images["postgres"], *options, files=init_files(a__sql="CREATE TABLE a ()"))
    assert query(container, "SELECT count(*) FROM a") == "0"


def test_postgres_answers_no_probe_before_it_is_initialised(images, bench):
    files = init_files(a__sh=f"psql -qc 'SELECT 1' && touch /tmp/held\n{HOLD}")
    container = bench.start(images["postgres"], *PASSWORD, files=files)
    wait_until(lambda: shell(container, "test -e /tmp/held").returncode == 0, "the init script runs")
    assert shell(container, "pg_isready").returncode == 2
    assert not ready(container)
    shell(container, "touch /tmp/go")
    wait_until(lambda: ready(container), "it answers")
    assert shell(container, "pg_isready").returncode == 0


@pytest.mark.parametrize("signal", ["KILL", pytest.param("INT", marks=pytest.mark.full)])
@pytest.mark.parametrize("moment", ["initdb", "init-script"])
def test_postgres_starts_over_after_an_interrupted_initialisation(images, bench, moment, signal):
    volume = bench.volume()
    options = (*POSTGRES_HARDENED, "--init", f"--volume={volume}:{PGDATA}", STRICT_INITDB, *PASSWORD)
    seen = {"initdb": f"test -e {PGDATA}/.initialising", "init-script": "test -e /tmp/held"}[moment]
    # A read-only container takes no files, so its hook comes from a volume.
    hooks = bench.volume()
    hold = f"touch /tmp/held\n{HOLD}"
    run(images["redis"], "sh", "-c", f"cat >/data/a.sh <<'END'\n{hold}END\n", options=(f"--volume={hooks}:/data",))
    first = bench.start(images["postgres"], *options, f"--volume={hooks}:/docker-entrypoint-initdb.d")
    wait_until(lambda: shell(first, seen).returncode == 0, moment)
    docker("kill", "--signal", signal, first)
    docker("wait", first)
    assert in_volume(images["postgres"], volume, f"ls -A {PGDATA}") == ".initialising"
    second = serve_postgres(bench, images["postgres"], *options)
    assert query(second, "SELECT 1") == "1"
    assert query(second, "SHOW data_checksums") == "on"
    assert shell(second, f"ls -A {PGDATA}").stdout.split().count(".initialising") == 0


@pytest.mark.parametrize("moved", [pytest.param("nothing", marks=pytest.mark.full), "base", "everything"])
def test_postgres_finishes_an_interrupted_move(images, bench, moved):
    volume = bench.volume()
    options = (f"--volume={volume}:{PGDATA}", *PASSWORD)
    first = serve_postgres(bench, images["postgres"], *options, files=init_files(a__sql="CREATE TABLE kept ()"))
    stop(first)
    back = {"nothing": "*", "base": "[!b]*", "everything": "PG_VERSION"}[moved]
    in_volume(images["postgres"], volume, f"cd {PGDATA} && mkdir .initialised && mv {back} .initialised/")
    second = serve_postgres(bench, images["postgres"], *options)
    assert query(second, "SELECT count(*) FROM kept") == "0"
    assert "initialising" not in output(second)


def test_postgres_takes_arguments(images, bench):
    image = images["postgres"]
    assert run(image, "postgres", "--version").startswith("postgres (PostgreSQL) 17.")
    assert run(image, "id", "-u") == "0"
    container = serve_postgres(bench, image, *PASSWORD, command=("-c", "max_connections=42"))
    assert query(container, "SHOW max_connections") == "42"
    assert query(container, "SHOW listen_addresses") == "*"
    assert query(container, "SELECT datcollate FROM pg_database LIMIT 1") == "en_US.utf8"


def test_postgres_works_without_the_jit_compiler(images, bench):
    container = serve_postgres(bench, images["postgres"], *PASSWORD)
    assert query(container, "SET jit_above_cost = 0; SELECT sum(n) FROM generate_series(1, 10) n") == "55"


# ---- Python


def wheel(name: str) -> bytes:
    """Make the smallest wheel with one module and one command."""
    buffer = io.BytesIO()
    metadata = f"{name}-1.dist-info"
    files = {
        f"{name}.py": "def main():\n    print('it runs')\n",
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{metadata}/entry_points.txt": f"[console_scripts]\n{name}={name}:main\n",
    }
    with zipfile.ZipFile(buffer, "w") as package:
        for path, content in files.items():
            package.writestr(path, content)
        package.writestr(f"{metadata}/RECORD", "".join(f"{path},,\n" for path in files))
    return buffer.getvalue()


def test_python_stands_where_dockerfiles_expect_it(images):
    script = "which python python3 pip pip3; python -c 'import sys; print(sys.version_info[:2], sys.prefix)'"
    found = run(images["python"], "sh", "-c", script + "; id -u; echo $LANG$PYTHONDONTWRITEBYTECODE").splitlines()
    assert found[:4] == [f"/usr/local/bin/{name}" for name in ("python", "python3", "pip", "pip3")]
    assert found[4:] == ["(3, 13) /usr/local", "0", "C.UTF-8"]


@pytest.mark.parametrize(
    ("install", "place"),
    [
        ("pip install", "/usr/local/lib/python3.13/site-packages"),
        ("pip install --user", "/root/.local/lib/python3.13/site-packages"),
        ("pip install --prefix=/new", "/new/lib/python3.13/site-packages"),
        ("python -m venv /opt/venv && /opt/venv/bin/pip install", "/opt/venv/lib/python3.13/site-packages"),
    ],
)
def test_pip_installs_where_the_registry_image_does(images, bench, install, place):
    command = place.split("/lib/")[0] + "/bin/sample"
    script = f"{install} -q --no-index /sample-1-py3-none-any.whl && ls {place}/sample.py && "
    script += f"PYTHONPATH={place} {command}"
    files = archive({"sample-1-py3-none-any.whl": (wheel("sample"), 0o644)})
    container = bench.start(images["python"], command=("sh", "-c", script), files=files)
    assert docker("wait", container).stdout.strip() == "0", output(container)
    assert "it runs" in output(container)


def test_pip_may_be_replaced(images):
    # The distribution's own pip refuses to be uninstalled, and with that to be upgraded.
    assert "Successfully uninstalled pip" in run(images["python"], "pip", "uninstall", "--yes", "pip")


def test_python_trusts_what_the_host_trusts(images):
    script = "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 0)"
    assert run(images["python"], "python", "-c", script) == "True"
    assert run(images["python"], "pip", "config", "list") == "global.cert='/etc/ssl/certs/ca-certificates.crt'"


def test_python_runs_hardened(images):
    options = (*HARDENED, "--user=10001:10001")
    assert run(images["python"], "python", "-c", "import os; print(os.getuid())", options=options) == "10001"


@pytest.mark.parametrize("spelling", ["", "library/"])
@pytest.mark.parametrize("pull", [False, True])
def test_recipe_stands_in_for_an_unchanged_from(images, spelling, pull):
    name = f"envmgr-contract-{secrets.token_hex(4)}"
    dockerfile = f"FROM {spelling}python:3.13-slim-trixie AS build\nRUN test -e /etc/pip.conf\n"
    stand_in = f"python:3.13-slim-trixie=docker-image://{images['python']}"
    options = ("--build-context", stand_in, "--tag", name, *(["--pull"] if pull else []))
    try:
        done = docker("buildx", "build", *options, "-", stdin=dockerfile, check=False)
        # --pull asks a registry for the stand-in too, so a build that may use one must not carry it.
        assert (done.returncode == 0) is not pull, done.stderr
    finally:
        docker("image", "rm", name, check=False)
