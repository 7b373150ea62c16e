"""What Grafana's dashboards show: panels as data, of metrics that the sample application and the exporters serve."""

from __future__ import annotations

from dataclasses import dataclass

_HERE = '{environment=~"$environment"}'
_FAILED = 'http_requests_total{environment=~"$environment", status=~"5.."}'
_ANSWER_TIMES = f"sum by (le) (rate(http_request_duration_seconds_bucket{_HERE}[5m]))"
_RUN_TIMES = f"sum by (le, task) (rate(flower_task_runtime_seconds_bucket{_HERE}[5m]))"
_NO_TEMPLATE = '{datname!~"template.*"}'


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph."""

    title: str
    unit: str
    """Grafana's name of it: `reqps`, `s`, `bytes`, `percentunit`, `short`."""
    queries: tuple[tuple[str, str], ...]
    """PromQL and the legend of its lines, with labels in double braces."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of graphs."""

    name: str
    """Its file and its part of the URL."""
    title: str
    panels: tuple[Panel, ...]


DASHBOARDS = (
    Dashboard(
        "application_overview",
        "Application Overview",
        (
            Panel(
                "Services that answer",
                "short",
                ((f"sum by (environment, service) (up{_HERE})", "{{environment}} {{service}}"),),
            ),
            Panel(
                "Requests",
                "reqps",
                ((f"sum by (environment) (rate(http_requests_total{_HERE}[5m]))", "{{environment}}"),),
            ),
            Panel(
                "Share of requests that fail",
                "percentunit",
                (
                    (
                        f"sum by (environment) (rate({_FAILED}[5m]))"
                        f" / sum by (environment) (rate(http_requests_total{_HERE}[5m]))",
                        "{{environment}}",
                    ),
                ),
            ),
            Panel(
                "Requests in progress",
                "short",
                ((f"sum by (environment) (http_requests_active{_HERE})", "{{environment}}"),),
            ),
            Panel(
                "Alerts",
                "short",
                (('sum by (alertname, environment) (ALERTS{alertstate="firing"})', "{{alertname}} {{environment}}"),),
            ),
        ),
    ),
    Dashboard(
        "request_metrics",
        "Request Metrics",
        (
            Panel(
                "Requests by path",
                "reqps",
                ((f"sum by (method, path) (rate(http_requests_total{_HERE}[5m]))", "{{method}} {{path}}"),),
            ),
            Panel(
                "Requests by status",
                "reqps",
                ((f"sum by (status) (rate(http_requests_total{_HERE}[5m]))", "{{status}}"),),
            ),
            Panel(
                "Time to answer",
                "s",
                tuple(
                    (
                        f"histogram_quantile({share}, {_ANSWER_TIMES})",
                        f"{name} of requests",
                    )
                    for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
                ),
            ),
            Panel(
                "Mean time by path",
                "s",
                (
                    (
                        f"sum by (method, path) (rate(http_request_duration_seconds_sum{_HERE}[5m]))"
                        f" / sum by (method, path) (rate(http_request_duration_seconds_count{_HERE}[5m]))",
                        "{{method}} {{path}}",
                    ),
                ),
            ),
            Panel(
                "Connections at the door",
                "short",
                (("nginx_connections_active", "active"), ("nginx_connections_waiting", "waiting")),
            ),
        ),
    ),
    Dashboard(
        "database_performance",
        "Database Performance",
        (
            Panel(
                "Connections by database",
                "short",
                ((f"pg_stat_database_numbackends{_NO_TEMPLATE}", "{{datname}}"),),
            ),
            Panel(
                "Connections in use by the application",
                "short",
                ((f"sum by (environment) (db_connections_active{_HERE})", "{{environment}}"),),
            ),
            Panel(
                "Transactions",
                "ops",
                (
                    (f"rate(pg_stat_database_xact_commit{_NO_TEMPLATE}[5m])", "{{datname}} committed"),
                    (f"rate(pg_stat_database_xact_rollback{_NO_TEMPLATE}[5m])", "{{datname}} rolled back"),
                ),
            ),
            Panel(
                "Share of blocks found in the cache",
                "percentunit",
                (
                    (
                        f"rate(pg_stat_database_blks_hit{_NO_TEMPLATE}[5m])"
                        f" / (rate(pg_stat_database_blks_hit{_NO_TEMPLATE}[5m])"
                        f" + rate(pg_stat_database_blks_read{_NO_TEMPLATE}[5m]))",
                        "{{datname}}",
                    ),
                ),
            ),
            Panel("Size", "bytes", (("pg_database_size_bytes", "{{datname}}"),)),
            Panel("Deadlocks", "short", (("increase(pg_stat_database_deadlocks[5m])", "{{datname}}"),)),
            Panel("Redis memory", "bytes", (("redis_memory_used_bytes", "used"), ("redis_memory_max_bytes", "limit"))),
            Panel("Redis commands", "ops", (("rate(redis_commands_processed_total[5m])", "{{service}}"),)),
        ),
    ),
    Dashboard(
        "celery_task_monitoring",
        "Celery Task Monitoring",
        (
            Panel("Workers", "short", ((f"sum by (environment) (flower_worker_online{_HERE})", "{{environment}}"),)),
            Panel(
                "Events",
                "ops",
                ((f"sum by (environment, type) (rate(flower_events_total{_HERE}[5m]))", "{{environment}} {{type}}"),),
            ),
            Panel(
                "Runs that ended",
                "ops",
                # Every instance of the application tells the same of the workers.
                (
                    (
                        f"max by (environment, task, state) (rate(celery_tasks_total{_HERE}[5m]))",
                        "{{environment}} {{task}} {{state}}",
                    ),
                ),
            ),
            Panel(
                "Time of 95 % of the runs",
                "s",
                (
                    (
                        f"histogram_quantile(0.95, {_RUN_TIMES})",
                        "{{task}}",
                    ),
                ),
            ),
            Panel(
                "Tasks in hand",
                "short",
                (
                    (
                        f"sum by (environment) (flower_worker_number_of_currently_executing_tasks{_HERE})",
                        "{{environment}}",
                    ),
                ),
            ),
            Panel(
                "Since the last heartbeat",
                "s",
                ((f"time() - max by (environment) (celery_heartbeat_timestamp_seconds{_HERE})", "{{environment}}"),),
            ),
        ),
    ),
    Dashboard(
        "system_resources",
        "System Resources",
        (
            Panel("Processors", "percentunit", (('1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m]))', "busy"),)),
            Panel(
                "Memory",
                "bytes",
                (
                    ("node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes", "used"),
                    ("node_memory_MemTotal_bytes", "all"),
                ),
            ),
            Panel("Load", "short", (("node_load1", "1 minute"), ("node_load15", "15 minutes"))),
            Panel(
                "Disk",
                "bytes",
                (
                    (
                        'node_filesystem_size_bytes{mountpoint="/"} - node_filesystem_avail_bytes{mountpoint="/"}',
                        "used",
                    ),
                    ('node_filesystem_size_bytes{mountpoint="/"}', "all"),
                ),
            ),
            Panel(
                "Memory of processes",
                "bytes",
                ((f"process_resident_memory_bytes{_HERE}", "{{environment}} {{service}}"),),
            ),
            Panel(
                "Processors by process",
                "percentunit",
                ((f"rate(process_cpu_seconds_total{_HERE}[5m])", "{{environment}} {{service}}"),),
            ),
        ),
    ),
)
