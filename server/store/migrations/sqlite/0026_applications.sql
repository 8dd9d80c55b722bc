-- Applications, where they are switched on: the realm's OpenPGP key, its private half encrypted;
-- the one before, as long as it is good;
-- how far clocks may be apart, for how long a result waits, and the group of who registers by
-- themselves; without one nobody does.
CREATE TABLE application_service (
	one            INTEGER PRIMARY KEY CHECK (one = 1),
	enabled        INTEGER NOT NULL,
	public_key     BLOB    NOT NULL,
	sealed         BLOB    NOT NULL,
	previous       BLOB    NOT NULL,
	previous_until INTEGER NOT NULL,
	skew_seconds   INTEGER NOT NULL,
	result_seconds INTEGER NOT NULL,
	self_group     TEXT    REFERENCES groups(uuid) ON DELETE SET NULL
) STRICT;

CREATE TABLE applications (
	uuid        TEXT    PRIMARY KEY,
	name        TEXT    NOT NULL UNIQUE,
	fingerprint TEXT    NOT NULL UNIQUE,
	public_key  BLOB    NOT NULL,
	disabled    INTEGER NOT NULL,
	created     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The codes of instances that are to be, in the order in which they came.
CREATE TABLE application_hellos (
	code_hash   BLOB    PRIMARY KEY,
	application TEXT    NOT NULL REFERENCES applications(uuid) ON DELETE CASCADE,
	seq         INTEGER NOT NULL,
	expires     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX application_hellos_seq ON application_hellos (application, seq);

CREATE TABLE application_instances (
	fingerprint TEXT    PRIMARY KEY,
	application TEXT    NOT NULL REFERENCES applications(uuid) ON DELETE CASCADE,
	public_key  BLOB    NOT NULL,
	created     INTEGER NOT NULL,
	revoked     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX application_instances_of ON application_instances (application, created);

-- The ids of requests that were used, for as long as their time would be good.
CREATE TABLE application_requests (
	sender  TEXT    NOT NULL,
	request TEXT    NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (sender, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX application_requests_expires ON application_requests (expires);

-- The code with which a person may bind a key, once.
CREATE TABLE application_invitations (
	account_uuid TEXT    PRIMARY KEY REFERENCES accounts(uuid) ON DELETE CASCADE,
	code_hash    BLOB    NOT NULL,
	expires      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Registrations of people, by the id of their request: by an administrator's code, which was right
-- (accepted), or by themselves. Without an account one is made. target is a hash of where the code
-- was sent to, secret the code's or a one-time password's, sealed.
CREATE TABLE application_registrations (
	instance     TEXT    NOT NULL REFERENCES application_instances(fingerprint) ON DELETE CASCADE,
	request      TEXT    NOT NULL,
	account_uuid TEXT    REFERENCES accounts(uuid) ON DELETE CASCADE,
	method       TEXT    NOT NULL,
	target       BLOB    NOT NULL,
	secret       BLOB    NOT NULL,
	tries        INTEGER NOT NULL,
	accepted     INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	PRIMARY KEY (instance, request)
) STRICT, WITHOUT ROWID;

-- The keys of people, each for one instance.
CREATE TABLE application_person_keys (
	fingerprint  TEXT    NOT NULL,
	instance     TEXT    NOT NULL REFERENCES application_instances(fingerprint) ON DELETE CASCADE,
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	public_key   BLOB    NOT NULL,
	created      INTEGER NOT NULL,
	revoked      INTEGER NOT NULL,
	PRIMARY KEY (fingerprint, instance)
) STRICT, WITHOUT ROWID;

-- Jobs stay as a record when their instance or account is gone. question is what the person
-- signed, and result what it came to, each until its time is over.
CREATE TABLE application_jobs (
	uuid               TEXT    PRIMARY KEY,
	application        TEXT    NOT NULL,
	instance           TEXT    NOT NULL,
	account            TEXT    NOT NULL,
	person_key         TEXT    NOT NULL,
	operation          TEXT    NOT NULL,
	resource           TEXT    NOT NULL,
	state              TEXT    NOT NULL,
	digest             BLOB    NOT NULL,
	person_signature   BLOB    NOT NULL,
	instance_signature BLOB    NOT NULL,
	question           BLOB    NOT NULL,
	result             BLOB    NOT NULL,
	made               INTEGER NOT NULL,
	expires            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX application_jobs_made ON application_jobs (made);
CREATE INDEX application_jobs_state ON application_jobs (state, expires);

-- What the members of a group may do in a space of resources: letters of c, r, u and d.
CREATE TABLE application_grants (
	space      TEXT NOT NULL,
	group_uuid TEXT NOT NULL REFERENCES groups(uuid) ON DELETE CASCADE,
	operations TEXT NOT NULL,
	PRIMARY KEY (space, group_uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE application_values (
	space    TEXT    NOT NULL,
	name     TEXT    NOT NULL,
	type     TEXT    NOT NULL,
	value    BLOB    NOT NULL,
	revision INTEGER NOT NULL,
	PRIMARY KEY (space, name)
) STRICT, WITHOUT ROWID;
