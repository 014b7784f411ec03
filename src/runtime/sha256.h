/* SHA-256 (FIPS 180-4), for cache keys and to notice damaged cache files. */
#ifndef CLATTN_SHA256_H
#define CLATTN_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct clattn__sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} clattn__sha256;

void clattn__sha256_init(clattn__sha256 *hash);
void clattn__sha256_add(clattn__sha256 *hash, const void *data, size_t bytes);

/* 64 lower-case hexadecimal digits and a zero byte; hash is used up. */
void clattn__sha256_hex(clattn__sha256 *hash, char hex[65]);

#endif /* CLATTN_SHA256_H */
