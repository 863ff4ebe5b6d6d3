/* What the load generator needs of WebSocket frames, msgpack and histograms. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* WebSocket frames (RFC 6455). */

static inline size_t masked_frame(uint8_t *out, const uint8_t *payload, size_t size, int kind) {
    static const uint8_t mask[4] = {0x5a, 0xa5, 0x3c, 0xc3};
    size_t at = 0;
    out[at++] = 0x80 | kind;
    if (size < 126) out[at++] = 0x80 | size;
    else if (size < 65536) {
        out[at++] = 0x80 | 126;
        out[at++] = size >> 8;
        out[at++] = size;
    } else {
        out[at++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--) out[at++] = (uint64_t)size >> (8 * i);
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < size; i++) out[at + i] = payload[i] ^ mask[i & 3];
    return at + size;
}

static inline int frame_extent(const uint8_t *data, size_t size, size_t *head, size_t *length) {
    if (size < 2) return 0;
    *length = data[1] & 127;
    *head = 2;
    if (*length == 126) {
        if (size < 4) return 0;
        *length = data[2] << 8 | data[3];
        *head = 4;
    } else if (*length == 127) {
        if (size < 10) return 0;
        *length = 0;
        for (int i = 2; i < 10; i++) *length = *length << 8 | data[i];
        *head = 10;
    }
    return 1;
}

/* Writing msgpack. */

static inline uint8_t *put_map(uint8_t *at, int size) { return *at = 0x80 | size, at + 1; }
static inline uint8_t *put_array(uint8_t *at, int size) { return *at = 0x90 | size, at + 1; }

static inline uint8_t *put_text(uint8_t *at, const char *text) {
    size_t size = strlen(text);
    if (size < 32) *at++ = 0xa0 | size;
    else if (size < 256) *at++ = 0xd9, *at++ = size;
    else *at++ = 0xda, *at++ = size >> 8, *at++ = size;
    memcpy(at, text, size);
    return at + size;
}

static inline uint8_t *put_number(uint8_t *at, uint64_t number) {
    if (number < 128) return *at = number, at + 1;
    *at++ = 0xcf;
    for (int i = 7; i >= 0; i--) *at++ = number >> (8 * i);
    return at;
}

/* Reading msgpack. A reader that meets its end or something unexpected stays at its end and gives zeros. */

struct reader { const uint8_t *at, *end; };

static inline uint64_t big_endian(struct reader *r, int bytes) {
    uint64_t number = 0;
    if (r->end - r->at < bytes) return r->at = r->end, 0;
    while (bytes--) number = number << 8 | *r->at++;
    return number;
}

static inline void forward(struct reader *r, uint64_t bytes) {
    r->at = bytes > (uint64_t)(r->end - r->at) ? r->end : r->at + bytes;
}

static inline uint64_t get_size(struct reader *r, int tiny, int tiny_mask, int wide) {
    if (r->at >= r->end) return 0;
    uint8_t kind = *r->at++;
    if ((kind & ~tiny_mask) == tiny) return kind & tiny_mask;
    if (kind == wide) return big_endian(r, 2);
    if (kind == wide + 1) return big_endian(r, 4);
    return r->at = r->end, 0;
}

static inline uint64_t get_map(struct reader *r) { return get_size(r, 0x80, 15, 0xde); }
static inline uint64_t get_array(struct reader *r) { return get_size(r, 0x90, 15, 0xdc); }

static inline uint64_t text_size(struct reader *r) {
    if (r->at < r->end && *r->at == 0xd9) return r->at++, big_endian(r, 1);
    return get_size(r, 0xa0, 31, 0xda);
}

static inline void get_text(struct reader *r, char *text, size_t room) {
    uint64_t size = text_size(r);
    size_t kept = size < room ? size : room - 1;
    if (kept > (size_t)(r->end - r->at)) kept = r->end - r->at;
    memcpy(text, r->at, kept);
    text[kept] = 0;
    forward(r, size);
}

static inline uint64_t get_number(struct reader *r) {
    if (r->at >= r->end) return 0;
    uint8_t kind = *r->at++;
    if (kind < 128) return kind;
    if (kind >= 0xcc && kind <= 0xcf) return big_endian(r, 1 << (kind - 0xcc));
    return 0;
}

static inline void skip(struct reader *r) {
    uint64_t left = 1;
    while (left-- && r->at < r->end) {
        uint8_t kind = *r->at;
        if (kind < 0x80 || kind >= 0xe0) r->at++;
        else if (kind < 0x90 || kind == 0xde || kind == 0xdf) left += 2 * get_map(r);
        else if (kind < 0xa0 || kind == 0xdc || kind == 0xdd) left += get_array(r);
        else if (kind < 0xc0 || (kind >= 0xd9 && kind <= 0xdb)) forward(r, text_size(r));
        else if (kind <= 0xc3) r->at++;
        else if (kind <= 0xc6) r->at++, forward(r, big_endian(r, 1 << (kind - 0xc4)));
        else if (kind == 0xca) forward(r, 5);
        else if (kind == 0xcb) forward(r, 9);
        else if (kind >= 0xcc && kind <= 0xcf) forward(r, 1 + (1 << (kind - 0xcc)));
        else if (kind >= 0xd0 && kind <= 0xd3) forward(r, 1 + (1 << (kind - 0xd0)));
        else r->at = r->end;
    }
}

/* Put `value` at the value of a key of the map at `map`; the caller's reader does not move. */
static inline int find(struct reader map, const char *key, struct reader *value) {
    size_t wanted = strlen(key);
    for (uint64_t left = get_map(&map); left && map.at < map.end; left--) {
        uint64_t size = text_size(&map);
        const uint8_t *name = map.at;
        forward(&map, size);
        if (size == wanted && memcmp(name, key, size) == 0) return *value = map, 1;
        skip(&map);
    }
    return 0;
}

/* Latencies in microseconds, to 1.6 %: 64 steps for each power of two. */

enum { STEPS = 64, POWERS = 32 };
struct histogram { uint64_t buckets[STEPS * POWERS], total, most; };

/* Bucket p * 64 + s: p = 0 holds 0..63 one by one, p > 0 holds (64 + s) << (p - 1). */
static inline void record(struct histogram *h, uint64_t microseconds) {
    uint64_t power = microseconds < STEPS ? 0 : 58 - __builtin_clzll(microseconds);
    uint64_t step = power ? (microseconds >> (power - 1)) - STEPS : microseconds;
    if (power >= POWERS) power = POWERS - 1, step = STEPS - 1;
    h->buckets[power * STEPS + step]++;
    h->total++;
    if (microseconds > h->most) h->most = microseconds;
}

static inline double quantile(const struct histogram *h, double q) {
    uint64_t wanted = (uint64_t)(q * h->total), seen = 0;
    for (int i = 0; i < STEPS * POWERS; i++) {
        seen += h->buckets[i];
        if (seen > wanted) {
            uint64_t power = i / STEPS, step = i % STEPS;
            return (power ? (double)((step + STEPS) << (power - 1)) : (double)step) / 1000;
        }
    }
    return h->most / 1000.0;
}

static inline void print_histogram(const char *name, const struct histogram *h) {
    printf("\"%s\": {\"count\": %llu, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}", name,
           (unsigned long long)h->total, quantile(h, .5), quantile(h, .99), h->most / 1000.0);
}
