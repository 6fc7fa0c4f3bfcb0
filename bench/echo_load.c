// Load for an echo server on 127.0.0.1: every connection has one message in flight, and every
// byte that comes back is checked.
// usage: echo_load port connections message-bytes seconds [warm-up-seconds] [wave] [udp] [lines]
//
// After the warm-up nothing is in flight, and it prints "ready". Then, for each line of stdin, it runs
// for that many seconds, waits for the last echoes, and prints "echoes N seconds S". So nothing is in
// flight between the runs, when the driver reads the server's counters or attaches to the server. At
// the end of stdin it closes the connections.
//
// With "wave" no connection sends its next message before all echoes of the last one have come; with
// "udp" each is a connected UDP socket, and a message is a datagram; with "lines" a message is a line.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PATTERN = 16384, MAX_BYTES = 1 << 20, STALL_MS = 10000 };

struct conn {
    int fd;
    uint32_t seed;
    const char* msg;  // the message in flight, a window into the pattern
    size_t sent, got;
};

// Messages are windows into one random pattern. Each differs from the one before without the cost of
// filling it, so an echo that is stale, shifted or another connection's does not match.
static char* pattern;
static char* in;
static size_t bytes;
static int ep;
static bool wave, udp, lines;

static void die(const char* what) {
    perror(what);
    exit(1);
}

static void fail(const char* what) {
    fprintf(stderr, "echo_load: %s\n", what);
    exit(1);
}

static uint32_t next_random(uint32_t* state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void open_conn(struct conn* c, int port) {
    c->fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (connect(c->fd, (struct sockaddr*)&addr, sizeof addr) < 0) die("connect");
    int on = 1;
    if (!udp && setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) die("TCP_NODELAY");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0) die("O_NONBLOCK");
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0) die("epoll_ctl");
}

static void send_rest(struct conn* c) {
    while (c->sent < bytes) {
        ssize_t n = send(c->fd, c->msg + c->sent, bytes - c->sent, MSG_NOSIGNAL);
        if (n >= 0)
            c->sent += (size_t)n;
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            die("send");
    }
}

static void send_message(struct conn* c) {
    size_t at = next_random(&c->seed) % PATTERN;
    c->msg = pattern + (lines ? at - at % bytes : at);
    c->sent = c->got = 0;
    send_rest(c);
}

// Receives what has come of the echo. Returns true when it is whole.
static bool receive(struct conn* c) {
    for (;;) {
        // Ask for one byte more than is due: that detects a server that sends too much, and makes a
        // read of the whole rest a short one, which says that the socket is empty.
        size_t room = bytes - c->got + 1;
        ssize_t n = recv(c->fd, in, room, 0);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return false;
            die("recv");
        }
        if (n == 0) fail("the server closed the connection");
        if ((size_t)n == room) fail("more came back than was sent");
        if (memcmp(in, c->msg + c->got, (size_t)n) != 0) fail("wrong bytes came back");
        c->got += (size_t)n;
        return c->got == bytes;
    }
}

// Keeps every connection busy for that long, then waits for the echoes that are still due. Returns
// the number of echoes.
static uint64_t run(struct conn* conns, int count, double seconds, double* elapsed) {
    struct epoll_event events[BATCH];
    uint64_t echoes = 0;
    double start = now(), end = start + seconds;
    int active = count;
    for (int i = 0; i < count; i++) send_message(&conns[i]);
    while (active > 0) {
        int n = epoll_wait(ep, events, BATCH, STALL_MS);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        if (n == 0) fail("no echo came back in time");
        bool over = now() >= end;
        for (int i = 0; i < n; i++) {
            struct conn* c = events[i].data.ptr;
            if (c->got == bytes) continue;
            if (c->sent < bytes) send_rest(c);
            if (!(events[i].events & ~(uint32_t)EPOLLOUT) || !receive(c)) continue;
            echoes++;
            if (over || wave)
                active--;
            else
                send_message(c);
        }
        if (wave && active == 0 && !over) {
            active = count;
            for (int i = 0; i < count; i++) send_message(&conns[i]);
        }
    }
    *elapsed = now() - start;
    return echoes;
}

int main(int argc, char** argv) {
    for (; argc > 5; argc--) {
        const char* word = argv[argc - 1];
        if (strcmp(word, "wave") == 0)
            wave = true;
        else if (strcmp(word, "udp") == 0)
            udp = true;
        else if (strcmp(word, "lines") == 0)
            lines = true;
        else
            break;
    }
    if (argc < 5 || argc > 6) {
        fprintf(stderr,
                "usage: %s port connections message-bytes seconds [warm-up-seconds] [wave] [udp] "
                "[lines]\n",
                argv[0]);
        return 2;
    }
    int port = atoi(argv[1]);
    int count = atoi(argv[2]);
    long size = atol(argv[3]);
    double seconds = atof(argv[4]);
    double warm_up = argc > 5 ? atof(argv[5]) : 0.5;
    if (port < 1 || port > 65535 || count < 1 || size < 1 || size > MAX_BYTES || seconds <= 0)
        fail("bad argument");
    bytes = (size_t)size;

    pattern = malloc(PATTERN + bytes);
    in = malloc(bytes + 1);
    struct conn* conns = calloc((size_t)count, sizeof *conns);
    if (!pattern || !in || !conns) die("malloc");
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < PATTERN + bytes; i++) {
        pattern[i] = (char)(next_random(&state) >> 8);
        if (lines && (pattern[i] == '\n' || pattern[i] == '\r')) pattern[i] = ' ';
        if (lines && i % bytes == bytes - 1) pattern[i] = '\n';
    }

    ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0) die("epoll_create1");
    for (int i = 0; i < count; i++) {
        conns[i].seed = next_random(&state);
        open_conn(&conns[i], port);
    }

    double elapsed;
    run(conns, count, warm_up, &elapsed);
    puts("ready");
    fflush(stdout);
    for (int ch = getchar(); ch != EOF; ch = getchar()) {
        if (ch != '\n') continue;
        uint64_t echoes = run(conns, count, seconds, &elapsed);
        printf("echoes %llu seconds %.6f\n", (unsigned long long)echoes, elapsed);
        fflush(stdout);
    }
    return 0;
}
