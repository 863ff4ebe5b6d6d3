/* The load generator: thousands of WebSocket members on one core, with epoll and nothing else.
 *
 * It speaks either the hub's frames (msgpack: hello, welcome, state, edit, relay, commit) or "raw": 150-byte binary
 * messages that a plain server broadcasts. bench.py compiles and starts it, reads the lines it prints ("joined",
 * "begin", "end", then one line of JSON) and takes the server's figures at those moments.
 *
 * A delivery is one relay (hub) or one message of somebody else (raw) that reached one member. Latency runs from the
 * time that stands in the message; with a rate (open loop) that is the time at which it was due, so a generator or
 * server that falls behind shows. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { CONNECTING, HANDSHAKE, JOINING, READY, GONE };
enum { SCRATCH = 1 << 20, IN_FLIGHT_AT_MOST = 60, SENT_KEPT = 256, CONNECTING_AT_ONCE = 64 };

struct member {
    int fd, state, project, slot;
    uint8_t *unread, *unsent;
    size_t unread_size, unsent_size, unsent_room;
    char client[40], epoch[72];
    uint64_t counter, base, in_flight, sent_at[SENT_KEPT];
    uint8_t is_silent, is_watched, wants_out;
};

static struct {
    const char *host, *path, *token, *speak, *project, *field;
    int port, projects, members, window, size, stalled, heartbeat;
    double rate, seconds, warmup;
} options = {.host = "127.0.0.1", .path = "/v1/projects/%s/ws", .token = "loadtest", .speak = "hub",
             .project = "bench-%d", .field = "props", .port = 8787, .projects = 100, .members = 10, .window = 4,
             .size = 150, .seconds = 5, .warmup = 1};

static struct {
    uint64_t deliveries, echoes, commit_frames, committed, frames, bytes, sent, held_back, rejects, errors, closes;
} count, at_begin;

static struct histogram relay_latency, save_latency;
static struct member *all;
static int total, ready, opened, gone, poller, is_raw, is_measuring, is_sending;
static uint64_t nonce;
static uint8_t scratch[SCRATCH];

static void die(const char *words, ...) {
    va_list list;
    va_start(list, words);
    vfprintf(stderr, words, list);
    fputc('\n', stderr);
    exit(2);
}

static void say_once(const char *what, const uint8_t *payload, size_t size) {
    static int said;
    if (said++ >= 3) return;
    fprintf(stderr, "%s: ", what);
    for (size_t i = 0; i < size && i < 300; i++) fputc(payload[i] >= 32 && payload[i] < 127 ? payload[i] : '.', stderr);
    fputc('\n', stderr);
}

/* Writing. */

static void watch(struct member *m, int wants_out) {
    struct epoll_event event = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0), .data.ptr = m};
    epoll_ctl(poller, m->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, m->fd, &event);
    m->is_watched = 1;
    m->wants_out = wants_out;
}

static void leave(struct member *m) {
    if (m->state == GONE) return;
    if (m->state == READY) ready--;
    m->state = GONE;
    gone++;
    count.closes++;
    close(m->fd);
}

static void flush(struct member *m) {
    size_t done = 0;
    while (done < m->unsent_size) {
        ssize_t sent = send(m->fd, m->unsent + done, m->unsent_size - done, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return leave(m);
            break;
        }
        done += sent;
    }
    memmove(m->unsent, m->unsent + done, m->unsent_size - done);
    m->unsent_size -= done;
    if (m->wants_out != (m->unsent_size > 0)) watch(m, m->unsent_size > 0);
}

static uint8_t *room_for(struct member *m, size_t size) {
    if (m->unsent_size + size > m->unsent_room) {
        m->unsent_room = (m->unsent_size + size) * 2;
        m->unsent = realloc(m->unsent, m->unsent_room);
    }
    return m->unsent + m->unsent_size;
}

static void queue_message(struct member *m, const uint8_t *payload, size_t size, int kind) {
    m->unsent_size += masked_frame(room_for(m, size + 14), payload, size, kind);
}

static size_t stamp(char *text, uint64_t when, size_t size) {
    size_t used = sprintf(text, "@T@%016llx@", (unsigned long long)when);
    while (used < size) text[used++] = 'x';
    text[used] = 0;
    return used;
}

static void say_hello(struct member *m) {
    uint8_t frame[20000], *at = frame;
    at = put_map(at, 4);
    at = put_text(put_text(at, "t"), "hello");
    at = put_text(put_text(at, "token"), options.token);
    at = put_text(put_text(at, "client"), m->client);
    at = put_text(put_text(at, "agent"), "loadgen");
    queue_message(m, frame, at - frame, 2);
}

