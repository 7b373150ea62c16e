"""Closes what somebody opened by hand between environments in a PostgreSQL server, and says what it closed.

Only what concerns roles that are named as envmgr names those of environments is taken back: a role for reports that an
administrator made stays as it is. Superusers are beyond all of it.
"""

from __future__ import annotations

ENVIRONMENTS = "^[a-z][a-z0-9]*_(owner|app_[0-9]+)$"
"""Roles that envmgr makes for environments, of whatever prefix."""

# Runs before anything is made or repaired, so that it can say what it found; a first time there is nothing to say.
ROLES = """\
\\set VERBOSITY terse
SET client_min_messages TO notice;
DO $doors$
DECLARE door record;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') THEN RETURN; END IF;
  FOR door IN
    SELECT format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', rolname) AS statement,
           rolname || ' had an administrator''s rights' AS said
      FROM pg_roles WHERE rolname ~ '^{prefix}(owner|app_[0-9]+)$'
       AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
    UNION ALL
    SELECT format('ALTER ROLE %I NOLOGIN', rolname), rolname || ' could log in'
      FROM pg_roles WHERE rolname = '{owner}' AND rolcanlogin
    UNION ALL
    SELECT format('REVOKE %I FROM %I GRANTED BY %s CASCADE', granted.rolname, member.rolname, m.grantor::regrole),
           member.rolname || ' was a member of ' || granted.rolname
      FROM pg_auth_members m
      JOIN pg_roles granted ON granted.oid = m.roleid
      JOIN pg_roles member ON member.oid = m.member
     WHERE (member.rolname ~ '^{prefix}(owner|app_[0-9]+)$' AND granted.rolname <> '{owner}')
        OR (granted.rolname ~ '^{prefix}(owner|app_[0-9]+)$'
            AND member.rolname ~ '{environments}' AND member.rolname !~ '^{prefix}app_[0-9]+$')
    UNION ALL
    SELECT format('REVOKE ALL ON DATABASE %I FROM %s CASCADE', datname, who),
           CASE who WHEN 'PUBLIC' THEN 'everybody' ELSE who END || ' had rights on database ' || datname
      FROM (SELECT DISTINCT datname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS who
              FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
             WHERE datallowconn) AS rights
     WHERE who = 'PUBLIC'
        OR (who ~ '{environments}' AND datname = '{database}' AND who <> '{owner}')
        OR (who ~ '^{prefix}(owner|app_[0-9]+)$' AND datname <> '{database}')
  LOOP
    EXECUTE door.statement;
    RAISE NOTICE 'closed: %', door.said;
  END LOOP;
END $doors$;
"""

GUARD = """\
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
 WHERE datallowconn
   AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0) \\gexec
"""

# Nobody else comes into the database; what a restored dump brings with it is put right all the same. Functions of an
# extension belong to the administrator and stay open: the owner needs them.
INSIDE = """\
\\connect {database}
\\set VERBOSITY terse
SET client_min_messages TO notice;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
DO $inside$
DECLARE door record;
BEGIN
  FOR door IN
    SELECT format('GRANT ALL ON SCHEMA public TO %I', '{owner}') AS statement, NULL AS said
      FROM pg_namespace WHERE nspname = 'public' AND NOT has_schema_privilege('{owner}', oid, 'CREATE')
    UNION ALL
    SELECT format('REVOKE ALL ON SCHEMA %I FROM %s CASCADE', nspname, who),
           CASE who WHEN 'PUBLIC' THEN NULL ELSE who || ' had rights on schema ' || nspname || ' of {database}' END
      FROM (SELECT DISTINCT nspname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS who
              FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
             WHERE nspname = 'public' OR nspowner = '{owner}'::regrole) AS rights
     WHERE who = 'PUBLIC' OR (who ~ '{environments}' AND who !~ '^{prefix}(owner|app_[0-9]+)$')
    UNION ALL
    SELECT format('REVOKE ALL ON %s FROM %s CASCADE', relation, who),
           CASE who WHEN 'PUBLIC' THEN 'everybody' ELSE who END || ' had rights on ' || relation || ' of {database}'
      FROM (SELECT DISTINCT c.oid::regclass::text AS relation,
                   CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS who
              FROM pg_class c, aclexplode(c.relacl)
             WHERE c.relowner = '{owner}'::regrole AND c.relkind IN ('r', 'p', 'v', 'm', 'f')) AS rights
     WHERE who = 'PUBLIC' OR (who ~ '{environments}' AND who !~ '^{prefix}(owner|app_[0-9]+)$')
    UNION ALL
    SELECT format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', p.oid::regprocedure), NULL
      FROM pg_proc p
     WHERE p.proowner = '{owner}'::regrole
       AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0)
  LOOP
    EXECUTE door.statement;
    IF door.said IS NOT NULL THEN RAISE NOTICE 'closed: %', door.said; END IF;
  END LOOP;
END $inside$;
"""

SWEEP = """\
\\set VERBOSITY terse
SET client_min_messages TO notice;
DO $left$
DECLARE one record;
BEGIN
  FOR one IN
    SELECT rolname FROM pg_roles
     WHERE rolcanlogin AND rolname ~ '^[a-z][a-z0-9]*_app_[0-9]+$'
       AND substring(rolname from '^([a-z][a-z0-9]*_)') <> ALL ('{{{prefixes}}}')
  LOOP
    EXECUTE format('ALTER ROLE %I NOLOGIN', one.rolname);
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = one.rolname;
    RAISE NOTICE 'closed: % {left}', one.rolname;
  END LOOP;
END $left$;
"""
