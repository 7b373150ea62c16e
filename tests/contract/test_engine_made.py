"""How a container was made, told alike by the fake engine and the real one: what a plan compares is what Docker has."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envmgr import layout, naming
from envmgr.engine.docker import DockerEngine
from envmgr.engine.protocol import Recreate
from envmgr.model.observed import Container, Mount, ObservedHealthcheck, Settings, State
from envmgr.model.plan import Action, Cause, Place, Plan, Step, Subject
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    ConfigMount,
    Healthcheck,
    Image,
    Network,
    Publication,
    Resources,
    SecretMount,
    Stack,
    System,
    Tmpfs,
    Volume,
    VolumeMount,
)
from envmgr.planning.actual import actual_fields
from envmgr.planning.desired import desired_fields
from envmgr.planning.inputs import Question, Wanted, Written
from envmgr.planning.plan import make_plan
from envmgr.render.files import render, service_labels
from envmgr.secrets.deliver import deliver
from envmgr.secrets.vault import Vault
from tests.contract.busybox import IMAGE, ensure_image
from tests.contract.engine_lab import SECONDS, Lab
from tests.fakes.engine import FakeEngine
from tests.making import service

MEGABYTE = 1 << 20
SIXTEEN = "size=16m,uid=10001,gid=10001,mode=1777,noexec,nosuid,nodev"


class Made(Lab):
    """A stack of one service, rendered, delivered and brought up as `up` would."""

    def stack(self, **fields: object) -> Stack:
        given = {"image": Image(IMAGE), "command": (), "stop_seconds": 1, **fields}
        volumes = (Volume("app-data", f"{self.compose_project}-app-data", "app"),)
        networks = tuple(self.one_network(key) for key in ("data", "publish", "egress"))
        return Stack(self.project, "dev", self.compose_project, (service("app", **given),), networks, volumes)

    def one_network(self, key: str) -> Network:
        subnet = f"10.232.{self._block}.{16 * ('data', 'publish', 'egress').index(key)}/28"
        name = f"{self.compose_project}-{key}"
        return Network(key, name, subnet, is_internal=key == "data", masquerades=key == "egress")

    def bring_up(self, stack: Stack, recreate: Recreate = Recreate.CHANGED, secret: str = "s") -> Question:
        """Bring it up; return what the planner is asked afterwards."""
        system = System(self.project, Stack(self.project, "infra", f"{self.project}-infra", (), (), ()), (stack,), {})
        revisions = deliver(
            self.folder, stack, {"REGION": "here"}, Vault().with_target("dev", {"TOKEN": secret, "URL": "db"})
        )
        (self.folder / "templates").mkdir(exist_ok=True)
        (self.folder / "templates" / "app.conf.j2").write_text("depth = 1\n")
        for path, text in render(system, self.folder).items():
            file = self.folder / layout.COMPOSE / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        files = (self.folder / layout.COMPOSE / layout.compose_file("dev"),)
        self.engine.compose_up(files, stack.compose_project, ("app",), deadline=SECONDS, recreate=recreate)
        return self.question(system, stack, revisions)

    def question(self, system: System, stack: Stack, revisions: dict[str, str]) -> Question:
        labels, image = service_labels(stack, self.folder)["app"], self.engine.image(IMAGE)
        wanted = Wanted(
            image=IMAGE,
            hash=labels[naming.LABEL_HASH],
            revision=revisions["app"],
            configs=labels.get(naming.LABEL_CONFIGS, ""),
            image_id=image.id,
        )
        return Question(
            system=system,
            observed=self.snapshot(),
            selected={"dev": (stack.services,)},
            wanted={"dev": {"app": wanted}},
            images={image.id: image},
            locate=lambda path: Written(Place(path, "envmgr.toml", 1)),
        )

    def rename(self, old: str, new: str) -> None:
        """Rename a container, as an operator would."""
        if isinstance(self.engine, FakeEngine):
            self.engine.change(self.engine.get(old).container.id, name=new)
        else:
            subprocess.run(("docker", "rename", old, new), check=True)

    def limit(self, name: str, memory: int) -> None:
        """Change a container's memory limit, as an operator would."""
        if isinstance(self.engine, FakeEngine):
            found = self.engine.get(name).container
            self.engine.change(found.id, settings=replace(found.settings, memory=memory))
        else:
            flags = ("--memory", str(memory), "--memory-swap", str(2 * memory))
            subprocess.run(("docker", "update", *flags, name), check=True, capture_output=True)

    def plan(self, question: Question) -> Plan:
        return make_plan(replace(question, observed=self.snapshot()))


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.docker)])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    if request.param == "fake":
        engine = FakeEngine()
        engine.has_image(IMAGE)
        given = replace(engine.images[IMAGE], command=("sleep", "100000"), variables={"PATH": "/bin"})
        engine.images[IMAGE] = given
        yield Made(engine, tmp_path)
        return
    docker = DockerEngine()
    ensure_image(docker, tmp_path)
    made = Made(docker, tmp_path)
    try:
        yield made
    finally:
        made.clean()
        docker.close()


