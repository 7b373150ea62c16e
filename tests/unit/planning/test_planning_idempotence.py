"""After `up` the next plan is empty, whatever the spec says; and `up` replaces exactly what its plan has named."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from envmgr.model.plan import Action, Plan, Subject
from tests.house import House, house

__all__ = ["house"]

IMAGES = ("registry.example/play:1", "registry.example/play:2")
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=12)
common = {
    "cpus": st.sampled_from([0.25, 0.5, 1.0, 1.75]),
    "memory": st.sampled_from(["48M", "64M", "1.5G", "49153K"]),
    "memory_reserved": st.sampled_from(["7M", "32M"]),
    "cpus_reserved": st.sampled_from([0.1, 0.25]),
    "pids": st.integers(8, 500),
    "start_seconds": st.sampled_from([1, 2.5, 30]),
    "stop_seconds": st.sampled_from([0.5, 1, 1.5, 60]),
}
raw = st.fixed_dictionaries(
    {},
    optional={
        "ulimits": st.fixed_dictionaries({"nofile": st.integers(64, 4096)}),
        "cap_add": st.just(["SYS_NICE"]),
        "restart": st.sampled_from(["always", "on-failure:3"]),
        "read_only": st.booleans(),
        "shm_size": st.sampled_from(["1m", "128m"]),
        "labels": st.fixed_dictionaries({"team": st.sampled_from(["a", "b"])}),
    },
)
container = common | {
    "command": st.lists(words, min_size=1, max_size=3),
    "user": st.sampled_from(["10001:10001", "7:8"]),
    "tmpfs": st.dictionaries(st.sampled_from(["/cache", "/var/x"]), st.sampled_from(["8M", "9M"])),
    "image": st.sampled_from(IMAGES),
    "compose": raw,
}
variables = st.dictionaries(st.sampled_from(["COLOUR", "MODE"]), words)
environment = {
    "debug": st.booleans(),
    "log_level": st.sampled_from(["INFO", "DEBUG"]),
    "workers": st.integers(1, 9),
    "protected": st.booleans(),
    "variables": variables,
}


def some(fields: dict[str, Any], **required: Any) -> Any:
    return st.fixed_dictionaries(required, optional=fields)


specs = st.fixed_dictionaries(
    {
        "redis": some(common | {"compose": some({"environment": st.fixed_dictionaries({"RAW": words})})}),
        "store": some({key: container[key] for key in (*common, "tmpfs", "compose")}),
        "api": some(
            container
            | {
                "variables": variables,
                "egress": st.booleans(),
                "secrets_as": st.sampled_from(["files", "variables"]),
                "volumes": st.dictionaries(st.sampled_from(["data", "more"]), st.sampled_from(["/data", "/srv"])),
                "uses": st.sampled_from([[], ["redis"]]),
            }
        ),
        "worker": some(common | {"replicas": st.integers(1, 3), "uses": st.just(["redis"])}),
        "environment": some(environment),
        "has_worker": st.booleans(),
        "port": st.sampled_from([0, 8100, 8101]),
    }
)


def text_of(value: Any) -> str:
    """Write a value as the spec's file does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value)
        return f'"{escaped}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{text_of(key)} = {text_of(item)}" for key, item in value.items()) + " }"
    return str(value)


def table(name: str, fixed: dict[str, Any], chosen: dict[str, Any]) -> str:
    lines = (f"{key} = {text_of(value)}" for key, value in {**fixed, **chosen}.items())
    return "\n".join((f"[{name}]", *lines, ""))


def spec_of(chosen: dict[str, Any]) -> str:
    own = {"kind": "container", "image": IMAGES[0], "healthcheck": ["check"], "container_port": 7000}
    tables = [
        table("project", {"name": "play"}, {}),
        table("variables.TOKEN", {"secret": True, "generate": True}, {}),
        table("variables.REGION", {"default": "here"}, {}),
        table("infra.redis", {"memory": "64M"}, chosen["redis"]),
        table("infra.store", own | {"volumes": {"data": "/data"}}, chosen["store"]),
        table("services.api", own, chosen["api"]),
        table("environments.dev", {}, chosen["environment"]),
    ]
    if chosen["has_worker"]:
        program = {"kind": "celery-worker", "image": IMAGES[0], "app": "play.tasks"}
        tables.insert(-1, table("services.tasks", program, chosen["worker"]))
    if chosen["port"]:
        tables.append(f"[environments.dev.ports]\napi = {chosen['port']}\n")
    return "\n".join(tables)


def touched(plan: Plan) -> set[str]:
    """Return the containers that a plan says are replaced or removed."""
    cutting = (Action.RECREATE, Action.REMOVE, Action.SCALE)
    return {
        name
        for step in plan.steps
        if step.subject is Subject.SERVICE and step.action in cutting
        for name in step.containers
    }


@settings(
    max_examples=20,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=specs, second=specs)
def test_up_leaves_nothing_to_do_and_does_what_was_shown(house: House, first: dict, second: dict):
    house.engine.has_image(*IMAGES)
    for chosen in (first, second):
        house.write(spec_of(chosen))
        before = house.ids()
        plan = house.plan()
        house.up("infra", "dev")
        assert house.plans[-1] == plan
        assert house.plan() == Plan(("infra", "dev"), remarks=house.plan().remarks)
        after = house.ids()
        assert {name for name in before if after.get(name) != before[name]} == touched(plan)
        result = house.up("infra", "dev")
        assert (result.changed, house.ids()) == (0, after)
