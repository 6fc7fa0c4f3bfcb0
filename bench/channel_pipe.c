/*
 * Sends records through blocking pipes between two threads, to compare bench/channel.lua with.
 *
 * channel_pipe throughput BYTES N: one thread writes N records, each its length and BYTES bytes, with one
 * call for each; the other reads what is there and takes the records out of it. Prints records per
 * second and nanoseconds of CPU time per record.
 * channel_pipe latency BYTES N: a record goes through one pipe and comes back through another, N times.
 * Prints round trips per second, the median and the 99 % time of one in microseconds.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, LENGTH = sizeof(uint32_t) };

static uint32_t size;
static long count, warm_up;
static int to[2], from[2];

static void die(const char* what) {
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void send_record(int fd, const char* record) {
    const size_t all = LENGTH + size;
    for (size_t done = 0; done < all;) {
        const ssize_t n = write(fd, record + done, all - done);
        if (n <= 0) die("write");
        done += (size_t)n;
    }
}

static char* make_record(void) {
    char* record = malloc(LENGTH + size);
    memcpy(record, &size, LENGTH);
    memset(record + LENGTH, 'x', size);
    return record;
}

/* The bytes that came, and how many of them were taken. */
typedef struct {
    char* bytes;
    size_t end, pos;
} input;

static void take_bytes(int fd, input* in, size_t n) {
    while (in->end - in->pos < n) {
        memmove(in->bytes, in->bytes + in->pos, in->end - in->pos);
        in->end -= in->pos;
        in->pos = 0;
        const ssize_t got = read(fd, in->bytes + in->end, BUFFER - in->end);
        if (got <= 0) die("read");
        in->end += (size_t)got;
    }
    in->pos += n;
}

static void recv_record(int fd, input* in, char* record) {
    uint32_t length;
    take_bytes(fd, in, LENGTH);
    memcpy(&length, in->bytes + in->pos - LENGTH, LENGTH);
    if (length != size) die("a wrong record");
    take_bytes(fd, in, length);
    memcpy(record + LENGTH, in->bytes + in->pos - length, length);
}

static void* produce(void* none) {
    char* record = make_record();
    for (long i = 0; i < warm_up + count; ++i) send_record(to[1], record);
    free(record);
    return none;
}

static void* echo(void* none) {
    char* record = make_record();
    input in = {malloc(BUFFER), 0, 0};
    for (long i = 0; i < warm_up + count; ++i) {
        recv_record(to[0], &in, record);
        send_record(from[1], record);
    }
    free(in.bytes);
    free(record);
    return none;
}

static void measure_throughput(char* record, input* in) {
    for (long i = 0; i < warm_up; ++i) recv_record(to[0], in, record);
    const double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < count; ++i) recv_record(to[0], in, record);
    const double used = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    const double n = (double)count;
    printf("%g %g\n", n / (seconds(CLOCK_MONOTONIC) - start), used / n * 1e9);
}

static int compare(const void* a, const void* b) {
    const double x = *(const double*)a, y = *(const double*)b;
    return (x > y) - (x < y);
}

static void measure_latency(char* record, input* in) {
    double* times = malloc((size_t)count * sizeof *times);
    double first = 0;
    for (long i = -warm_up; i < count; ++i) {
        const double start = seconds(CLOCK_MONOTONIC);
        if (i == 0) first = start;
        send_record(to[1], record);
        recv_record(from[0], in, record);
        if (i >= 0) times[i] = seconds(CLOCK_MONOTONIC) - start;
    }
    const double rate = (double)count / (seconds(CLOCK_MONOTONIC) - first);
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("%g %g %g\n", rate, times[count / 2] * 1e6, times[count * 99 / 100] * 1e6);
    free(times);
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: channel_pipe throughput|latency BYTES N\n");
        return 2;
    }
    const int is_latency = strcmp(argv[1], "latency") == 0;
    size = (uint32_t)strtoul(argv[2], NULL, 10);
    count = strtol(argv[3], NULL, 10);
    if (size > BUFFER - LENGTH || count <= 0) return 2;
    warm_up = count / 5;
    if (pipe(to) != 0 || pipe(from) != 0) die("pipe");
    pthread_t other;
    if (pthread_create(&other, NULL, is_latency ? echo : produce, NULL) != 0) die("a thread");
    char* record = make_record();
    input in = {malloc(BUFFER), 0, 0};
    if (is_latency) {
        measure_latency(record, &in);
    } else {
        measure_throughput(record, &in);
    }
    pthread_join(other, NULL);
    free(in.bytes);
    free(record);
    return 0;
}
