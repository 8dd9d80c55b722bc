-- The tables of the SQLite migration 0026, whose comments say what they are for.
CREATE TABLE application_service (
	one            BIGINT PRIMARY KEY CHECK (one = 1),
	enabled        BIGINT NOT NULL,
	public_key     BYTEA   NOT NULL,
	sealed         BYTEA   NOT NULL,
	previous       BYTEA   NOT NULL,
	previous_until BIGINT NOT NULL,
	skew_seconds   BIGINT NOT NULL,
	result_seconds BIGINT NOT NULL,
	self_group     TEXT    REFERENCES groups(uuid) ON DELETE SET NULL
);
CREATE TABLE applications (
	uuid        TEXT    PRIMARY KEY,
	name        TEXT    NOT NULL UNIQUE,
	fingerprint TEXT    NOT NULL UNIQUE,
	public_key  BYTEA   NOT NULL,
	disabled    BIGINT NOT NULL,
	created     BIGINT NOT NULL
);
CREATE TABLE application_hellos (
	code_hash   BYTEA   PRIMARY KEY,
	application TEXT    NOT NULL REFERENCES applications(uuid) ON DELETE CASCADE,
	seq         BIGINT NOT NULL,
	expires     BIGINT NOT NULL
);
CREATE INDEX application_hellos_seq ON application_hellos (application, seq);
CREATE TABLE application_instances (
	fingerprint TEXT    PRIMARY KEY,
	application TEXT    NOT NULL REFERENCES applications(uuid) ON DELETE CASCADE,
	public_key  BYTEA   NOT NULL,
	created     BIGINT NOT NULL,
	revoked     BIGINT NOT NULL
);
CREATE INDEX application_instances_of ON application_instances (application, created);
CREATE TABLE application_requests (
	sender  TEXT    NOT NULL,
	request TEXT    NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (sender, request)
);
CREATE INDEX application_requests_expires ON application_requests (expires);
CREATE TABLE application_invitations (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	code_hash    BYTEA   NOT NULL,
	expires      BIGINT NOT NULL
);
CREATE TABLE application_registrations (
	instance     TEXT    NOT NULL REFERENCES application_instances(fingerprint) ON DELETE CASCADE,
	request      TEXT    NOT NULL,
	account_uuid TEXT    REFERENCES accounts(uuid) ON DELETE CASCADE,
	method       TEXT    NOT NULL,
	target       BYTEA   NOT NULL,
	secret       BYTEA   NOT NULL,
	tries        BIGINT NOT NULL,
	accepted     BIGINT NOT NULL,
	expires      BIGINT NOT NULL,
	PRIMARY KEY (instance, request)
);
CREATE TABLE application_person_keys (
	fingerprint  TEXT    NOT NULL,
	instance     TEXT    NOT NULL REFERENCES application_instances(fingerprint) ON DELETE CASCADE,
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	public_key   BYTEA   NOT NULL,
	created      BIGINT NOT NULL,
	revoked      BIGINT NOT NULL,
	PRIMARY KEY (fingerprint, instance)
);
CREATE TABLE application_jobs (
	uuid               TEXT    PRIMARY KEY,
	application        TEXT    NOT NULL,
	instance           TEXT    NOT NULL,
	account            TEXT    NOT NULL,
	person_key         TEXT    NOT NULL,
	operation          TEXT    NOT NULL,
	resource           TEXT    NOT NULL,
	state              TEXT    NOT NULL,
	digest             BYTEA   NOT NULL,
	person_signature   BYTEA   NOT NULL,
	instance_signature BYTEA   NOT NULL,
	question           BYTEA   NOT NULL,
	result             BYTEA   NOT NULL,
	made               BIGINT NOT NULL,
	expires            BIGINT NOT NULL
);
CREATE INDEX application_jobs_made ON application_jobs (made);
CREATE INDEX application_jobs_state ON application_jobs (state, expires);
CREATE TABLE application_grants (
	space      TEXT NOT NULL,
	group_uuid TEXT NOT NULL REFERENCES groups(uuid) ON DELETE CASCADE,
	operations TEXT NOT NULL,
	PRIMARY KEY (space, group_uuid)
);
CREATE TABLE application_values (
	space    TEXT    NOT NULL,
	name     TEXT    NOT NULL,
	type     TEXT    NOT NULL,
	value    BYTEA   NOT NULL,
	revision BIGINT NOT NULL,
	PRIMARY KEY (space, name)
);
