"""Why what is rendered differs from what was imported, where the importer has no word of its own on it."""

from __future__ import annotations

from fnmatch import fnmatchcase

_REASONS = (
    (
        "ports.*.host_ip",
        "only a door to the outside should be reached from elsewhere: published ports pass by the firewall",
    ),
    ("ports.*.name", "a word for other programs, which the spec has no place for"),
    ("ports.*.app_protocol", "a word for other programs, which the spec has no place for"),
    ("ports.*", "not published"),
    ("reaches.*", "the services of an environment share one network"),
    ("networks.*", "addresses and settings of networks are envmgr's"),
    ("aliases.*--*", "its name for the base, which no other environment has"),
    ("aliases.*", "names in one network are the whole environment's"),
    ("egress", "it stays on internal networks unless egress = true"),
    ("network_mode", "services are on their environment's networks"),
    ("environment.*", "every service is told of its environment"),
    ("labels.envmgr.*", "how envmgr finds its containers"),
    ("limits.*", "no container may take the whole host; set it in the spec"),
    ("user", "nobody runs as root, nor as a name that only the image knows"),
    ("read_only", "its root cannot be written: name what can in tmpfs and volumes"),
    ("tmpfs.*", "what can be written beside the volumes"),
    ("cap_drop.*", "no capability that it does not ask for"),
    ("security_opt.*", "no program in it gains rights"),
    ("init", "children that end are reaped"),
    ("logging.*", "logs do not fill the disk"),
    ("restart", "it comes back after a crash and after the host's restart"),
    ("pull_policy", "envmgr pulls and builds before it starts anything"),
    ("stop_grace_period", "time to end in good order; stop_seconds"),
    ("healthcheck.start_period", "start_seconds, in which it has to become healthy"),
    ("healthcheck.*", "how often readiness is asked for"),
    ("depends_on.*.*", "envmgr starts in waves, each when what it stands on is proven"),
    ("depends_on.*", "envmgr waits until it is proven ready"),
    ("volumes.*.read_only", "a named volume can be written; the spec has no other"),
    ("volumes.*.volume.*", "the spec has no such option"),
    ("volumes.*", "mounted in another way"),
    ("profiles*", "there are no profiles: it starts with the others"),
    ("develop*", "hot reload is not Compose's watch here"),
    ("annotations.*", "not carried"),
    ("container_name", "containers are named by environment"),
    ("build.*", "the spec has no such key of a build"),
    ("build", "the spec has no such key of a build"),
    ("secrets.*", "secrets reach a container in /run/secrets, readable for its user"),
    ("image", "the image is another one"),
)
_TOP = (
    ("name", "each environment is a Compose project of its own"),
    ("volumes.*.name", "a new, empty volume: copy what the old one holds"),
    ("volumes.*", "the spec has no options of volumes"),
    ("networks.*.name", "the services of an environment share one network of envmgr's"),
    ("networks.*", "networks are envmgr's"),
    ("x-*", "it was there for the file itself; what it meant has been put in its places"),
)


def reason(key: str) -> str:
    """Return the general reason for a difference of a service."""
    return _first(_REASONS, key) or "the spec has no place for it"


def top_reason(key: str) -> str:
    """Return the general reason for a difference of the project's own sections."""
    return _first(_TOP, key) or "the spec has no place for it"


def _first(table: tuple[tuple[str, str], ...], key: str) -> str:
    return next((why for pattern, why in table if fnmatchcase(key, pattern)), "")