def everything(lab: Made) -> Stack:
    """Return a stack that uses every field that a host without NVIDIA devices can give."""
    return lab.stack(
        command=("sh", "-c", "sleep $N", "a b"),
        resources=Resources(0.25, 48 * MEGABYTE, 32, cpus_reserved=0.1, memory_reserved=16 * MEGABYTE),
        start_seconds=1.5,
        stop_seconds=2.5,
        variables={"N": "100000", "DOLLAR": "$HOME #'\"", "EMPTY": ""},
        supplied=("REGION",),
        templated={"DATABASE": (SecretRef("URL", "dev"),)},
        secrets=(SecretMount("TOKEN", (SecretRef("TOKEN", "dev"),)),),
        configs=(ConfigMount("config/app.conf", "/etc/app.conf", "app.conf.j2"),),
        ports=(Publication(8000, 28300 + lab._block),),
        volumes=(VolumeMount("app-data", "/data"),),
        tmpfs=(Tmpfs("/tmp"), Tmpfs("/cache", 8, "0700")),
        networks=("data", "publish", "egress"),
        healthcheck=Healthcheck(("CMD-SHELL", "test $N = 100000"), interval=10, timeout=2.5, retries=5),
        aliases=("app--dev",),
        stop_signal="SIGINT",
        shm_megabytes=32,
    )


def test_every_field_of_a_service_is_seen_as_it_was_written(lab: Made):
    stack = everything(lab)
    lab.bring_up(stack)
    app = lab.get("app", state=State.RUNNING)
    assert app.settings == Settings(
        command=("sh", "-c", "sleep $N", "a b"),
        user="10001:10001",
        variables={"DOLLAR": "$HOME #'\"", "EMPTY": "", "N": "100000", "PATH": "/bin"},
        healthcheck=ObservedHealthcheck(
            Healthcheck(("CMD-SHELL", "test $N = 100000"), interval=10, timeout=2.5, retries=5), 1.5
        ),
        ports=(Publication(8000, 28300 + lab._block),),
        mounts=(
            Mount(f"{lab.compose_project}-app-data", "/data"),
            Mount("", "/etc/app.conf", is_read_only=True),
            Mount("", "/run/secrets/TOKEN", is_read_only=True),
        ),
        tmpfs={"/tmp": SIXTEEN, "/cache": SIXTEEN.replace("16m", "8m").replace("1777", "0700")},
        cpus=0.25,
        memory=48 * MEGABYTE,
        memory_reserved=16 * MEGABYTE,
        pids=32,
        shm=32 * MEGABYTE,
        restart="unless-stopped",
        stop_signal="SIGINT",
        stop_seconds=2,
        is_read_only=True,
        has_init=True,
        dropped=("ALL",),
        security=("no-new-privileges:true",),
        logging={"": "json-file", "max-file": "3", "max-size": "10m"},
    )
    assert set(naming.revised(app.revision)) == {"REGION", "DATABASE", "TOKEN"}
    assert set(naming.revised(app.labels[naming.LABEL_CONFIGS])) == {"config/app.conf"}


@pytest.mark.parametrize("is_plain", [False, True], ids=["every field", "what the image says"])
def test_what_was_made_is_what_was_wanted(lab: Made, is_plain: bool):
    stack = lab.stack(networks=("data",)) if is_plain else everything(lab)
    question = lab.bring_up(stack)
    app = lab.get("app", state=State.RUNNING)
    wanted = question.wanted["dev"]["app"]
    assert actual_fields(app, frozenset()) == desired_fields(
        stack, stack.service("app"), wanted, question.images[wanted.image_id]
    )
    assert lab.plan(question).of("dev", Subject.SERVICE) == ()


def test_networks_and_volumes_are_seen_as_they_were_written(lab: Made):
    stack = everything(lab)
    question = lab.bring_up(stack)
    assert lab.plan(question) == Plan(("dev",))
    found = {network.name: network for network in lab.snapshot().networks}
    data = found[f"{lab.compose_project}-data"]
    assert (data.driver, data.is_internal, data.subnets) == ("bridge", True, (stack.network("data").subnet,))
    changed = replace(stack, networks=tuple(replace(one, is_internal=not one.is_internal) for one in stack.networks))
    refused = lab.plan(replace(question, system=replace(question.system, environments=(changed,)))).refusals
    assert len(refused) == 3
    assert refused[0].hint == "envmgr down dev && envmgr up dev; data stays"


