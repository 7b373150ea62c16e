"""The program of a Node.js component: a server, or a frontend that is built into files."""

from __future__ import annotations

import re

from envmgr.starting.dockerfile import container
from envmgr.starting.dockerfile import options as container_options
from envmgr.starting.found import Component, Detected, Program, Server
from envmgr.starting.packages import npm_packages, package_json, table

_SERVERS = {"express", "fastify", "koa", "@nestjs/core", "hono", "@hapi/hapi", "next", "nuxt", "@sveltejs/adapter-node"}
_FRONTENDS = {"vite", "react-scripts", "@angular/core", "vue", "react", "svelte"}
_DRIVERS = {
    Server.POSTGRES: {"pg", "postgres", "typeorm", "@prisma/client"},
    Server.REDIS: {"redis", "ioredis", "bullmq", "bull"},
    Server.QDRANT: {"@qdrant/js-client-rest"},
    Server.MINIO: {"minio", "@aws-sdk/client-s3"},
    Server.ELASTICSEARCH: {"@elastic/elasticsearch"},
}
_HEALTH = re.compile(r"""\.get\(\s*["'`](/(?:api/)?(?:health(?:z|check)?|ping|livez|readyz))["'`]""")
_PORT, _USER = 3000, "1000:1000"
"""What the kind `node` takes when the spec is silent."""


def detect(component: Component) -> Detected:
    """Return the program of a Node.js component, none when there is none."""
    packages = npm_packages(component)
    found = container(component)
    if packages & _FRONTENDS and (found.is_nginx or not packages & _SERVERS):
        return Detected((Program("frontend", "static", {"spa": True}, listens=True),))
    if not packages & _SERVERS and not table(package_json(component), "scripts").get("start"):
        return Detected()
    servers: dict[Server, dict[str, object]] = {one: {} for one, names in _DRIVERS.items() if packages & names}
    health = _health(component)
    told = {"command": _command(component), **container_options(component, _PORT, _USER)}
    notes = () if health else (f"no route for health was found in {component.where}: / has to answer below 400",)
    options = {**told, **({} if health == "/health" else {"health_path": health or "/"})}
    return Detected((Program("app", "node", options, listens=True, uses=tuple(servers)),), servers, notes)


def _command(component: Component) -> list[str]:
    """Return what `npm start` runs where that is one program: npm itself hands no signal on."""
    start = table(package_json(component), "scripts").get("start")
    words = start.split() if isinstance(start, str) else []
    if words[:1] == ["node"] and all(re.fullmatch(r"[\w./=@-]+", word) for word in words):
        return words
    main = package_json(component).get("main")
    if not words and isinstance(main, str) and re.fullmatch(r"[\w./@-]+", main):
        return ["node", main]
    return ["npm", "start"] if words else ["node", "server.js"]


def _health(component: Component) -> str:
    texts = (text for path, text in sorted(component.files.items()) if path.endswith((".js", ".ts", ".mjs", ".cjs")))
    return next((match[1] for text in texts if (match := _HEALTH.search(text))), "")
