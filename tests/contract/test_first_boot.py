"""PostgreSQL counts as healthy only when the server that stays answers, however often it boots for the first time.

During a first boot a temporary server listens on a socket alone; who asks there may take it for the real one.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.image_bench import Bench, docker, wait_until

pytestmark = pytest.mark.docker

BOOTS = 20
AT_ONCE = 4
OPTIONS = ("--env=POSTGRES_PASSWORD=first-word", "--volume=/var/lib/postgresql/data", "--user=999:999")
SLOW = "CREATE TABLE made (); SELECT pg_sleep(0.5);"
LOGIN = "PGPASSWORD=first-word psql -qAtX -h 127.0.0.1 -U postgres -c"
ASKED = "SELECT pg_postmaster_start_time(), count(made) FROM made"


def asks(container: str, *test: str) -> bool:
    return docker("exec", container, *test, check=False).returncode == 0


@pytest.fixture
def scripts(bench: Bench, images) -> str:
    """A volume with a script that the first boot runs, which takes a moment."""
    volume = bench.volume()
    docker("run", "--rm", f"--volume={volume}:/s", images["debian"], "sh", "-c", f"echo '{SLOW}' >/s/slow.sql")
    return f"--volume={volume}:/docker-entrypoint-initdb.d:ro"


def boot(bench: Bench, image: str, scripts: str) -> str:
    name = f"{bench.prefix}-boot-{time.monotonic_ns()}"
    bench.containers.append(name)
    docker("run", "--detach", "--name", name, *OPTIONS, scripts, image)
    return name


def test_a_first_boot_is_healthy_when_the_real_server_answers(bench: Bench, images, scripts: str, chatbot) -> None:
    check = chatbot.declared.base.service("postgres").healthcheck
    assert check is not None
    test = check.test[1:]

    def healthy_means_ready(_: int) -> str:
        container = boot(bench, images["postgres"], scripts)
        wait_until(lambda: asks(container, *test), f"{container} is healthy")
        # At once, with the password, what the first boot was to make is there, and nothing starts anew after it.
        first, again = (docker("exec", container, "sh", "-c", f"{LOGIN} '{ASKED}'").stdout for _ in range(2))
        docker("rm", "--force", "--volumes", container)
        return "" if first == again else f"{first} {again}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(healthy_means_ready, range(BOOTS))) == [""] * BOOTS
