// Loads a server for bench/burst: bursts of connections that are opened and cut at once, beside the
// round trips of an old connection. Each round trip is measured in CPU time of the server, so that
// what else the machine does does not count. Prints the median, the 99th percentile and the longest, in
// microseconds, and the number of bursts.
// usage: burst_load port pid connections pause-ms seconds

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUND_TRIPS = 1 << 20 };

static struct sockaddr_in server = {.sin_family = AF_INET};
static int connections, pause_ms;
static atomic_int over, bursts;

static void die(const char* what) {
    perror(what);
    exit(1);
}

static double time_of(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) die("clock_gettime");
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void rest(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

static int open_connection(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (struct sockaddr*)&server, sizeof server) != 0) die("connect");
    return fd;
}

// Cuts connections with a reset, which leaves no ports in TIME_WAIT.
static void cut(int fd) {
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void* burst(void* unused) {
    int* fds = calloc((size_t)connections, sizeof *fds);
    if (fds == NULL) die("calloc");
    while (!over) {
        for (int i = 0; i < connections; ++i) fds[i] = open_connection();
        for (int i = 0; i < connections; ++i) cut(fds[i]);
        ++bursts;
        if (pause_ms > 0) rest(pause_ms * 1e-3);
    }
    free(fds);
    return unused;
}

static int by_size(const void* a, const void* b) {
    const double x = *(const double*)a, y = *(const double*)b;
    return (x > y) - (x < y);
}

int main(int argc, char** argv) {
    static double times[MAX_ROUND_TRIPS];
    if (argc != 6) die("usage: burst_load port pid connections pause-ms seconds");
    clockid_t of_server;
    if (clock_getcpuclockid(atoi(argv[2]), &of_server) != 0) die("clock_getcpuclockid");
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    connections = atoi(argv[3]);
    pause_ms = atoi(argv[4]);
    const int fd = open_connection(), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_t thread;
    if (connections > 0 && pthread_create(&thread, NULL, burst, NULL) != 0) die("pthread_create");
    const double end = time_of(CLOCK_MONOTONIC) + atof(argv[5]);
    int n = 0;
    while (n < MAX_ROUND_TRIPS && time_of(CLOCK_MONOTONIC) < end) {
        char c = 'x';
        const double start = time_of(of_server);
        if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1) die("round trip");
        times[n++] = time_of(of_server) - start;
        rest(200e-6);
    }
    over = 1;
    qsort(times, (size_t)n, sizeof *times, by_size);
    printf("%.0f %.0f %.0f %d\n", times[n / 2] * 1e6, times[(int)(n * 0.99)] * 1e6,
           times[n - 1] * 1e6, (int)bursts);
    return 0;
}