static void say_ping(struct member *m) {
    uint8_t frame[16], *at = put_text(put_text(put_map(frame, 1), "t"), "ping");
    queue_message(m, frame, at - frame, 2);
    flush(m);
}

static void say_edit(struct member *m, uint64_t when) {
    uint8_t frame[70000], *at = frame;
    char value[66000], key[24];
    sprintf(key, "m%d", m->slot);
    at = put_text(put_text(put_map(at, 2), "t"), "edit");
    at = put_map(put_text(at, "edit"), 4);
    at = put_number(put_text(put_array(put_text(at, "id"), 2), m->client), ++m->counter);
    at = put_text(put_text(at, "epoch"), m->epoch);
    at = put_number(put_text(at, "base"), m->base);
    at = put_map(put_array(put_text(at, "ops"), 1), 2);
    at = put_text(put_text(at, "kind"), "project.set");
    at = put_map(put_text(at, "set"), 1);
    at = put_text(put_map(put_text(at, "props"), 1), key);
    int rest = options.size - (int)(at - frame) - 2;
    stamp(value, when, rest > 20 ? rest : 20);
    at = put_text(at, value);
    m->sent_at[m->counter % SENT_KEPT] = when;
    queue_message(m, frame, at - frame, 2);
}

static void say_raw(struct member *m, uint64_t when) {
    char text[66000];
    size_t used = sprintf(text, "%08d", (int)(m - all));
    used += stamp(text + used, when, options.size - used);
    queue_message(m, (uint8_t *)text, used, 2);
}

static void say_something(struct member *m, uint64_t when) {
    if (m->state != READY || m->is_silent || !is_sending) return;
    if (m->in_flight >= IN_FLIGHT_AT_MOST) {
        count.held_back++;
        return;
    }
    m->in_flight++;
    count.sent++;
    if (is_raw) say_raw(m, when);
    else say_edit(m, when);
}

/* Reading. */

static void take_latency(struct histogram *h, uint64_t since) {
    if (is_measuring) record(h, (now_ns() - since) / 1000);
}

static void take_stamp(struct histogram *h, const uint8_t *payload, size_t size) {
    const uint8_t *mark = memmem(payload, size, "@T@", 3);
    if (mark && mark + 19 <= payload + size) take_latency(h, strtoull((const char *)mark + 3, NULL, 16));
}

static void answered(struct member *m, uint64_t times) {
    m->in_flight = m->in_flight > times ? m->in_flight - times : 0;
    if (options.rate == 0)
        for (uint64_t i = 0; i < times; i++) say_something(m, now_ns());
}

static void on_raw(struct member *m, const uint8_t *payload, size_t size) {
    if (size < 8) return;
    if (atoi((const char *)payload) != (int)(m - all)) {
        count.deliveries++;
        take_stamp(&relay_latency, payload, size);
        return;
    }
    count.echoes++;
    count.committed++;
    take_stamp(&save_latency, payload, size);
    answered(m, 1);
}

static void on_state(struct member *m, struct reader r) {
    uint64_t part = 0, parts = 1;
    struct reader value;
    if (find(r, "part", &value)) part = get_number(&value);
    if (find(r, "parts", &value)) parts = get_number(&value);
    if (!find(r, "position", &value) || get_array(&value) < 2) die("a state without a position");
    get_text(&value, m->epoch, sizeof m->epoch);
    m->base = get_number(&value);
    if (part + 1 >= parts && m->state == JOINING) {
        m->state = READY;
        ready++;
    }
}

static void on_commit(struct member *m, struct reader r) {
    struct reader value, id;
    uint64_t own = 0, rows = 0;
    char client[40];
    count.commit_frames++;
    if (find(r, "edits", &value)) {
        rows = get_array(&value);
        for (uint64_t i = 0; i < rows; i++) {
            if (find(value, "id", &id) && get_array(&id) == 2) {
                get_text(&id, client, sizeof client);
                if (strcmp(client, m->client) == 0) {
                    take_latency(&save_latency, m->sent_at[get_number(&id) % SENT_KEPT]);
                    own++;
                }
            }
            skip(&value);
        }
    }
    if (rows && find(r, "seq", &value)) m->base = get_number(&value) + rows - 1;
    count.committed += own;
    answered(m, own);
}

