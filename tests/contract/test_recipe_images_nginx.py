"""Hold the nginx recipe against what the registry image promises, and try the switch of colours that builds on it."""

import textwrap

import pytest

from tests.contract.image_bench import (
    archive,
    confined_to,
    confinement,
    docker,
    inspect,
    mounted,
    output,
    run,
    stop_seconds,
    wait_until,
)

pytestmark = pytest.mark.docker

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--user=101:101")
TEMPORARY = "\n".join(f"{kind}_temp_path /tmp/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi", "client_body"))


def config(http: str) -> str:
    """Make a whole configuration for a user that is not root; `nginx.conf` has no other place to write than /tmp."""
    return f"pid /tmp/nginx.pid;\nevents {{}}\nhttp {{\n{TEMPORARY}\n{textwrap.dedent(http)}\n}}\n"


HEALTH = config("server { listen 8080; location = /healthz { return 200 'ok\\n'; } }")
SWITCH = config(
    """
    resolver 127.0.0.11 valid=1s ipv6=off;
    server {
      listen 8080;
      location = /healthz { return 200 'ok\\n'; }
      location / {
        set $colour blue;
        if (-f /run/edge/green) { set $colour green; }
        proxy_pass http://app-$colour:8000;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_next_upstream off;
        add_header X-Colour $colour always;
      }
    }
    """
)


@pytest.fixture
def mount(tmp_path):
    """Mount a text as a file, by default as the configuration of nginx."""
    return lambda content, path="/etc/nginx/nginx.conf": mounted(tmp_path, path, content)


def get(container: str, path: str, port: int = 8080) -> str:
    """Ask as the healthcheck does, and return status, colour and body; empty when nobody answers."""
    ask = ("curl", "-sS", "-w", " %{http_code} %header{x-colour}", f"http://127.0.0.1:{port}{path}")
    return docker("exec", container, *ask, check=False).stdout.strip()


def healthy(container: str, port: int = 8080, path: str = "/healthz") -> bool:
    assert inspect(container, "{{.State.Running}}") == "true", output(container)
    probe = ("curl", "-fsS", "-o", "/dev/null", f"http://127.0.0.1:{port}{path}")
    return docker("exec", container, *probe, check=False).returncode == 0


def test_keeps_uid_paths_and_commands(images):
    paths = "/usr/share/nginx/html/index.html /etc/nginx/{conf.d,modules,mime.types}"
    script = f"id nginx; which nginx curl envsubst; ls -d {paths}"
    found = run(images["nginx"], "bash", "-c", script).splitlines()
    assert found[0] == "uid=101(nginx) gid=101(nginx) groups=101(nginx)"
    names = {"nginx", "curl", "envsubst", "index.html", "conf.d", "modules", "mime.types"}
    assert {line.split("/")[-1] for line in found[1:]} == names
    template = "{{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.StopSignal}} {{.Config.ExposedPorts}}"
    expected = "[/docker-entrypoint.sh] [nginx -g daemon off;] SIGQUIT map[80/tcp:{}]"
    assert inspect(images["nginx"], template) == expected


def test_has_the_version_that_its_name_says(images):
    assert (
        docker("run", "--rm", images["nginx"], "nginx", "-v")
        .stderr.splitlines()[-1]
        .startswith("nginx version: nginx/1.26.")
    )
    assert images.recipes["nginx"].replaces == "nginx:1.26"


def test_serves_as_it_comes_and_logs_where_docker_looks(images, bench):
    container = bench.start(images["nginx"])
    wait_until(lambda: healthy(container, 80, "/"), "nginx answers")
    assert "Welcome to nginx!" in get(container, "/", 80)
    assert " 404" in get(container, "/none", 80)
    logs = docker("logs", container)
    assert '"GET /none HTTP/1.1" 404' in logs.stdout
    assert 'open() "/usr/share/nginx/html/none" failed' in logs.stderr
    assert docker("exec", container, "stat", "-c", "%U", "/var/cache/nginx/proxy").stdout == "nginx\n"


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "under-init"])
def test_runs_hardened_with_a_configuration_of_its_own(images, bench, mount, init):
    container = bench.start(images["nginx"], *HARDENED, *init, mount(HEALTH))
    wait_until(lambda: healthy(container), "nginx answers")
    assert not healthy(container, 8081)
    assert not healthy(container, path="/none")
    assert confinement(container) == confined_to("101")
    assert '"GET /healthz HTTP/1.1" 200' in docker("logs", container).stdout
    assert stop_seconds(container) < 20
    assert inspect(container, "{{.State.ExitCode}}") == "0"


