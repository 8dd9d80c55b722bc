-- breaking
-- The tables and columns of the SQLite migration 0012, whose comments say what they are for.
ALTER TABLE migrations ADD COLUMN breaking BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN news BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN machines_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN servers_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN copy TEXT NOT NULL DEFAULT '';
ALTER TABLE signing_keys ADD COLUMN sealed BYTEA;
CREATE TABLE authority (
	one         BIGINT PRIMARY KEY CHECK (one = 1),
	certificate BYTEA  NOT NULL,
	sealed      BYTEA  NOT NULL
);
CREATE TABLE key_list (
	one    BIGINT PRIMARY KEY CHECK (one = 1),
	bundle BYTEA  NOT NULL
);
CREATE TABLE servers (
	id      TEXT   PRIMARY KEY,
	url     TEXT   NOT NULL,
	tls     BYTEA  NOT NULL,
	version TEXT   NOT NULL,
	began   BIGINT NOT NULL,
	seen    BIGINT NOT NULL
);
CREATE TABLE join_tokens (
	name      TEXT   PRIMARY KEY,
	code_hash BYTEA  NOT NULL UNIQUE,
	remaining BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	scoped    BIGINT NOT NULL,
	admits    TEXT   NOT NULL
);
ALTER TABLE machines ADD COLUMN token TEXT NOT NULL DEFAULT '';