static void on_refusal(struct member *m, struct reader r, const uint8_t *payload, size_t size, uint64_t *kind) {
    struct reader id;
    char client[40] = "";
    if (find(r, "id", &id) && get_array(&id) == 2) get_text(&id, client, sizeof client);
    if (*client && strcmp(client, m->client) != 0) return;
    ++*kind;
    say_once("refused", payload, size);
    if (*client) answered(m, 1);
}

static void on_frame(struct member *m, const uint8_t *payload, size_t size) {
    struct reader r = {payload, payload + size}, value;
    char name[16];
    if (!find(r, "t", &value)) die("a frame without a name");
    get_text(&value, name, sizeof name);
    if (strcmp(name, "relay") == 0) {
        count.deliveries++;
        take_stamp(&relay_latency, payload, size);
    } else if (strcmp(name, "commit") == 0) on_commit(m, r);
    else if (strcmp(name, "state") == 0) on_state(m, r);
    else if (strcmp(name, "reject") == 0) on_refusal(m, r, payload, size, &count.rejects);
    else if (strcmp(name, "error") == 0) on_refusal(m, r, payload, size, &count.errors);
    else if (strcmp(name, "bye") == 0) say_once("bye", payload, size);
}

static void on_message(struct member *m, int kind, uint8_t *payload, size_t size) {
    count.frames++;
    count.bytes += size;
    if (kind == 2 && is_raw) on_raw(m, payload, size);
    else if (kind == 2) on_frame(m, payload, size);
    else if (kind == 9) queue_message(m, payload, size, 10);
    else if (kind == 8) {
        say_once("closed", payload, size);
        leave(m);
    }
}

static size_t on_bytes(struct member *m, uint8_t *data, size_t size) {
    size_t at = 0;
    if (m->state == HANDSHAKE) {
        uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
        if (!end) return 0;
        if (memcmp(data, "HTTP/1.1 101", 12) != 0) die("no upgrade: %.60s", data);
        at = end + 4 - data;
        opened++;
        m->state = is_raw ? READY : JOINING;
        if (is_raw) ready++;
        else say_hello(m);
    }
    while (m->state != GONE) {
        size_t head, length;
        if (!frame_extent(data + at, size - at, &head, &length) || size - at < head + length) break;
        on_message(m, data[at] & 15, data + at + head, length);
        at += head + length;
    }
    return at;
}

static void on_readable(struct member *m) {
    size_t size = m->unread_size;
    if (size) memcpy(scratch, m->unread, size);
    ssize_t got = recv(m->fd, scratch + size, SCRATCH - size, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return leave(m);
    size += got;
    size_t used = on_bytes(m, scratch, size);
    if (m->state == GONE) return;
    m->unread_size = size - used;
    if (m->unread_size == SCRATCH) die("a frame above 1 MiB");
    if (m->unread_size) {
        m->unread = realloc(m->unread, m->unread_size);
        memcpy(m->unread, scratch + used, m->unread_size);
    }
    if (m->unsent_size && !m->wants_out) flush(m);
}

/* Joining. */

static void start_connecting(struct member *m) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    int one = 1, small = 8192;
    inet_pton(AF_INET, options.host, &address.sin_addr);
    m->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (m->fd < 0) die("no more sockets after %d: %s", (int)(m - all), strerror(errno));
    setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (m->is_silent) setsockopt(m->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(m->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        die("cannot connect: %s", strerror(errno));
    m->state = CONNECTING;
    watch(m, 1);
}

static void say_upgrade(struct member *m) {
    char project[80], path[200], text[1000];
    snprintf(project, sizeof project, options.project, m->project);
    snprintf(path, sizeof path, options.path, project);
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Protocol: scenehub.v1.msgpack\r\n\r\n",
                        path, options.host, options.port);
    memcpy(room_for(m, size), text, size);
    m->unsent_size += size;
    m->state = HANDSHAKE;
}

static void on_event(struct epoll_event *event) {
    struct member *m = event->data.ptr;
    if (m->state == GONE) return;
    if (m->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) die("cannot connect: %s", strerror(error));
        say_upgrade(m);
    }
    if (event->events & EPOLLOUT) flush(m);
    if (m->state != GONE && event->events & ~EPOLLOUT) on_readable(m);
}

static void serve_events(int timeout_ms) {
    struct epoll_event events[512];
    int found = epoll_wait(poller, events, 512, timeout_ms);
    for (int i = 0; i < found; i++)
        if (events[i].data.ptr) on_event(&events[i]);
}