def test_finishes_what_it_serves_before_it_stops(images, bench, mount):
    slow = config("server { listen 8080; root /srv; location = /slow { limit_rate 20k; } }")
    server = bench.start(images["nginx"], *HARDENED, mount(slow), mount("x" * 160_000, "/srv/slow"))
    script = "until curl -fsS -o /tmp/got http://127.0.0.1:8080/slow; do sleep 0.1; done; stat -c %s /tmp/got"
    client = bench.start(
        images["nginx"], f"--network=container:{server}", "--entrypoint=", command=("sh", "-c", script)
    )
    begun = ("exec", client, "test", "-s", "/tmp/got")
    wait_until(lambda: docker(*begun, check=False).returncode == 0, "the answer has begun")
    assert inspect(client, "{{.State.Running}}") == "true", "the whole answer came before the stop"
    assert stop_seconds(server) < 20
    assert docker("wait", client).stdout.strip() == "0"
    assert docker("logs", client).stdout == "160000\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "unexpected end of file"),
        (config("server { listen 8080; no_such_directive on; }"), 'unknown directive "no_such_directive"'),
        (
            config("server { listen 8080; location / { proxy_pass http://no-such-host; } }"),
            "host not found in upstream",
        ),
        (HEALTH.replace("8080", "80; listen 127.0.0.1:8080; listen 127.0.0.1:8080"), "duplicate listen"),
        (
            HEALTH.replace("/tmp/nginx.pid", "/run/nginx.pid"),
            'open() "/run/nginx.pid" failed (30: Read-only file system)',
        ),
        (HEALTH.replace("proxy_temp_path /tmp/proxy;", ""), "Read-only file system"),
    ],
    ids=["no-configuration", "unknown-directive", "unknown-host", "twice-the-same", "pid-file", "cache"],
)
def test_refuses_a_wrong_configuration(images, bench, mount, text, message):
    assert message in bench.refused(images["nginx"], *HARDENED, mount(text))


# ---- templates and scripts


def test_fills_in_templates(images, bench):
    template = "server { listen 8080; location / { return 200 '$host ${WORD} ${OTHER}'; } }\n"
    files = archive(
        {
            "etc/nginx/templates/app.conf.template": (template, 0o644),
            "etc/nginx/templates/below/note.txt.template": ("${WORD}", 0o644),
            "etc/nginx/templates/left.conf": ("nonsense", 0o644),
        }
    )
    container = bench.start(images["nginx"], "--env=WORD=hello", "--env=OTHER=${host}", files=files)
    wait_until(lambda: healthy(container, path="/"), "nginx answers")
    assert get(container, "/") == "127.0.0.1 hello 127.0.0.1 200"
    assert docker("exec", container, "cat", "/etc/nginx/conf.d/below/note.txt").stdout == "hello"
    assert "left" not in docker("exec", container, "ls", "/etc/nginx/conf.d").stdout


def test_says_that_templates_cannot_be_filled_in(images, bench, mount):
    container = bench.start(
        images["nginx"], *HARDENED, mount(HEALTH), mount("x", "/etc/nginx/templates/a.conf.template")
    )
    wait_until(lambda: healthy(container), "nginx answers")
    assert "/etc/nginx/conf.d is not writable for uid 101" in docker("logs", container).stderr


def test_runs_scripts_first_in_their_order(images, bench):
    files = archive(
        {
            "docker-entrypoint.d/2-first.envsh": ("export WORD=sourced\n", 0o755),
            "docker-entrypoint.d/10-second.sh": ('#!/bin/sh\necho "word: $WORD"\n', 0o755),
            "docker-entrypoint.d/11-off.sh": ("echo off\n", 0o644),
        }
    )
    container = bench.start(images["nginx"], files=files)
    wait_until(lambda: healthy(container, 80, "/"), "nginx answers")
    logs = docker("logs", container).stdout
    assert "\nword: sourced\n" in logs
    assert "\noff\n" not in logs
    assert "not executable, so not run: /docker-entrypoint.d/11-off.sh" in logs


def test_does_not_start_after_a_failed_script(images, bench):
    files = archive({"docker-entrypoint.d/30-fails.sh": ("#!/bin/sh\necho no certificate >&2\nexit 3\n", 0o755)})
    assert "no certificate" in bench.refused(images["nginx"], files=files)


def test_runs_other_commands_as_they_are(images, bench):
    files = archive({"docker-entrypoint.d/30-fails.sh": ("#!/bin/sh\nexit 3\n", 0o755)})
    container = bench.start(images["nginx"], command=("id", "-u"), files=files)
    assert docker("wait", container).stdout.strip() == "0"
    assert output(container) == "0\n"


# ---- the switch of colours, by a file that nginx looks for at each request


def test_switches_colours_while_the_idle_one_does_not_exist(images, bench, mount):
    network = f"--network={bench.network()}"
    edge = bench.start(images["nginx"], *HARDENED, network, f"--volume={bench.volume()}:/run/edge", mount(SWITCH))

    def colour(name: str) -> str:
        app = mount(config(f"server {{ listen 8000; location / {{ return 200 'from {name}'; }} }}"))
        return bench.start(images["nginx"], *HARDENED, network, f"--network-alias=app-{name}", app)

    def point(script: str) -> None:
        docker("exec", "--user=0", edge, "sh", "-c", f"cd /run/edge && {script}")

    # It starts, and passes its own test, when neither colour exists.
    wait_until(lambda: healthy(edge), "the edge answers")
    assert "test is successful" in docker("exec", edge, "nginx", "-t").stderr
    assert get(edge, "/").endswith("502 blue")
    colour("blue")
    wait_until(lambda: get(edge, "/") == "from blue 200 blue", "blue answers")
    point("touch .g && mv .g green")
    assert get(edge, "/").endswith("502 green")
    point("rm green")
    assert get(edge, "/") == "from blue 200 blue"
    colour("green")
    point("touch .g && mv .g green")
    wait_until(lambda: get(edge, "/") == "from green 200 green", "green answers")
    assert healthy(edge)
