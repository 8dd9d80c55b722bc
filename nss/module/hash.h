/*
 * The hash and the check of the directory snapshot, and what else all who read it
 * must agree on. nss/snapshot/doc.go is the
 * reference; its testdata/hashes.txt holds C and Go to each other.
 */
#ifndef SALLYPORT_HASH_H
#define SALLYPORT_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	SNAPSHOT_VERSION = 2,
	SNAPSHOT_HEADER = 1024, /* bytes */
};

#define HASH_K0 UINT64_C(0x9E3779B97F4A7C15)
#define HASH_K1 UINT64_C(0xD6E8FEB86659FD93)
#define HASH_K2 UINT64_C(0xA0761D6478BD642F)

__extension__ typedef unsigned __int128 hash_wide;

static inline uint64_t hash_r64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t hash_r32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	hash_wide p = (hash_wide)a * b;

	return (uint64_t)(p >> 64) ^ (uint64_t)p;
}

static inline uint64_t hash_bytes(uint64_t s0, uint64_t s1, const uint8_t *p, size_t n)
{
	uint64_t h = s0 ^ (uint64_t)n * HASH_K0, a = 0, b = 0;

	for (; n > 16; p += 16, n -= 16)
		h = hash_mix(hash_r64(p) ^ s1, hash_r64(p + 8) ^ h);
	if (n >= 8) {
		a = hash_r64(p);
		b = hash_r64(p + n - 8);
	} else if (n >= 4) {
		a = hash_r32(p);
		b = hash_r32(p + n - 4);
	} else if (n > 0) {
		a = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
	}
	return hash_mix(hash_mix(a ^ s1, b ^ h) ^ s0 ^ HASH_K1, HASH_K2);
}

static inline uint64_t hash_id(uint64_t s0, uint64_t s1, uint32_t id)
{
	return hash_mix(hash_mix(id ^ s0, HASH_K0 ^ s1) ^ HASH_K1, HASH_K2);
}

#endif