# ---- what was changed by hand, and how Compose is told


def drift(lab: Made, question: Question) -> tuple[Cause, ...]:
    (step,) = lab.plan(question).steps
    assert (step.action, step.is_drift) == (Action.RECREATE, True)
    return step.causes


def test_a_container_that_left_its_network_is_drift_and_made_anew(lab: Made):
    stack = lab.stack(networks=("data", "egress"))
    question = lab.bring_up(stack)
    before = lab.get("app", state=State.RUNNING)
    network = stack.network("data").name
    lab.engine.disconnect(network, before.id)
    assert drift(lab, question) == (Cause(f"networks.{network}", None, "app"),)
    lab.bring_up(stack, Recreate.ALWAYS)
    assert lab.plan(question) == Plan(("dev",))
    assert lab.get("app", state=State.RUNNING).id != before.id


def test_a_container_that_joined_another_network_is_drift_and_made_anew(lab: Made):
    stack = lab.stack(networks=("data",))
    question = lab.bring_up(stack)
    lab.engine.create_network(other := lab.network("other"), lab.labels)
    lab.engine.connect(other.name, lab.get("app", state=State.RUNNING).id, ("spy",))
    assert drift(lab, question) == (Cause(f"networks.{other.name}", "spy", None),)
    lab.bring_up(stack, Recreate.CHANGED)
    assert len(drift(lab, question)) == 1, "Compose would not have seen it by itself"
    lab.bring_up(stack, Recreate.ALWAYS)
    assert lab.plan(question) == Plan(("dev",))


def test_a_stopped_container_is_only_started(lab: Made):
    stack = lab.stack(networks=("data",))
    question = lab.bring_up(stack)
    before = lab.get("app", state=State.RUNNING)
    lab.engine.stop(before.id, 0)
    stopped = lab.get("app", state=State.EXITED)
    (step,) = lab.plan(question).steps
    assert step == Step(
        "dev",
        Subject.SERVICE,
        "app",
        Action.START,
        (Cause("state", f"exited with code {stopped.exit_code}", "running"),),
        containers=(before.name,),
    )
    # Even with another definition: what a plan calls a start replaces nothing.
    lab.bring_up(lab.stack(networks=("data",), variables={"NEW": "1"}), Recreate.NEVER)
    assert lab.get("app", state=State.RUNNING).id == before.id


def replaced(lab: Made, first: Stack, second: Stack, recreate: Recreate, **options: str) -> bool:
    def container() -> Container:
        return lab.get("app", state=State.RUNNING)

    lab.bring_up(first)
    before = container()
    lab.bring_up(second, recreate, **options)
    return container().id != before.id


@pytest.mark.parametrize("recreate", list(Recreate))
def test_which_containers_compose_replaces(lab: Made, recreate: Recreate):
    same, changed = lab.stack(networks=("data",)), lab.stack(networks=("data",), variables={"NEW": "1"})
    assert replaced(lab, same, same, recreate) is (recreate is Recreate.ALWAYS)
    assert replaced(lab, same, changed, recreate) is (recreate is not Recreate.NEVER)


def test_a_changed_secret_is_told_by_name_and_replaces(lab: Made):
    stack = lab.stack(networks=("data",), secrets=(SecretMount("TOKEN", (SecretRef("TOKEN", "dev"),)),))
    question = lab.bring_up(stack)
    before = lab.get("app", state=State.RUNNING)
    lab.bring_up(stack, secret="another")
    assert lab.get("app", state=State.RUNNING).id != before.id
    (step,) = lab.plan(question).steps
    assert step.causes == (Cause("secrets.TOKEN", None, None),)


def test_a_renamed_container_gets_its_name_back(lab: Made):
    stack = lab.stack(networks=("data",))
    question = lab.bring_up(stack)
    name = lab.get("app", state=State.RUNNING).name
    lab.rename(name, f"{lab.project}-other")
    assert drift(lab, question) == (Cause("name", f"{lab.project}-other", name),)
    lab.bring_up(stack, Recreate.ALWAYS)
    assert lab.plan(question) == Plan(("dev",))


def test_another_limit_by_hand_is_drift_and_set_back(lab: Made):
    stack = lab.stack(networks=("data",), resources=Resources(0.25, 48 * MEGABYTE, 32))
    question = lab.bring_up(stack)
    lab.limit(lab.get("app", state=State.RUNNING).name, 64 * MEGABYTE)
    assert drift(lab, question) == (Cause("memory", "64M", "48M"),)
    lab.bring_up(stack, Recreate.ALWAYS)
    assert lab.plan(question) == Plan(("dev",))