static void join_all(void) {
    uint64_t deadline = now_ns() + 120000000000ull;
    int started = 0;
    while (ready < total) {
        while (started < total && started - ready < CONNECTING_AT_ONCE) start_connecting(&all[started++]);
        serve_events(100);
        if (gone) die("%d members were turned away", gone);
        if (now_ns() > deadline) die("only %d of %d members joined (%d upgraded)", ready, total, opened);
    }
}

static void make_members(void) {
    all = calloc(total, sizeof *all);
    for (int i = 0; i < total; i++) {
        struct member *m = &all[i];
        m->project = i % options.projects;
        m->slot = i / options.projects;
        m->is_silent = options.stalled >= 0 && i == 0;
        snprintf(m->client, sizeof m->client, "lg%012llx%08d", (unsigned long long)(nonce & 0xffffffffffffull), i);
    }
}

/* Running. */

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void mark(const char *word) {
    printf("%s\n", word);
    fflush(stdout);
}

static void run_for(double seconds, int timer) {
    static uint64_t due, turn;
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    double each = options.rate > 0 ? 1e9 / (options.rate * total) : options.heartbeat ? 1e9 * options.heartbeat / total : 0;
    if (!due) due = now_ns();
    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        while (each > 0 && due <= now) {
            struct member *m = &all[turn++ % total];
            if (options.rate > 0) {
                say_something(m, due);
                if (m->unsent_size && !m->wants_out && m->state == READY) flush(m);
            } else if (m->state == READY) say_ping(m);
            due += (uint64_t)each;
        }
        uint64_t until = each > 0 && due < end ? due : end;
        struct itimerspec when = {.it_value = {until / 1000000000ull, until % 1000000000ull}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        serve_events(-1);
    }
}

static int option(const char *name, const char *value) {
#define TEXT(field) if (strcmp(name, "--" #field) == 0) return options.field = value, 1
#define NUMBER(field) if (strcmp(name, "--" #field) == 0) return options.field = atof(value), 1
    TEXT(host); TEXT(path); TEXT(token); TEXT(speak); TEXT(project);
    NUMBER(port); NUMBER(projects); NUMBER(members); NUMBER(window); NUMBER(size); NUMBER(stalled);
    NUMBER(heartbeat); NUMBER(rate); NUMBER(seconds); NUMBER(warmup);
    return 0;
}

int main(int argc, char **argv) {
    options.stalled = -1; /* 0: the first member is silent but reads; 1: it does not read either */
    for (int i = 1; i + 1 < argc; i += 2)
        if (!option(argv[i], argv[i + 1])) die("unknown option %s", argv[i]);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    is_raw = strcmp(options.speak, "raw") == 0;
    total = options.projects * options.members;
    nonce = now_ns() ^ (uint64_t)getpid() << 40;
    poller = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    make_members();
    join_all();
    mark("joined");
    if (options.stalled == 1) epoll_ctl(poller, EPOLL_CTL_DEL, all[0].fd, NULL);
    is_sending = options.window > 0;
    if (options.rate == 0)
        for (int i = 0; i < total * options.window; i++) say_something(&all[i % total], now_ns());
    for (int i = 0; i < total; i++)
        if (all[i].unsent_size) flush(&all[i]);
    run_for(options.warmup, timer);
    mark("begin");
    at_begin = count;
    is_measuring = 1;
    double cpu = cpu_seconds();
    uint64_t began = now_ns();
    run_for(options.seconds, timer);
    double took = (now_ns() - began) / 1e9;
    cpu = cpu_seconds() - cpu;
    is_measuring = is_sending = 0;
    mark("end");
#define SINCE(field) (unsigned long long)(count.field - at_begin.field)
    printf("{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"deliveries\": %llu, \"committed\": %llu, \"sent\": %llu, "
           "\"frames\": %llu, \"bytes\": %llu, \"commit_frames\": %llu, \"held_back\": %llu, \"rejects\": %llu, "
           "\"errors\": %llu, \"closes\": %llu, ",
           took, cpu, SINCE(deliveries), SINCE(committed), SINCE(sent), SINCE(frames), SINCE(bytes),
           SINCE(commit_frames), SINCE(held_back), SINCE(rejects), SINCE(errors), SINCE(closes));
    print_histogram("relay_ms", &relay_latency);
    printf(", ");
    print_histogram("save_ms", &save_latency);
    printf("}\n");
    return 0;
}
