"""The list of kinds; adding one is a file and a line here."""

from __future__ import annotations

from envmgr.catalog.asgi import Asgi
from envmgr.catalog.celery import CeleryWorker, Flower
from envmgr.catalog.job import Job
from envmgr.catalog.kind import InfraKind, ServiceKind
from envmgr.catalog.nginx import Nginx
from envmgr.catalog.postgres import Postgres
from envmgr.catalog.redis import Redis

INFRA: dict[str, InfraKind] = {
    kind.name: kind
    for kind in (
        *(Postgres(), Redis()),
        *(Nginx(),),
    )
}
SERVICES: dict[str, ServiceKind] = {kind.name: kind for kind in (Asgi(), CeleryWorker(), Flower(), Job())}
