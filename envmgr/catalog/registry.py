"""The list of kinds; adding one is a file and a line here. Kinds of other packages come behind ours."""

from __future__ import annotations

from envmgr.catalog.alertmanager import Alertmanager
from envmgr.catalog.asgi import Asgi
from envmgr.catalog.celery import CeleryBeat, CeleryWorker, Flower
from envmgr.catalog.container import Container, InfraContainer
from envmgr.catalog.elasticsearch import Elasticsearch
from envmgr.catalog.exporters import BlackboxExporter, NginxExporter, NodeExporter
from envmgr.catalog.garage import Garage
from envmgr.catalog.grafana import Grafana
from envmgr.catalog.job import Job
from envmgr.catalog.kibana import Kibana
from envmgr.catalog.kind import InfraKind, ServiceKind
from envmgr.catalog.logstash import Logstash
from envmgr.catalog.minio import Minio
from envmgr.catalog.nginx import Nginx
from envmgr.catalog.node import Node
from envmgr.catalog.packages import add_kinds, installed
from envmgr.catalog.postgres import Postgres
from envmgr.catalog.postgres_exporter import PostgresExporter
from envmgr.catalog.prometheus import Prometheus
from envmgr.catalog.qdrant import Qdrant
from envmgr.catalog.redis import Redis
from envmgr.catalog.redis_exporter import RedisExporter
from envmgr.catalog.rustfs import Rustfs
from envmgr.catalog.s3 import S3
from envmgr.catalog.seaweedfs import Seaweedfs
from envmgr.catalog.static import Static
from envmgr.catalog.valkey import Valkey
from envmgr.catalog.wsgi import Wsgi

_INFRA: dict[str, InfraKind] = {
    kind.name: kind
    for kind in (
        *(Postgres(), Redis(), Valkey(), Qdrant(), Elasticsearch()),
        *(Minio(), Rustfs(), Garage(), Seaweedfs(), S3()),
        *(Logstash(), Kibana()),
        *(Nginx(), Prometheus(), Alertmanager(), Grafana()),
        *(PostgresExporter(), RedisExporter(), NodeExporter(), NginxExporter(), BlackboxExporter()),
        InfraContainer(),
    )
}
_SERVICES: dict[str, ServiceKind] = {
    kind.name: kind
    for kind in (
        *(Asgi(), Wsgi(), Node(), Static()),
        *(CeleryWorker(), CeleryBeat(), Flower(), Job(), Container()),
    )
}
INFRA, SERVICES = add_kinds(installed(), _INFRA, _SERVICES)
