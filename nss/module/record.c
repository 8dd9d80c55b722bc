#include "record.h"

uint32_t record_check(const struct snapshot *s, uint64_t offset, const void *p, size_t n)
{
	return (uint32_t)hash_bytes(s->seed0 + offset, s->seed1, p, n);
}

bool record_prove(const struct snapshot *s, uint64_t offset, const void *p, size_t n, uint32_t check)
{
	if (check != record_check(s, offset, p, n))
		return false;
	if (s->proved != NULL && n > 0)
		atomic_fetch_or_explicit(&s->proved[offset / 512], UINT64_C(1) << offset / 8 % 64, memory_order_relaxed);
	return true;
}

enum lookup_status record_give_passwd(const struct account_record *a, struct passwd *out, struct room *r)
{
	const struct fill_passwd p = {
		.name = a->h.name,
		.full_name = a->h.full_name,
		.home = a->h.home,
		.shell = a->h.shell,
		.uid = a->h.uid,
		.gid = a->h.gid,
	};

	if (a->texts > r->len)
		return LOOKUP_TOO_SMALL;
	return fill_passwd(&p, out, r->buf, (const char *)a->at + ACCOUNT_HEAD) ? LOOKUP_DONE : LOOKUP_REFUSED;
}

enum lookup_status record_give_group(const struct snapshot *s, const struct group_record *g, struct group *out, struct room *r)
{
	const struct fill_group f = {
		.name = g->h.name,
		.count = g->h.count,
		.bytes = g->h.bytes,
		.gid = g->h.gid,
	};
	uint64_t texts = f.name + 3, at = group_members(g);

	/* A member has two bytes at least: no count asks for memory that the file does not have. */
	if (at > g->room || f.bytes > g->room - at || f.count > f.bytes / 2)
		return LOOKUP_REFUSED;
	if (fill_group_size(&f, r->buf) > r->len)
		return LOOKUP_TOO_SMALL;
	char *to = r->buf + fill_group_offset(&f, r->buf);

	memcpy(to, g->at + GROUP_HEAD, texts);
	if (!fill_group(&f, out, to, (const char *)g->at + at))
		return LOOKUP_REFUSED;
	COPIED();
	return record_holds(s, g->offset + at, to + texts, f.bytes, g->h.members_check) ? LOOKUP_DONE : LOOKUP_REFUSED;
}

/* The group of an account that is its only member. */
enum lookup_status record_give_own_group(const struct account_record *a, struct group *out, struct room *r)
{
	const struct fill_group f = {
		.name = a->h.name,
		.count = 1,
		.bytes = (size_t)a->h.name + 1,
		.gid = a->h.gid,
	};

	if (fill_group_size(&f, r->buf) > r->len)
		return LOOKUP_TOO_SMALL;
	char *to = r->buf + fill_group_offset(&f, r->buf);

	memcpy(to, a->at + ACCOUNT_HEAD, f.name + 3);
	COPIED();
	return fill_group(&f, out, to, to) ? LOOKUP_DONE : LOOKUP_REFUSED;
}
