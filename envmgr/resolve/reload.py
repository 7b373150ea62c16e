"""A service that shows the source as it is on the desk, and restarts when it changes."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from envmgr.catalog.kind import Draft
from envmgr.model.desk import SourceMount
from envmgr.model.stack import ConfigMount, Service
from envmgr.spec.schema import EnvironmentSpec, ServiceSpec, Spec

_RELOADER = "/etc/envmgr/reload.py"


def reloading(
    spec: Spec, environment: EnvironmentSpec, declared: ServiceSpec, draft: Draft, service: Service
) -> Service:
    """Return a service with its build's source bound over its image's; a job runs once, and as it was built."""
    build = declared.table.build
    if build is None or service.is_job or not spec.builds[build].source:
        return service
    table = spec.builds[build]
    sources = tuple(
        SourceMount(posixpath.normpath(posixpath.join(table.context, path)), target)
        for path, target in table.source.items()
    )
    if not draft.is_python or not service.command:
        return replace(service, sources=sources)
    config = f"config/{environment.name}/{service.name}/reload.py"
    folders = (source.target for source in sources)
    return replace(
        service,
        sources=sources,
        command=("python", _RELOADER, *folders, "--", *service.command),
        configs=(*service.configs, ConfigMount(config, _RELOADER, "reload/reload.py.j2")),
    )
